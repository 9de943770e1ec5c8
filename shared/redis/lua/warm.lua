-- Which users of one app somebody may be listening for: online, or seen within the life of a stream.
-- KEYS: none named; touches stream:{app}:{user} of the users in ARGV (single Redis only).
-- ARGV: app, JSON array of users. Returns those that publish_me.lua would not leave out as cold.
local stem, found = 'stream:' .. ARGV[1] .. ':', {}
for _, user in ipairs(cjson.decode(ARGV[2])) do
  if redis.call('HEXISTS', stem .. user, 'nodes') == 1 then found[#found + 1] = user end
end
return found
