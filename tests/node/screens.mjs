// Screens of the drills that are npm `socket.io-client`: what drills/screens.py is for the reference client, in the same
// files. Each device follows as docs/socketio.md says; every other one begins by polling.
//   node screens.mjs SPEC     ends when its input ends
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { io } from "socket.io-client";

const spec = JSON.parse(readFileSync(process.argv[2], "utf8"));
const resumes = spec.client === "socketio";
const now = () => Number(process.hrtime.bigint()) / 1e9;
const write = (line) => appendFileSync(spec.file, `${JSON.stringify(line)}\n`);

const kept = new Map();
if (existsSync(spec.file)) {
  for (const line of readFileSync(spec.file, "utf8").split("\n").filter(Boolean).map((raw) => JSON.parse(raw))) {
    if (line.position) kept.set(line.device, line.position);
  }
}

class Device {
  constructor({ device, urls, token }, number) {
    Object.assign(this, { device, urls, token, number });
    this.transports = number % 2 ? ["polling", "websocket"] : ["websocket"];
    this.position = kept.get(device) ?? { epoch: null, me: null, all: null };
    this.attempt = 0;
  }

  start() {
    const since = resumes && this.position.epoch ? this.position : undefined;
    this.socket = io(this.urls[this.attempt++ % this.urls.length], {
      auth: { token: this.token, protocol: "bellhop.v1", since },
      transports: this.transports, reconnection: false, forceNew: true, timeout: 5000,
    });
    this.socket.on("welcome", (frame) => this.welcome(frame));
    this.socket.on("caught_up", (frame) => this.follow(frame));
    this.socket.on("notification", (frame) => this.take(frame, true));
    this.socket.on("position", (frame) => this.take(frame, false));
    this.socket.on("disconnect", () => this.again());
    this.socket.on("connect_error", () => this.again());
  }

  again() {
    this.status("offline", 1006);
    this.socket.removeAllListeners();
    this.socket.close();
    if (!ending) setTimeout(() => this.start(), 500 + Math.random() * 1000); // as socket.io-client does by itself
  }

  welcome(frame) {
    const lost = frame.recovered === false;
    if (lost) write({ device: this.device, at: now(), lost: { reason: "recovered" } });
    if (lost || !resumes || this.position.epoch !== frame.epoch) {
      this.position = { epoch: frame.epoch, me: frame.me, all: frame.all };
    }
    if (frame.recovered !== null) this.status("online");
  }

  follow({ me, all, recovered }) {
    if (!recovered) write({ device: this.device, at: now(), lost: { reason: "recovered" } });
    Object.assign(this.position, { me, all });
    this.status("online");
  }

  take({ stream, prev, seq, data }, shows) {
    const last = this.position[stream] ?? prev;
    if (seq <= last) return;
    if (prev > last) return this.again();
    this.position[stream] = seq;
    const shown = shows ? [[now(), stream, seq, data.n]] : [];
    write({ device: this.device, position: this.position, shown });
    this.socket.emit("ack", { [stream]: seq });
  }

  status(status, code) {
    if (this.told === status) return;
    this.told = status;
    write({ device: this.device, at: now(), status, code });
  }
}

let ending = false;
const devices = spec.devices.map((each, number) => new Device(each, number));
devices.forEach((device) => device.start());
process.stdin.on("end", () => {
  ending = true;
  devices.forEach((device) => device.socket.close());
  setTimeout(() => process.exit(0), 300);
});
process.stdin.resume();
