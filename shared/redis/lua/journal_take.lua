-- Give a job its entries, and along with them what else of their priority waits for a job, the oldest first: a queue
-- that has grown long is stored in big groups, whatever size its jobs have. What is given is not found by another job,
-- nor by the reconciler before `next look`.
-- KEYS: journal, journal:due, journal:waiting:c, :n, :b, journal:cancelled.
-- ARGV: next look ms, members max, bytes max, '1' if the ids are wanted although a job took them, then ids.
-- Returns 1 if anything is cancelled that is not stored, else 0, then id, entry, id, entry ...; what is gone, or taken
-- by another job, is left out.
local next_look, members_max, bytes_max, anyhow = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local letters, found, marks, bytes = { 'c', 'n', 'b' }, {}, {}, 0

local function give(id, entry, letter)
  found[#found + 1], found[#found + 2] = id, entry
  marks[#marks + 1], marks[#marks + 2] = next_look, letter .. ':' .. id
  bytes = bytes + #entry
end

-- The entries of one job share a priority, so after the first the right letter is tried first.
local at = 2
local function took(id)
  for turn = 0, 2 do
    local try = (at - 1 + turn) % 3 + 1
    if redis.call('ZREM', KEYS[2 + try], id) == 1 then at = try return true end
  end
  return false
end

local new = false
for i = 5, #ARGV do
  local waited = took(ARGV[i])
  new = new or waited
  if waited or anyhow then
    local entry = redis.call('HGET', KEYS[1], ARGV[i])
    if entry then
      -- Without a mark of its own: a look that a failure has set must not be moved.
      if waited then give(ARGV[i], entry, letters[at]) else found[#found + 1], found[#found + 2] = ARGV[i], entry end
    end
  end
end

-- Wanted anyhow: its last job may have died of it, and company would share that.
local room = members_max - #found / 2
if new and not anyhow and room > 0 then
  local ids = redis.call('ZRANGE', KEYS[2 + at], 0, room - 1)
  local entries = #ids > 0 and redis.call('HMGET', KEYS[1], unpack(ids)) or {}
  local along = 0
  for i, id in ipairs(ids) do
    local entry = entries[i]
    if entry and bytes + #entry > bytes_max then break end
    if entry then give(id, entry, letters[at]) end
    along = i
  end
  if along > 0 then redis.call('ZREM', KEYS[2 + at], unpack(ids, 1, along)) end
end
for first = 1, #marks, 2000 do
  redis.call('ZADD', KEYS[2], 'XX', 'GT', unpack(marks, first, math.min(first + 1999, #marks)))
end
table.insert(found, 1, redis.call('EXISTS', KEYS[6]))
return found
