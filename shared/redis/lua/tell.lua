-- A function for the scripts that tell every live node something; this file stands before them.
local function tell(nodes, envelope)
  local reached = 0
  for _, node in ipairs(redis.call('SMEMBERS', nodes)) do
    if redis.call('EXISTS', 'lease:' .. node) == 0 then
      redis.call('SREM', nodes, node)
    elseif redis.call('PUBLISH', 'node:' .. node, envelope) == 0 then
      redis.call('DEL', 'lease:' .. node)
    else
      reached = reached + 1
    end
  end
  return reached
end
