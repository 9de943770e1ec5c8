/** The connection panel: status, positions, and a short log of what happened to the line. */

import { byId, clock, make } from "./view.js";

const KEPT = 30;
const NAMES = {
  connecting: "Connecting", online: "Online", replaying: "Catching up", offline: "Offline", stopped: "Stopped",
};

export class Line {
  #until = 0;
  #timer = null;
  #wentAt = null;
  #was = null;

  constructor() {
    /** When the line was last down: from, to (epoch milliseconds). */
    this.away = null;
  }

  reset() {
    byId("log").replaceChildren();
    this.away = this.#wentAt = this.#was = null;
  }

  /** Take a status of the client, and where it stands. */
  status(told, position, node) {
    const { status } = told;
    clearInterval(this.#timer);
    if (status === "offline") this.#offline(told);
    if (status === "replaying" || status === "online") this.#welcomed(told, position, node);
    if (status === "stopped" && told.code !== 1000) this.log(`Stopped: ${told.reason || "the server refused"} (${told.code}).`, "bad");
    this.#show(status);
    this.#was = status;
  }

  position(position, acked) {
    byId("fact-position").textContent = both(position);
    byId("fact-acked").textContent = both(acked);
    byId("fact-epoch").textContent = position?.epoch ?? "–";
  }

  log(text, kind = null) {
    const now = new Date();
    byId("log").prepend(make("li", { class: kind }, make("time", { datetime: now.toISOString() }, clock(now)), make("span", {}, text)));
    while (byId("log").children.length > KEPT) byId("log").lastElementChild.remove();
  }

  #offline({ code, reason, retry_in }) {
    this.#wentAt ??= Date.now();
    this.#until = performance.now() + retry_in * 1000;
    this.#timer = setInterval(() => this.#show("offline"), 250);
    const why = { 1006: "connection lost", 4012: "the node is going away", 4011: "the token expired" }[code] ?? reason;
    this.log(`Offline: ${reason === "cut" ? "you cut the connection" : why || `closed with ${code}`}.`, "warn");
    byId("fact-node").textContent = "–";
  }

  #welcomed({ status, recovered }, position, node) {
    byId("fact-node").textContent = node;
    if (this.#was === "replaying") {
      this.log("Caught up.", "good");
    } else {
      const back = this.#wentAt !== null;
      if (back) this.away = { from: this.#wentAt, to: Date.now() };
      this.#wentAt = null;
      if (!back) this.log(`Connected to ${node}.`, "good");
      else if (recovered === false) this.log("Back, but too much was missed: the inbox is loaded again.", "warn");
      else this.log(`Back on ${node}, resumed after ${both(position)}.`, "good");
    }
    byId("cut").disabled = status !== "online";
  }

  #show(status) {
    const wait = Math.max(0, Math.ceil((this.#until - performance.now()) / 1000));
    const text = status === "offline" && wait > 0 ? `Offline, back in ${wait} s` : (NAMES[status] ?? status);
    byId("pill").dataset.status = status;
    byId("pill-text").textContent = text;
    byId("fact-status").textContent = text;
    byId("cut").disabled = status !== "online";
  }
}

function both(position) {
  if (!position) return "–";
  const part = (stream) => `${stream} ${position[stream] ?? "–"}`;
  return `${part("me")} · ${part("all")}`;
}
