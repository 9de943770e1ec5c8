-- Send one envelope to every live node. KEYS: nodes. ARGV: envelope. Returns nodes reached.
local reached = 0
for _, node in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', 'lease:' .. node) == 0 then
    redis.call('SREM', KEYS[1], node)
  elseif redis.call('PUBLISH', 'node:' .. node, ARGV[1]) == 0 then
    redis.call('DEL', 'lease:' .. node)
  else
    reached = reached + 1
  end
end
return reached
