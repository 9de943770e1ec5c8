-- Send one envelope to every live node that holds a user. KEYS: stream:{app}:{user}. ARGV: envelope. Returns nodes reached.
local reached = 0
for node in string.gmatch(redis.call('HGET', KEYS[1], 'nodes') or '', '[^,]+') do
  if redis.call('EXISTS', 'lease:' .. node) == 1 then
    if redis.call('PUBLISH', 'node:' .. node, ARGV[1]) == 0 then
      redis.call('DEL', 'lease:' .. node)
    else
      reached = reached + 1
    end
  end
end
return reached
