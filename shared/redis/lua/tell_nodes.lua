-- Send one envelope to every live node. KEYS: nodes. ARGV: envelope. Returns nodes reached. After tell.lua.
return tell(KEYS[1], ARGV[1])
