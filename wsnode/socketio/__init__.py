"""Socket.IO 4 clients on a node: Engine.IO version 4 below, Socket.IO version 5 above, /socket.io/ in HTTP."""
