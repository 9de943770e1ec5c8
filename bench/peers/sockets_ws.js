// Peer for the node: `ws` + ioredis. Users by id in a Map; messages come from one Redis channel as "user\npayload"
// (user empty: everyone), so that nothing needs to be parsed.
//   node sockets_ws.js PORT REDIS_PORT CHANNEL
import { createServer } from "node:http";
import Redis from "ioredis";
import { WebSocketServer } from "ws";

const [port, redisPort, channel] = process.argv.slice(2);
const users = new Map();
const server = createServer((_request, response) => response.end("ok"));
const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 65536 });

sockets.on("connection", (socket, request) => {
  const user = new URL(request.url, "http://local").searchParams.get("user");
  const mine = users.get(user) ?? new Set();
  mine.add(socket);
  users.set(user, mine);
  socket.on("close", () => {
    mine.delete(socket);
    if (mine.size === 0) users.delete(user);
  });
  socket.on("error", () => socket.terminate());
});

const redis = new Redis(Number(redisPort), "127.0.0.1");
redis.on("message", (_channel, message) => {
  const cut = message.indexOf("\n");
  const to = message.slice(0, cut);
  const payload = message.slice(cut + 1);
  if (to === "") for (const mine of users.values()) for (const socket of mine) socket.send(payload);
  else for (const socket of users.get(to) ?? []) socket.send(payload);
});
await redis.subscribe(channel);
server.listen(Number(port), "127.0.0.1", 4096, () => console.log("ready"));
