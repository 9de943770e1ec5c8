// npm `ws` as a client: signs in, says what it sees as JSON lines, ends with the close code.
// node sign_in.mjs PORT WAY TOKEN   (WAY: header | subprotocol | query | message | early)
import WebSocket from "ws";

const [port, way, token] = process.argv.slice(2);
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const url = `ws://127.0.0.1:${port}/ws`;

const connect = {
  header: () => new WebSocket(url, { headers: { Authorization: `Bearer ${token}` } }),
  subprotocol: () => new WebSocket(url, ["bellhop.v1", `bearer.${token}`]),
  query: () => new WebSocket(`${url}?token=${encodeURIComponent(token)}`),
  message: () => new WebSocket(url),
  early: () => new WebSocket(url),
};

const socket = connect[way]();
socket.on("open", () => {
  tell({ open: true, protocol: socket.protocol, extensions: socket.extensions });
  if (way === "message") socket.send(JSON.stringify({ type: "auth", token }));
  if (way === "early") socket.send(JSON.stringify({ type: "ping" }));
});
socket.on("message", (data, binary) => {
  const frame = JSON.parse(data);
  tell({ frame, binary });
  if (frame.type === "notification") {
    socket.send(JSON.stringify({ type: "ack", me: frame.seq }));
    socket.ping("are you there");
  }
});
socket.on("pong", (data) => {
  tell({ pong: data.toString() });
  socket.close(4999, "tschüß");
});
socket.on("unexpected-response", (_, response) => {
  let body = "";
  response.on("data", (part) => (body += part));
  response.on("end", () => {
    tell({ status: response.statusCode, body: JSON.parse(body) });
    process.exit(0);
  });
});
socket.on("error", (error) => tell({ error: error.message }));
socket.on("close", (code, reason) => tell({ closed: code, reason: reason.toString() }));
