-- Publish one notification to everyone of an app: tail, top, one message per live node.
-- KEYS: app:{app}, tail:all:{app}, nodes.
-- ARGV: epoch, seq, prev, expires ms, excluded (JSON list), request id, fragment, app, tail frames max, bytes max, life s.
-- Returns {messages sent, nodes found deaf}.
local epoch, seq, prev, expires, excluded, fragment = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[7]
local known = redis.call('HMGET', KEYS[1], 'epoch', 'top')
-- Of two epochs a script cannot tell the newer one: whoever reads this next asks the database.
if known[1] ~= epoch then
  redis.call('DEL', KEYS[2])
  redis.call('HDEL', KEYS[1], 'run')
end
if known[1] ~= epoch or not known[2] or tonumber(known[2]) < tonumber(seq) then
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'top', seq)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], seq, seq)
redis.call('ZADD', KEYS[2], seq, seq .. ' ' .. prev .. ' ' .. expires .. ' ' .. excluded .. '\n' .. fragment)
local bytes = 0
local members = redis.call('ZREVRANGE', KEYS[2], 0, -1)
for i, member in ipairs(members) do
  bytes = bytes + #member
  if i > tonumber(ARGV[9]) or bytes > tonumber(ARGV[10]) then redis.call('ZREM', KEYS[2], member) end
end
redis.call('EXPIRE', KEYS[2], ARGV[11])
local message = table.concat({ '1 all', ARGV[8], epoch, seq, prev, expires }, ' ')
  .. '\n' .. excluded .. '\n' .. ARGV[6] .. ' ' .. fragment
local sent, deaf = 0, {}
for _, node in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if redis.call('EXISTS', 'lease:' .. node) == 0 then
    redis.call('SREM', KEYS[3], node)
  elseif redis.call('PUBLISH', 'node:' .. node, message) == 0 then
    redis.call('DEL', 'lease:' .. node)
    deaf[#deaf + 1] = node
  else
    sent = sent + 1
  end
end
return { sent, deaf }
