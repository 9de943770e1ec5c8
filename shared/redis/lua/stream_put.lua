-- Put records from the database into Redis for warm users; an older rev of the same epoch never wins.
-- KEYS: stream:{app}:{user}, app:{app}, tail:me:{app}:{user}.
-- ARGV: epoch, app top, rev, top, acked, all_acked, total, unseen, unread, archived, run,
--       then nothing, or everyone at, total, unseen, unread, archived.
-- `run` is the run of Redis in which the database was read, '' if nobody asked: only a record that says the run it is
-- read in is believed, because an earlier run may have lost what was published last.
-- Returns 1 if it wrote the record.
local epoch = ARGV[1]
local app = redis.call('HMGET', KEYS[2], 'epoch', 'top')
-- The tail of everyone belongs to an epoch too; publish_all.lua would not see any more that it changed.
if app[1] ~= epoch then redis.call('DEL', 'tail:all:' .. string.sub(KEYS[2], 5)) end
if app[1] ~= epoch or not app[2] or tonumber(app[2]) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'top', ARGV[2])
end
local function say_run(key, same_epoch)
  -- Of two epochs a script cannot tell the newer one: whoever reads this next asks the database.
  if ARGV[11] ~= '' then redis.call('HSET', key, 'run', ARGV[11])
  elseif not same_epoch then redis.call('HDEL', key, 'run') end
end
say_run(KEYS[2], app[1] == epoch)
local was = redis.call('HMGET', KEYS[1], 'nodes', 'epoch', 'rev', 'acked', 'all_acked', 'b_at')
if not was[1] then return 0 end
local same, acked, all_acked = was[2] == epoch, ARGV[5], ARGV[6]
if not same then redis.call('DEL', KEYS[3]) end
-- A newer record of the same epoch that is in the way was published later than the database was read: as good.
say_run(KEYS[1], same)
local newer = same and was[3] and tonumber(was[3]) > tonumber(ARGV[3])
if ARGV[12] and not (newer and was[6] and tonumber(was[6]) >= tonumber(ARGV[12])) then
  redis.call('HSET', KEYS[1], 'b_at', ARGV[12], 'b_total', ARGV[13], 'b_unseen', ARGV[14], 'b_unread', ARGV[15],
    'b_archived', ARGV[16])
end
if newer then return 0 end
if same then
  acked = string.format('%d', math.max(acked, was[4] or 0))
  all_acked = string.format('%d', math.max(all_acked, was[5] or 0))
end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'rev', ARGV[3], 'top', ARGV[4], 'acked', acked, 'all_acked', all_acked,
  'total', ARGV[7], 'unseen', ARGV[8], 'unread', ARGV[9], 'archived', ARGV[10])
return 1
