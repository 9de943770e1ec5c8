-- Publish what one transaction made for users of one app: records and tails of warm users, one message per node.
-- KEYS: none named; touches stream:{app}:{user}, tail:me:{app}:{user}, lease:{node} of users in ARGV (single Redis only).
-- ARGV: app, epoch, tail frames max, tail bytes max, tail life s, bodies n, n x (request id, expires ms, fragment);
--       per user: user, record 'rev top acked all_acked total unseen unread archived', frames 'seq prev body;...'.
-- A cold user costs one HGET: its two texts are not even parsed. Returns {warm users, messages sent, nodes found deaf}.
local app, epoch, frames_max, bytes_max, life = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local live, out, order, warm = {}, {}, {}, 0

local function alive(node)
  if live[node] == nil then live[node] = redis.call('EXISTS', 'lease:' .. node) == 1 end
  return live[node]
end

local function parsed(frames)
  local list = {}
  for seq, prev, body in string.gmatch(frames, '(%d+) (%d+) (%d+)') do
    local at = 7 + body * 3
    list[#list + 1] = { seq, prev, body, ARGV[at], ARGV[at + 1], ARGV[at + 2] }
  end
  return list
end

-- The fields of a record for HSET, behind the key and the tail's size in bytes.
local function record(key, bytes, text, changed, acked, all_acked)
  local rev, top, me, all, total, unseen, unread, archived =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  if not changed then me, all = math.max(me, acked or 0), math.max(all, all_acked or 0) end
  redis.call('HSET', key, 'bytes', bytes, 'epoch', epoch, 'rev', rev, 'top', top, 'acked', string.format('%d', me),
    'all_acked', string.format('%d', all), 'total', total, 'unseen', unseen, 'unread', unread, 'archived', archived)
end

-- Append to a tail of `size` members and `bytes`; up to the seq `known` a place may be taken. Returns its bytes.
local function append(tail, size, bytes, known, list)
  for _, f in ipairs(list) do
    local seq, member = f[1], f[1] .. ' ' .. f[2] .. ' ' .. f[5] .. '\n' .. f[6]
    if redis.call('ZADD', tail, seq, member) == 1 then
      bytes, size = bytes + #member, size + 1
      if tonumber(seq) <= known then
        -- A member made by another version may differ in bytes: the newer one replaces it.
        for _, old in ipairs(redis.call('ZRANGEBYSCORE', tail, seq, seq)) do
          if old ~= member then redis.call('ZREM', tail, old); bytes, size = bytes - #old, size - 1 end
        end
      end
    end
  end
  while bytes > bytes_max or size > frames_max do
    local oldest = redis.call('ZPOPMIN', tail)
    if not oldest[1] then bytes = 0 break end
    bytes, size = bytes - #oldest[1], size - 1
  end
  redis.call('EXPIRE', tail, life)
  return bytes
end

local function queue(node, user, list)
  local o = out[node]
  if not o then o = { at = {}, n = 0, bodies = {}, lines = {} }; out[node] = o; order[#order + 1] = node end
  for _, f in ipairs(list) do
    if not o.at[f[3]] then
      o.at[f[3]] = o.n
      o.n = o.n + 1
      o.bodies[o.n] = f[4] .. ' ' .. f[6]
    end
    o.lines[#o.lines + 1] = f[1] .. ' ' .. f[2] .. ' ' .. f[5] .. ' ' .. o.at[f[3]] .. ' ' .. user
  end
end

for at = 7 + ARGV[6] * 3, #ARGV, 3 do
  local user, key = ARGV[at], 'stream:' .. app .. ':' .. ARGV[at]
  local nodes = redis.call('HGET', key, 'nodes')
  if nodes then
    warm = warm + 1
    local was = redis.call('HMGET', key, 'top', 'rev', 'bytes', 'acked', 'all_acked', 'epoch')
    local tail, list, size, bytes = 'tail:me:' .. app .. ':' .. user, parsed(ARGV[at + 2]), 0, 0
    local changed = was[6] and was[6] ~= epoch
    if changed then redis.call('HDEL', key, 'run') end -- as in stream_put.lua
    if was[6] ~= epoch then redis.call('DEL', tail) else size = redis.call('ZCARD', tail) end
    if size > 0 then bytes = tonumber(was[3] or '0') end
    bytes = append(tail, size, bytes, size == 0 and 0 or tonumber(was[1] or '') or math.huge, list)
    if changed or not was[2] or tonumber(was[2]) < tonumber(string.match(ARGV[at + 1], '^%d+')) then
      record(key, bytes, ARGV[at + 1], changed, was[4], was[5])
    else
      redis.call('HSET', key, 'bytes', bytes)
    end
    for node in string.gmatch(nodes, '[^,]+') do
      if alive(node) then queue(node, user, list) end
    end
  end
end

local deaf = {}
for _, node in ipairs(order) do
  local o = out[node]
  local head = '1 frames ' .. app .. ' ' .. epoch .. ' ' .. o.n .. '\n' .. table.concat(o.bodies, '\n')
  if redis.call('PUBLISH', 'node:' .. node, head .. '\n' .. table.concat(o.lines, '\n')) == 0 then
    redis.call('DEL', 'lease:' .. node)
    deaf[#deaf + 1] = node
  end
end
return { warm, #order - #deaf, deaf }
