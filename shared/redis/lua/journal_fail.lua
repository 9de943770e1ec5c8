-- Count a failed attempt to store one entry and put its next look at a given instant.
-- KEYS: journal, journal:due, journal:failures. ARGV: id, due member, next look ms. Returns failures so far, 0 if gone.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
return redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
