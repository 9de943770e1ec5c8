-- Take one notification to everyone back: a position in its place in the tail, a new empty place at the end of the
-- stream (so that nobody believes counts from before), two messages per live node.
-- KEYS: app:{app}, tail:all:{app}, nodes. ARGV: app, epoch, what is taken away as JSON, seq, the new place, tail life s.
-- Returns {nodes told, nodes found deaf}.
local app, epoch, what, seq, place = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local before = string.format('%d', place - 1)
local known = redis.call('HMGET', KEYS[1], 'epoch', 'top')
if known[1] == epoch then
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], seq, seq)) do
    redis.call('ZREM', KEYS[2], old)
    redis.call('ZADD', KEYS[2], seq, seq .. ' ' .. string.format('%d', seq - 1) .. ' 0 []\n')
  end
  if redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], place, place)
    redis.call('ZADD', KEYS[2], place, place .. ' ' .. before .. ' 0 []\n')
    redis.call('EXPIRE', KEYS[2], ARGV[6])
  end
  if tonumber(known[2] or 0) < tonumber(place) then redis.call('HSET', KEYS[1], 'top', place) end
end
local told, deaf = 0, {}
for _, node in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if redis.call('EXISTS', 'lease:' .. node) == 0 then
    redis.call('SREM', KEYS[3], node)
  elseif redis.call('PUBLISH', 'node:' .. node, '1 retract ' .. app .. ' all\n' .. what) == 0 then
    redis.call('DEL', 'lease:' .. node)
    deaf[#deaf + 1] = node
  else
    redis.call('PUBLISH', 'node:' .. node,
      table.concat({ '1 all', app, epoch, place, before, '0' }, ' ') .. '\n[]\n- ')
    told = told + 1
  end
end
return { told, deaf }
