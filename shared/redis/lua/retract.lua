-- Take places of users' streams away: a position in the tail, the record, one message per node.
-- KEYS: none named; touches stream:{app}:{user}, tail:me:{app}:{user}, lease:{node} of users in ARGV (single Redis only).
-- ARGV: app, epoch, what is taken away as JSON ('' = tell nobody);
--       per user: user, seq, record 'rev top acked all_acked total unseen unread archived' ('' = leave it),
--       told 'rev total unseen unread archived' with what went to everyone ('' = tell nobody).
-- A cold user costs one HGET. Running it again changes nothing. Returns {warm users, messages sent, nodes found deaf}.
local app, epoch, what = ARGV[1], ARGV[2], ARGV[3]
local live, out, order, warm = {}, {}, {}, 0

local function alive(node)
  if live[node] == nil then live[node] = redis.call('EXISTS', 'lease:' .. node) == 1 end
  return live[node]
end

-- Put a position in the place `seq` of a tail; how many bytes the tail has grown. A tail that begins later is left alone.
local function blank(tail, seq)
  local first = redis.call('ZRANGE', tail, 0, 0, 'WITHSCORES')[2]
  if not first or tonumber(seq) < tonumber(first) then return 0 end
  local member = seq .. ' ' .. string.format('%d', seq - 1) .. ' 0\n'
  local grown = 0
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', tail, seq, seq)) do
    if old ~= member then
      redis.call('ZREM', tail, old)
      grown = grown - #old
    end
  end
  if redis.call('ZADD', tail, seq, member) == 1 then grown = grown + #member end
  return grown
end

-- As publish_me.lua: only a newer one is written, and acks never go back.
local function record(key, was, text)
  local rev, top, me, all, total, unseen, unread, archived =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  if was[2] and tonumber(was[2]) >= tonumber(rev) then return end
  redis.call('HSET', key, 'rev', rev, 'top', top, 'acked', string.format('%d', math.max(me, was[4] or 0)), 'all_acked',
    string.format('%d', math.max(all, was[5] or 0)), 'total', total, 'unseen', unseen, 'unread', unread, 'archived',
    archived)
end

for at = 4, #ARGV, 4 do
  local user, seq, text, told = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local key = 'stream:' .. app .. ':' .. user
  local nodes = redis.call('HGET', key, 'nodes')
  if nodes then
    warm = warm + 1
    local was = redis.call('HMGET', key, 'epoch', 'rev', 'bytes', 'acked', 'all_acked')
    if was[1] == epoch then
      local grown = blank('tail:me:' .. app .. ':' .. user, seq)
      if grown ~= 0 then redis.call('HSET', key, 'bytes', math.max(0, (was[3] or 0) + grown)) end
      if text ~= '' then record(key, was, text) end
    end
    for node in string.gmatch(nodes, '[^,]+') do
      if what ~= '' and told ~= '' and alive(node) then
        if not out[node] then out[node] = {}; order[#order + 1] = node end
        out[node][#out[node] + 1] = told .. ' ' .. user
      end
    end
  end
end

local deaf = {}
for _, node in ipairs(order) do
  local message = '1 retract ' .. app .. ' users\n' .. what .. '\n' .. table.concat(out[node], '\n')
  if redis.call('PUBLISH', 'node:' .. node, message) == 0 then
    redis.call('DEL', 'lease:' .. node)
    deaf[#deaf + 1] = node
  end
end
return { warm, #order - #deaf, deaf }
