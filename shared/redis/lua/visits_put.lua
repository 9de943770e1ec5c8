-- Take reports of connections: the newest of each stays. KEYS: connections:log.
-- ARGV: most that may wait, then n x (connection, report). Returns how many there was no room for.
local room, refused = tonumber(ARGV[1]) - redis.call('HLEN', KEYS[1]), 0
for i = 2, #ARGV, 2 do
  if room > 0 or redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    room = room - redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  else
    refused = refused + 1
  end
end
return refused
