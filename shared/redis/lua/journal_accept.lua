-- Write the members of accepted requests into the journal, each request whole or not at all, one round trip a group.
-- KEYS: journal, journal:due, journal:bytes, journal:waiting:c, :n, :b, then one idempotency key per request ('' = none).
-- ARGV: now ms, first look ms, entries max, bytes max, idempotency life s;
--       per request: fingerprint, answer, members n, then n x (due member, id, entry).
-- Returns per request: {'stored'}, {'replayed', answer}, {'mismatch'} or {'full'}.
local now, due_at, entries_max, bytes_max, life = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local entries = redis.call('HLEN', KEYS[1])
local bytes = tonumber(redis.call('GET', KEYS[3]) or '0')
local answers, at, added = {}, 6, 0
local bodies, looks, waiting = {}, {}, { c = {}, n = {}, b = {} }
for request = 7, #KEYS do
  local key, fingerprint, answer, n = KEYS[request], ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local known = key ~= '' and redis.call('GET', key)
  at = at + 3
  if known then
    local stored, earlier = string.match(known, '^(%x+) (.*)$')
    answers[#answers + 1] = stored == fingerprint and { 'replayed', earlier } or { 'mismatch' }
  else
    local size = 0
    for i = 0, n - 1 do size = size + #ARGV[at + i * 3 + 2] end
    if entries + n > entries_max or bytes + added + size > bytes_max then
      answers[#answers + 1] = { 'full' }
    else
      for i = 0, n - 1 do
        local member, id = ARGV[at + i * 3], ARGV[at + i * 3 + 1]
        local queue = waiting[string.sub(member, 1, 1)]
        bodies[#bodies + 1], bodies[#bodies + 2] = id, ARGV[at + i * 3 + 2]
        looks[#looks + 1], looks[#looks + 2] = due_at, member
        queue[#queue + 1], queue[#queue + 2] = now, id
      end
      if key ~= '' then redis.call('SET', key, fingerprint .. ' ' .. answer, 'EX', life) end
      entries, added = entries + n, added + size
      answers[#answers + 1] = { 'stored' }
    end
  end
  at = at + n * 3
end

-- One command a key, not one an entry; in slices, because a script may unpack some thousand values at once.
local function write(command, key, pairs)
  for first = 1, #pairs, 2000 do
    redis.call(command, key, unpack(pairs, first, math.min(first + 1999, #pairs)))
  end
end
write('HSET', KEYS[1], bodies)
write('ZADD', KEYS[2], looks)
write('ZADD', KEYS[4], waiting.c)
write('ZADD', KEYS[5], waiting.n)
write('ZADD', KEYS[6], waiting.b)
if added > 0 then redis.call('INCRBY', KEYS[3], added) end
return answers
