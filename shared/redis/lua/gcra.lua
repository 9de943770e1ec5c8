-- The rule of shared/domain/gcra.py, put in front of the scripts that need it (a test holds the two together).
-- Whole microseconds, which doubles hold exactly. A bucket is what one limit has given to one subject.

-- `given` is microseconds, or '' for Redis's own clock: one for all apis.
local function gcra_now(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function gcra_open(key, interval, limit, cost)
  local tat = tonumber(redis.call('GET', key) or '0')
  return { key = key, interval = tonumber(interval), limit = tonumber(limit), tat = tat, cost = tonumber(cost) }
end

-- Returns {allowed 1 or 0, tat, retry (-1: never), remaining, reset} and changes nothing.
local function gcra_take(bucket, now, cost)
  local window, start = bucket.interval * bucket.limit, math.max(bucket.tat, now)
  local ahead = start - now + bucket.interval * cost
  if ahead <= window then
    return { 1, now + ahead, 0, math.floor((window - ahead) / bucket.interval), ahead }
  end
  local retry = cost <= bucket.limit and ahead - window or -1
  ahead = start - now
  return { 0, bucket.tat, retry, math.floor(math.max(0, window - ahead) / bucket.interval), ahead }
end

-- Of all of them what each costs, or nothing; returns what became of each, and whether all allowed it.
local function gcra_take_all(buckets, now)
  local found, allowed = {}, true
  for i, bucket in ipairs(buckets) do
    found[i] = gcra_take(bucket, now, bucket.cost)
    allowed = allowed and found[i][1] == 1
  end
  for i, bucket in ipairs(buckets) do
    if allowed then
      bucket.tat, bucket.changed = found[i][2], true
    elseif found[i][1] == 1 then
      found[i] = gcra_take(bucket, now, 0)
    end
  end
  return found, allowed
end

local function gcra_charge(bucket, now)
  local most = math.max(bucket.tat, now + 2 * bucket.interval * bucket.limit)
  bucket.tat = math.min(math.max(bucket.tat, now) + bucket.interval * bucket.cost, most)
  bucket.changed = true
end

-- It lives until all of it is free again: then it says what no key says.
local function gcra_close(buckets, now)
  for _, bucket in ipairs(buckets) do
    if bucket.changed and bucket.tat > now then
      local life = math.ceil((bucket.tat - now) / 1000)
      redis.call('SET', bucket.key, string.format('%.0f', bucket.tat), 'PX', life)
    end
  end
end
