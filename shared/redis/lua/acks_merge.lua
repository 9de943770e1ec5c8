-- Merge cumulative acks: the higher one stays. The user's record learns of it at once, the database by a job.
-- KEYS: acks. ARGV: app, then of users' own streams and of everyone's a JSON object each: user to number, at most
-- 1,000 of them, which is far below what one call of Lua may be given. Returns how many users moved.
local app, mine, common = ARGV[1], cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local users, fields = {}, {}
for user in pairs(mine) do
  users[#users + 1], fields[#fields + 1] = user, app .. ' ' .. user
end
for user in pairs(common) do
  if not mine[user] then
    users[#users + 1], fields[#fields + 1] = user, app .. ' ' .. user
  end
end
if #users == 0 then
  return 0
end
local waiting, moved = redis.call('HMGET', KEYS[1], unpack(fields)), {}
for i, user in ipairs(users) do
  local key = 'stream:' .. app .. ':' .. user
  local me, all = string.match(waiting[i] or '0 0', '^(%d+) (%d+)$')
  local was = redis.call('HMGET', key, 'nodes', 'acked', 'all_acked')
  local new_me = math.max(me, mine[user] or 0, was[2] or 0)
  local new_all = math.max(all, common[user] or 0, was[3] or 0)
  if new_me > tonumber(was[2] or me) or new_all > tonumber(was[3] or all) then
    moved[#moved + 1], moved[#moved + 2] = fields[i], string.format('%d %d', new_me, new_all)
    if was[1] then
      redis.call('HSET', key, 'acked', string.format('%d', new_me), 'all_acked', string.format('%d', new_all))
    end
  end
end
if #moved > 0 then
  redis.call('HSET', KEYS[1], unpack(moved))
end
return #moved / 2
