-- Drop words about what was cancelled, unless they changed since they were read.
-- KEYS: journal:cancelled, journal:cancelled:bytes. ARGV: field, words, field, words ... Returns how many were dropped.
local dropped = 0
for at = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[at]) == ARGV[at + 1] then
    redis.call('HDEL', KEYS[1], ARGV[at])
    redis.call('DECRBY', KEYS[2], #ARGV[at + 1])
    dropped = dropped + 1
  end
end
if redis.call('HLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[2]) end
return dropped
