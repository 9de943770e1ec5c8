-- Read both tails again for a connection that saw a gap.
-- KEYS: stream:{app}:{user}, tail:me:{app}:{user}, app:{app}, tail:all:{app}. ARGV: after me, after all.
-- Returns {epoch, top, app epoch, app top, me tail, all tail}.
local record = redis.call('HMGET', KEYS[1], 'epoch', 'top')
local app = redis.call('HMGET', KEYS[3], 'epoch', 'top')
return { record[1], record[2], app[1], app[2],
  redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf'),
  redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. ARGV[2], '+inf') }
