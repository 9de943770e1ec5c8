-- Who of some users is online, and where. After presence.lua.
-- KEYS: present:seen. ARGV: app, grace ms, users.
-- Returns per user {1 or 0, when last seen (ms) if that is not in the database yet or '', node, connections, ...}.
local app, found = ARGV[1], {}
for i = 3, #ARGV do
  local user, member = ARGV[i], app .. ' ' .. ARGV[i]
  local online, nodes = presence_state('stream:' .. app .. ':' .. user, member, ARGV[2])
  local one = { online and 1 or 0, redis.call('HGET', KEYS[1], member) or '' }
  for node in string.gmatch(nodes, '[^,]+') do
    if presence_live(node) then
      one[#one + 1] = node
      one[#one + 1] = redis.call('HGET', 'online:' .. node, member) or '1'
    end
  end
  found[#found + 1] = one
end
return found
