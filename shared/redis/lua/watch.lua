-- A node watches users from now on, or still; tell it who of them is online. After presence.lua.
-- ARGV: node, life s, grace ms, then n x (app, user). Returns per user 1 or 0.
local found = {}
for i = 4, #ARGV, 2 do
  local app, user = ARGV[i], ARGV[i + 1]
  local key = 'watch:' .. app .. ':' .. user
  redis.call('SADD', key, ARGV[1])
  redis.call('EXPIRE', key, ARGV[2])
  local online = presence_state('stream:' .. app .. ':' .. user, app .. ' ' .. user, ARGV[3])
  found[#found + 1] = online and 1 or 0
end
return found
