// npm `ws` as a client of the designs that came before: says what it sees as JSON lines, ends when stdin does.
// node classic.mjs PORT WAY TOKEN   (WAY: address | socket)
import WebSocket from "ws";

const [port, way, token] = process.argv.slice(2);
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const connect = {
  address: () => new WebSocket(`ws://127.0.0.1:${port}?token=${encodeURIComponent(token)}`),
  socket: () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`);
    socket.onopen = () => socket.send(JSON.stringify({ type: "auth", token }));
    return socket;
  },
};

const ws = connect[way]();
ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  tell(data);
  if (data.type !== "NOTIFICATION") return;
  ws.send("not JSON");
  ws.send(Buffer.from([1, 2, 3]));
  ws.send(JSON.stringify({ type: "typing" }));
  ws.send(JSON.stringify({ type: "message", to: "bob", content: "Hello, world!", token }));
};
ws.onclose = (event) => tell({ closed: event.code });
ws.onerror = (event) => tell({ failed: event.message });
process.stdin.on("end", () => ws.close()).resume();
