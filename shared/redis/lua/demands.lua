-- What a group of requests demands of its buckets; stands between gcra.lua and journal_accept.lua.

local demand_known = {}

-- `n r q c`: how many members, the numbers of the buckets of requests and of quotas ('-': none), what each member costs.
-- Requests of one sender ask for the same, so it is read once a group.
local function demand_read(text, buckets)
  local known = demand_known[text]
  if not known then
    local count, requests, quotas, costs = string.match(text, '^(%d+) (%S+) (%S+) (%S+)$')
    known = { n = tonumber(count), requests = {}, quotas = {}, costs = {} }
    for number in string.gmatch(requests, '%d+') do
      known.requests[#known.requests + 1] = buckets[tonumber(number)]
    end
    for number in string.gmatch(quotas, '%d+') do
      known.quotas[#known.quotas + 1] = buckets[tonumber(number)]
    end
    for cost in string.gmatch(costs, '%d+') do known.costs[#known.costs + 1] = tonumber(cost) end
    demand_known[text] = known
  end
  return { n = known.n, requests = known.requests, quotas = known.quotas, costs = known.costs, instead = {} }
end

-- Take one request; whether all its limits allow it.
local function demand_request(demand, now)
  local allowed
  for _, bucket in ipairs(demand.requests) do bucket.cost = 1 end
  demand.became, allowed = gcra_take_all(demand.requests, now)
  return allowed
end

-- Take what the members cost of the quotas, each by itself; `id(i)` is the id of member i, `texts` what its answer says
-- instead where a quota refuses it. Returns the set and the list of refused places, from 0.
local function demand_members(demand, now, id, texts)
  local out, places, first, last = {}, {}, nil, nil
  for i, cost in ipairs(demand.costs) do
    for _, quota in ipairs(demand.quotas) do quota.cost = cost end
    local found, allowed = gcra_take_all(demand.quotas, now)
    if allowed then
      last = found
    else
      out[i - 1], places[#places + 1], first = true, i - 1, first or found
      for k = #demand.quotas, 1, -1 do
        if found[k][1] == 0 then demand.instead[id(i - 1)] = texts[k] end
      end
    end
  end
  for k, quota in ipairs(demand.quotas) do
    -- After the last that passed nothing was taken; where nothing passed, what the first would have needed.
    local found = last or first
    demand.became[#demand.became + 1] = found and found[k] or gcra_take(quota, now, 0)
  end
  return out, places
end

-- The answer, with what is said instead of a refused member.
local function demand_answer(demand, answer)
  return (string.gsub(answer, '{"id":"([%x%-]+)","status":"accepted"}', demand.instead))
end
