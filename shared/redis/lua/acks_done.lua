-- Remove acks that are committed, unless they moved on meanwhile. KEYS: acks. ARGV: n x (field, value as taken).
local removed = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    removed = removed + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return removed
