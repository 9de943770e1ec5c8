-- Whoever was on a node that is dead leaves, and whoever's grace is over is said to have left. After presence.lua.
-- KEYS: present:nodes, present:leaving, present:seen; touches online:{node}, stream:{app}:{user}, watch:{app}:{user}.
-- ARGV: most users of either kind, grace ms, whether everybody is told ('1').
-- Returns {users of dead nodes, users said to have left, 1 if there may be more}.
local limit, grace, now = tonumber(ARGV[1]), tonumber(ARGV[2]), presence_now()
local moved, left, more = 0, 0, 0
for _, node in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', 'lease:' .. node) == 0 then
    local index = 'online:' .. node
    if moved < limit then
      for _, member in ipairs(redis.call('HRANDFIELD', index, limit - moved)) do
        local app, user = string.match(member, '^(%S*) (.*)$')
        presence_part('stream:' .. app .. ':' .. user, node, now + grace)
        moved = moved + 1
      end
    end
    if redis.call('EXISTS', index) == 0 then redis.call('SREM', KEYS[1], node) else more = 1 end
  end
end
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
for i = 1, #due, 2 do
  local member, app, user = due[i], string.match(due[i], '^(%S*) (.*)$')
  local key = 'stream:' .. app .. ':' .. user
  local was = redis.call('HMGET', key, 'nodes', 'online')
  redis.call('ZREM', KEYS[2], member)
  if was[2] == '1' and not presence_live(was[1]) then
    local seen = tonumber(due[i + 1]) - grace
    redis.call('HSET', key, 'online', '0')
    redis.call('HSET', KEYS[3], member, string.format('%d', seen))
    presence_tell(app, user, false, now, ARGV[3])
    left = left + 1
  end
end
if #due == 2 * limit then more = 1 end
return { moved, left, more }
