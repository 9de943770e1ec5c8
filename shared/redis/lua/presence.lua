-- Who is online, put in front of the scripts that need it. A user's field `online` in stream:{app}:{user} is what was
-- last told: '1' online, '0' offline; absent where this Redis does not know (it was emptied, or the user is new).
-- A leave waits in present:leaving until its grace is over, so that a reconnect tells nobody anything.

local function presence_now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- app, user, member of present:leaving and of online:{node}; the name of an app holds neither space nor colon.
local function presence_of(key)
  local app, user = string.match(key, '^stream:([^:]*):(.*)$')
  return app, user, app .. ' ' .. user
end

-- Whether one of these nodes ('a,b') lives.
local function presence_live(nodes)
  for node in string.gmatch(nodes or '', '[^,]+') do
    if redis.call('EXISTS', 'lease:' .. node) == 1 then return true end
  end
  return false
end

-- One message to each node that watches the user, or with `everybody` ('1') to each node that lives.
local function presence_tell(app, user, online, at, everybody)
  local key = everybody == '1' and 'nodes' or 'watch:' .. app .. ':' .. user
  local message
  for _, node in ipairs(redis.call('SMEMBERS', key)) do
    if redis.call('EXISTS', 'lease:' .. node) == 0 then
      redis.call('SREM', key, node)
    else
      message = message or '1 presence ' .. app .. '\n{"user":' .. cjson.encode(user) .. ',"online":'
        .. (online and 'true' or 'false') .. ',"at":' .. string.format('%d', at) .. '}'
      if redis.call('PUBLISH', 'node:' .. node, message) == 0 then redis.call('DEL', 'lease:' .. node) end
    end
  end
end

-- The user is on this node; `told` is the field `online`. A node that registers its users `again` tells nobody of whom
-- this Redis knows nothing: they were online before it was emptied.
local function presence_join(key, node, told, again, everybody)
  local app, user, member = presence_of(key)
  redis.call('HSETNX', 'online:' .. node, member, 1)
  if told == '1' then
    redis.call('ZREM', 'present:leaving', member)
  else
    redis.call('HSET', key, 'online', '1')
    if told == '0' or not again then presence_tell(app, user, true, presence_now(), everybody) end
  end
end

-- The user is on this node no more; if on no other that lives, a leave is due at `due` (ms). Returns whether it is.
local function presence_part(key, node, due)
  local was = redis.call('HMGET', key, 'nodes', 'online')
  local _, _, member = presence_of(key)
  redis.call('HDEL', 'online:' .. node, member)
  if not was[1] then return false end
  local kept = {}
  for other in string.gmatch(was[1], '[^,]+') do
    if other ~= node then kept[#kept + 1] = other end
  end
  local nodes = table.concat(kept, ',')
  redis.call('HSET', key, 'nodes', nodes)
  if was[2] ~= '1' or presence_live(nodes) then return false end
  redis.call('ZADD', 'present:leaving', due, member)
  return true
end

-- Whether the user is online, the time of grace included. A death that nobody has noticed yet becomes a leave here.
local function presence_state(key, member, grace)
  local was, now = redis.call('HMGET', key, 'nodes', 'online'), presence_now()
  if presence_live(was[1]) then return true, was[1] end
  if was[2] ~= '1' then return false, '' end
  local due = redis.call('ZSCORE', 'present:leaving', member)
  if due then return tonumber(due) > now, '' end
  -- A full Redis refuses it; then the sweep does it.
  redis.pcall('ZADD', 'present:leaving', now + tonumber(grace), member)
  return true, ''
end
