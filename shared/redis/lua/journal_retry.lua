-- Put an entry that had failed back into the journal, and take it from the dead list. Running it again changes nothing.
-- KEYS: journal, journal:due, journal:bytes, journal:dead, journal:waiting of its priority.
-- ARGV: id, due member, first look ms, entry, entries max, bytes max, now ms. Returns 'stored', 'waiting' or 'full'.
local id, entry = ARGV[1], ARGV[4]
if redis.call('HEXISTS', KEYS[1], id) == 1 then return 'waiting' end
local bytes = tonumber(redis.call('GET', KEYS[3]) or '0')
if redis.call('HLEN', KEYS[1]) + 1 > tonumber(ARGV[5]) or bytes + #entry > tonumber(ARGV[6]) then return 'full' end
redis.call('HSET', KEYS[1], id, entry)
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('ZADD', KEYS[5], ARGV[7], id)
redis.call('INCRBY', KEYS[3], #entry)
redis.call('HDEL', KEYS[4], id)
return 'stored'
