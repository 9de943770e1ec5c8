-- Write the members of accepted requests into the journal, each request whole or not at all, one round trip a group.
-- gcra.lua and demands.lua stand in front of this. A member that a quota refuses is left out.
-- KEYS: journal, journal:due, journal:bytes, journal:waiting:c, :n, :b, then one idempotency key per request ('' = none),
--       then one per bucket.
-- ARGV: now ms, first look ms, entries max, bytes max, idempotency life s, now us or '' (Redis's clock), requests;
--       per bucket: interval, limit;
--       per request: fingerprint, answer, members n, then n x (due member, id, entry). Where limits apply, what
--       demands.lua reads stands for n, and before several members, one a quota, the answer for one that it refuses.
-- Returns per request: {'stored'}, {'replayed', answer}, {'mismatch'} or {'full'}; where limits apply also {'limited'},
--       and {verdict, answer or '', places of refused members from 0, what became of each bucket}.
local now, due_at, entries_max, bytes_max, life = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local now_us, last, at = 0, 6 + tonumber(ARGV[7]), 8
local buckets = {}
if #KEYS > last then now_us = gcra_now(ARGV[6]) end
for i = last + 1, #KEYS do
  buckets[i - last], at = gcra_open(KEYS[i], ARGV[at], ARGV[at + 1]), at + 2
end
local entries = redis.call('HLEN', KEYS[1])
local bytes = tonumber(redis.call('GET', KEYS[3]) or '0')
local answers, added = {}, 0
local bodies, looks, waiting = {}, {}, { c = {}, n = {}, b = {} }
local nobody = {}

-- Keep the members that are not in `out`.
local function keep(n, out)
  for i = 0, n - 1 do
    if not out[i] then
      local member, id, entry = ARGV[at + i * 3], ARGV[at + i * 3 + 1], ARGV[at + i * 3 + 2]
      local queue = waiting[string.sub(member, 1, 1)]
      bodies[#bodies + 1], bodies[#bodies + 2] = id, entry
      looks[#looks + 1], looks[#looks + 2] = due_at, member
      queue[#queue + 1], queue[#queue + 2] = now, id
      entries, added = entries + 1, added + #entry
    end
  end
end

local function id(i) return ARGV[at + i * 3 + 1] end

for request = 7, last do
  local key, fingerprint, answer, n = KEYS[request], ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local demand = not n and demand_read(ARGV[at + 2], buckets)
  local texts, allowed, found, places = {}, true, nil, nobody
  at = at + 3
  if demand then
    n, allowed = demand.n, demand_request(demand, now_us)
    if n > 1 then
      for k = 1, #demand.quotas do texts[k], at = ARGV[at], at + 1 end
    end
  end
  local known = allowed and key ~= '' and redis.call('GET', key)
  if not allowed then
    found = { 'limited' }
  elseif known then
    local stored, earlier = string.match(known, '^(%x+) (.*)$')
    found = stored == fingerprint and { 'replayed', earlier } or { 'mismatch' }
  else
    local size, out = 0, nobody
    for i = 0, n - 1 do size = size + #ARGV[at + i * 3 + 2] end
    if entries + n > entries_max or bytes + added + size > bytes_max then
      found = { 'full' }
    else
      if demand then out, places = demand_members(demand, now_us, id, texts) end
      if n > 0 and #places == n then
        found = { 'limited' }
      else
        found = { 'stored' }
        if #places > 0 then answer = demand_answer(demand, answer); found[2] = answer end
        keep(n, out)
        if key ~= '' then redis.call('SET', key, fingerprint .. ' ' .. answer, 'EX', life) end
      end
    end
  end
  if demand then found = { found[1], found[2] or '', places, demand.became } end
  answers[#answers + 1] = found
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
gcra_close(buckets, now_us)
return answers
