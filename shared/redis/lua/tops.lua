-- How far the streams of an app are, in whatever run of Redis that was written.
-- KEYS: app:{app}, then stream keys. Returns {this run, app epoch, app top, the run that knows the app,
-- then per stream key {epoch, top}}; empty strings where there is nothing.
local app = redis.call('HMGET', KEYS[1], 'epoch', 'top', 'run')
local function word(section, name) return string.match(redis.call('INFO', section), name .. ':(%x+)') end
local run = word('server', 'run_id') .. ':' .. word('replication', 'master_replid')
local found = { run, app[1] or '', app[2] or '', app[3] or '' }
for i = 2, #KEYS do
  local was = redis.call('HMGET', KEYS[i], 'epoch', 'top')
  found[#found + 1] = { was[1] or '', was[2] or '' }
end
return found
