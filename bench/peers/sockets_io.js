// Peer for the node: Socket.IO 4 + redis-adapter. Each user joins a room of their name; the benchmark publishes what
// another Socket.IO server would publish through the adapter.
//   node sockets_io.js PORT REDIS_PORT
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import Redis from "ioredis";
import { Server } from "socket.io";

const [port, redisPort] = process.argv.slice(2);
const pub = new Redis(Number(redisPort), "127.0.0.1");
const sub = pub.duplicate();
const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(pub, sub), transports: ["websocket"], perMessageDeflate: false, serveClient: false,
});
io.on("connection", (socket) => socket.join(socket.handshake.auth.token));
server.listen(Number(port), "127.0.0.1", 4096, () => console.log("ready"));
