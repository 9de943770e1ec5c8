-- Take a node out of users' presence; their streams stay warm for one more life. After presence.lua.
-- ARGV: node, life s, grace ms, then stream keys. Returns nothing of interest.
local due = presence_now() + tonumber(ARGV[3])
for i = 4, #ARGV do
  presence_part(ARGV[i], ARGV[1], due)
  redis.call('EXPIRE', ARGV[i], ARGV[2])
end
return #ARGV - 3
