-- Renew (or make again) the presence of users on a node and tell how far their streams are. After presence.lua.
-- ARGV: node, life s, whether everybody is told of who comes ('1'), then stream keys. Returns per key {epoch, top}; empty strings where there is no record, or one
-- that an earlier run of Redis made: it may be older than what the database holds.
local node, found = ARGV[1], {}
local function word(section, name) return string.match(redis.call('INFO', section), name .. ':(%x+)') end
local run = word('server', 'run_id') .. ':' .. word('replication', 'master_replid')
for i = 4, #ARGV do
  local was = redis.call('HMGET', ARGV[i], 'nodes', 'epoch', 'top', 'run', 'online')
  local nodes = was[1] or ''
  local here = string.find(',' .. nodes .. ',', ',' .. node .. ',', 1, true)
  if not here then redis.call('HSET', ARGV[i], 'nodes', nodes == '' and node or nodes .. ',' .. node) end
  if not here or was[5] ~= '1' then presence_join(ARGV[i], node, was[5], true, ARGV[3]) end
  redis.call('EXPIRE', ARGV[i], ARGV[2])
  found[#found + 1] = was[4] == run and { was[2] or '', was[3] or '' } or { '', '' }
end
return found
