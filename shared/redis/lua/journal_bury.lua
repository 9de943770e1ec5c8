-- Move an entry that cannot be stored at all out of the way, and keep it. Running it again changes nothing.
-- KEYS: journal, journal:due, journal:bytes, journal:tries, journal:failures, journal:dead. ARGV: id, reason.
-- Returns 1 if the entry was there.
local id = ARGV[1]
local entry = redis.call('HGET', KEYS[1], id)
if not entry then return 0 end
redis.call('HSET', KEYS[6], id, ARGV[2] .. '\n' .. entry)
redis.call('HDEL', KEYS[1], id)
redis.call('ZREM', KEYS[2], 'c:' .. id, 'n:' .. id, 'b:' .. id)
redis.call('DECRBY', KEYS[3], #entry)
redis.call('HDEL', KEYS[4], id)
redis.call('HDEL', KEYS[5], id)
return 1
