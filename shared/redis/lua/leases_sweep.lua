-- Forget nodes whose lease is over. KEYS: nodes. Returns how many.
local gone = 0
for _, node in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', 'lease:' .. node) == 0 then
    gone = gone + redis.call('SREM', KEYS[1], node)
  end
end
return gone
