-- Leave word that what is accepted and not stored yet is cancelled. A second word on the same joins the first; one about
-- all receivers stands for every earlier one.
-- KEYS: journal, journal:cancelled, journal:cancelled:bytes.
-- ARGV: field, word, '1' if it is about all receivers, id ('' = by key), '1' = also if nothing waits,
--       fields max, bytes max, bytes of a field max.
-- Returns 'written', 'known', 'gone' (nothing in the journal that it could be about) or 'full'.
local field, word, id = ARGV[1], ARGV[2], ARGV[4]
if id ~= '' and redis.call('HEXISTS', KEYS[1], id) == 0 then return 'gone' end
if id == '' and ARGV[5] ~= '1' and redis.call('HLEN', KEYS[1]) == 0 then return 'gone' end
local was = redis.call('HGET', KEYS[2], field)
local new = word
if was then
  local last = string.match(was, '[^\n]*$')
  -- By id one word about all says everything; by key a later one reaches further.
  if last == word or (id ~= '' and string.match(was, '^%d+ null$')) then return 'known' end
  if ARGV[3] ~= '1' then new = was .. '\n' .. word end
elseif redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[6]) then
  return 'full'
end
local bytes = tonumber(redis.call('GET', KEYS[3]) or '0') + #new - (was and #was or 0)
if bytes > tonumber(ARGV[7]) or #new > tonumber(ARGV[8]) then return 'full' end
redis.call('HSET', KEYS[2], field, new)
redis.call('SET', KEYS[3], bytes)
return 'written'
