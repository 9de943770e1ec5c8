-- Claim entries whose look is due and put the next look later (15, 30, 60 ... 300 s), so that two reconcilers never
-- take the same one and a long outage does not fill the queue.
-- KEYS: journal, journal:due, journal:tries. ARGV: now ms, limit, first delay ms, longest delay ms.
-- Returns the members `c:id`, `n:id`, `b:id` that are to be enqueued again.
local now, first, longest = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local found = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local id = string.sub(member, 3)
  if redis.call('HEXISTS', KEYS[1], id) == 0 then
    redis.call('ZREM', KEYS[2], member)
    redis.call('HDEL', KEYS[3], id)
  else
    local tries = redis.call('HINCRBY', KEYS[3], id, 1)
    redis.call('ZADD', KEYS[2], now + math.min(first * 2 ^ math.min(tries, 20), longest), member)
    found[#found + 1] = member
  end
end
return found
