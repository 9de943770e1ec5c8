-- Which run of Redis this is: another one after each start (run_id) and each failover, also back to a server that has
-- not been started anew (master_replid); no disk keeps it. Written out again in positions.lua and tops.lua.
local function word(section, name) return string.match(redis.call('INFO', section), name .. ':(%x+)') end
return word('server', 'run_id') .. ':' .. word('replication', 'master_replid')
