// The JavaScript client over npm `ws`, driven line by line as socketio.mjs is.
import WebSocket from "ws";
import { Bellhop } from "../../clients/js/bellhop.js";
import { obey, tell } from "./lines.mjs";

const bells = new Map();

class Memory {
  #kept = new Map();
  getItem(key) { return this.#kept.get(key) ?? null; }
  setItem(key, value) { this.#kept.set(key, value); }
}

const commands = {
  open({ name, urls, token }) {
    const bell = new Bellhop({ url: urls, token, storage: new Memory(), WebSocket });
    bells.set(name, bell);
    bell.on("status", ({ status }) => tell({ name, on: "status", status, node: bell.node }));
    bell.on("presence", (signal) => tell({ name, on: "presence", ...signal }));
    bell.connect();
  },
  ask({ name, method, args, tag }) {
    bells.get(name)[method](...args).then(
      (result) => tell({ name, on: "answer", tag, result }),
      ({ code, message }) => tell({ name, on: "answer", tag, error: { code, message } }));
  },
  close({ name }) {
    bells.get(name).close();
    bells.delete(name);
    tell({ name, on: "closed" });
  },
};

obey(commands);
