-- Take from buckets, all or none; or charge them, which nobody can refuse. gcra.lua stands in front of this.
-- KEYS: one a bucket. ARGV: now in microseconds or '' (Redis's clock), 'take' or 'charge'; per bucket: interval, limit, cost.
-- Returns what became of each, as gcra_take says it; of a charge nothing.
local now, buckets, found = gcra_now(ARGV[1]), {}, {}
for i, key in ipairs(KEYS) do
  buckets[i] = gcra_open(key, ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2])
end
if ARGV[2] == 'take' then
  found = gcra_take_all(buckets, now)
else
  for _, bucket in ipairs(buckets) do gcra_charge(bucket, now) end
end
gcra_close(buckets, now)
return found
