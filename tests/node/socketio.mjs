// npm `socket.io-client`, driven line by line: a command as JSON on standard input, everything that happens as JSON on
// standard output. One process serves a whole module of tests.
import { io } from "socket.io-client";
import { obey, tell } from "./lines.mjs";

const sockets = new Map();

const commands = {
  open({ name, url, options = {}, answers = false }) {
    const socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
    sockets.set(name, socket);
    socket.io.on("open", () =>
      socket.io.engine.once("upgrade", (transport) => tell({ name, on: "upgrade", transport: transport.name })));
    socket.on("connect", () =>
      tell({ name, on: "connect", id: socket.id, transport: socket.io.engine.transport.name }));
    socket.on("disconnect", (reason) => tell({ name, on: "disconnect", reason, active: socket.active }));
    socket.on("connect_error", (error) =>
      tell({ name, on: "connect_error", message: error.message, data: error.data, active: socket.active }));
    socket.io.on("reconnect_attempt", () => tell({ name, on: "reconnect_attempt" }));
    socket.onAny((event, ...args) => {
      const callback = typeof args.at(-1) === "function" ? args.pop() : null;
      tell({ name, on: "event", event, args });
      if (answers && callback) callback();
    });
  },
  emit({ name, event, args = [], tag }) {
    if (tag === undefined) sockets.get(name).emit(event, ...args);
    else sockets.get(name).emit(event, ...args, (...got) => tell({ name, on: "callback", tag, args: got }));
  },
  // As a page that moves on with what it has: from now on it says where it stands.
  stand({ name, auth }) {
    sockets.get(name).auth = auth;
  },
  // As behind an address that leads to another node now.
  move({ name, url }) {
    sockets.get(name).io.uri = url;
  },
  // A connection that breaks without a word.
  cut({ name }) {
    const transport = sockets.get(name).io.engine.transport;
    if (transport.ws) transport.ws.terminate();
    else sockets.get(name).io.engine.close();
  },
  close({ name }) {
    sockets.get(name).close();
    sockets.delete(name);
    tell({ name, on: "closed" });
  },
};

obey(commands);
