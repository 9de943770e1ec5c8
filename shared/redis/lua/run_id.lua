-- Which run of Redis this is: it changes with every start and every failover, and no disk keeps it.
return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
