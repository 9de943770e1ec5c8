-- Merge cumulative acks: the higher one stays. The user's record learns of it at once, the database by a job.
-- KEYS: acks. ARGV: n x (app, user, me, all), each number as decimal, 0 = nothing. Returns how many moved.
local moved = 0
for i = 1, #ARGV, 4 do
  local field, key = ARGV[i] .. ' ' .. ARGV[i + 1], 'stream:' .. ARGV[i] .. ':' .. ARGV[i + 1]
  local me, all = string.match(redis.call('HGET', KEYS[1], field) or '0 0', '^(%d+) (%d+)$')
  local was = redis.call('HMGET', key, 'nodes', 'acked', 'all_acked')
  local new_me = math.max(me, ARGV[i + 2], was[2] or 0)
  local new_all = math.max(all, ARGV[i + 3], was[3] or 0)
  if new_me > tonumber(was[2] or me) or new_all > tonumber(was[3] or all) then
    redis.call('HSET', KEYS[1], field, string.format('%d %d', new_me, new_all))
    if was[1] then
      redis.call('HSET', key, 'acked', string.format('%d', new_me), 'all_acked', string.format('%d', new_all))
    end
    moved = moved + 1
  end
end
return moved
