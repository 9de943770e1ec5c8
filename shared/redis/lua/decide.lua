-- Take in a decision about a user, unless a later one is known, and tell every live node: in one step, so that nobody who
-- was let in again in between is sent away. After tell.lua.
-- KEYS: revoked:decided:{app}:{user}, disabled:{app}, revoked:user:{app}:{user}, nodes.
-- ARGV: number of the decision, whether the user is disabled ('1'), ms before which no token counts ('' = no word on it),
-- life s, user, envelope that sends the user's connections away, the same for those with tokens from before.
-- Returns nodes reached.
local latest = tonumber(ARGV[1]) >= tonumber(redis.call('GET', KEYS[1]) or '0')
if latest then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
  redis.call(ARGV[2] == '1' and 'SADD' or 'SREM', KEYS[2], ARGV[5])
end
if ARGV[3] ~= '' and tonumber(ARGV[3]) > tonumber(redis.call('GET', KEYS[3]) or '0') then
  redis.call('SET', KEYS[3], ARGV[3], 'EX', ARGV[4])
end
if latest and ARGV[2] == '1' then return tell(KEYS[4], ARGV[6]) end
if ARGV[3] ~= '' then return tell(KEYS[4], ARGV[7]) end
return 0
