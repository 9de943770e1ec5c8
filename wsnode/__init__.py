"""The WebSocket node: Redis in, sockets out; it knows no SQL. One process is one node."""
