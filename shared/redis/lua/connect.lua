-- Register a user on a node, then read record and tails: in this order, so that nothing falls between. After presence.lua.
-- KEYS: stream:{app}:{user}, tail:me:{app}:{user}, app:{app}, tail:all:{app}, revoked:user:{app}:{user},
-- disabled:{app}, and where the token names a session revoked:session:{app}:{id}.
-- ARGV: node, life s, since epoch, since me, since all ('' = none), whether everybody is told of who comes ('1'), user.
-- Returns {record fields, app epoch, app top, app run, me tail, all tail, what stands against the user's tokens}; the
-- last field of a record is its run. Tails start after since, or after what is acked.
-- Who is disabled, or comes with a session that has ended, is not registered: nobody is told that they came.
local node = ARGV[1]
local ended = KEYS[7] and redis.call('EXISTS', KEYS[7]) or 0
local against = { redis.call('GET', KEYS[5]), redis.call('SISMEMBER', KEYS[6], ARGV[7]), ended }
if against[2] == 0 and ended == 0 then
  local was = redis.call('HMGET', KEYS[1], 'nodes', 'online')
  local nodes = was[1] or ''
  if not string.find(',' .. nodes .. ',', ',' .. node .. ',', 1, true) then
    nodes = nodes == '' and node or nodes .. ',' .. node
    redis.call('HSET', KEYS[1], 'nodes', nodes)
  end
  presence_join(KEYS[1], node, was[2], false, ARGV[6])
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
local record = redis.call('HMGET', KEYS[1], 'epoch', 'top', 'rev', 'acked', 'all_acked', 'total', 'unseen', 'unread',
  'archived', 'b_at', 'b_total', 'b_unseen', 'b_unread', 'b_archived', 'run')
local app = redis.call('HMGET', KEYS[3], 'epoch', 'top', 'run')
local same = ARGV[3] ~= '' and ARGV[3] == (record[1] or app[1])
local me = same and ARGV[4] ~= '' and ARGV[4] or record[4]
local all = same and ARGV[5] ~= '' and ARGV[5] or record[5]
local function tail(key, from)
  if not from then return {} end
  return redis.call('ZRANGEBYSCORE', key, '(' .. from, '+inf')
end
return { record, app[1], app[2], app[3], tail(KEYS[2], me), tail(KEYS[4], all), against }
