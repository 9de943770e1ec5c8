-- Take a node out of users' presence; their streams stay warm for one more life.
-- ARGV: node, life s, then stream keys. Returns nothing of interest.
for i = 3, #ARGV do
  local nodes = redis.call('HGET', ARGV[i], 'nodes')
  if nodes then
    local kept = {}
    for node in string.gmatch(nodes, '[^,]+') do
      if node ~= ARGV[1] then kept[#kept + 1] = node end
    end
    redis.call('HSET', ARGV[i], 'nodes', table.concat(kept, ','))
    redis.call('EXPIRE', ARGV[i], ARGV[2])
  end
end
return #ARGV - 2
