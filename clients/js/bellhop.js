/**
 * Bellhop's JavaScript client: follow a user's notifications, exactly once, over cuts and restarts.
 *
 * One file, no build step, no dependency: an ES module for browsers and for Node 20 or newer (which hands in a
 * WebSocket class, e.g. that of `ws`; Node 22 has its own). `Protocol` decides, without sockets or clocks; `Bellhop`
 * joins it to a socket, a storage and timers. The same machine is in `clients/python`; `tests/vectors` holds both to
 * one behaviour. Times inside are milliseconds, on the wire seconds.
 */

const STREAMS = ["me", "all"];
const TERMINAL = new Set([4001, 4003]); // close codes that say: do not come back by yourself
const TOKEN_EXPIRED = 4011;
const GAP = 4010;
const AGAIN = "watch"; // the ref of what the client asks by itself; those of requests are r1, r2 …
const OURS = 4000; // we give the connection up (silent, no welcome, a handler failed) and come back
const LONGEST_ADVICE = 3600; // seconds; a longer retry_after, or one below 0, is taken for a mistake

export const TUNING = Object.freeze({
  ackEvery: 50, ackAfter: 500, pingAfter: 25_000, pongWait: 8_000, welcomeWait: 15_000, requestWait: 10_000,
  steadyAfter: 10_000, handlerAttempts: 5,
});

/** Full jitter: between nothing and 0.5 s, doubled per try without progress, at most 30 s. */
export const backoff = (tries, jitter) => jitter * Math.min(30_000, 500 * 2 ** Math.min(tries, 16));

const whole = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : null);
const seconds = (value) => (typeof value === "number" && value >= 0 && value <= LONGEST_ADVICE ? value : 0);
const emit = (event, payload) => ({ do: "emit", event, payload });
const status = (name, more = {}) => emit("status", { status: name, ...more });
const problem = (code, message, retryable) => ({ code, message, retryable });
const send = (frame) => ({ do: "send", frame });
const fieldsOf = ({ type, ref, ...fields }) => fields;
const isKnown = (position) => position.epoch !== null && (position.me !== null || position.all !== null);

/** A position as it is kept and sent: without what is not known; null if there is nothing to resume from. */
export const sinceOf = (position) =>
  isKnown(position) ? Object.fromEntries(Object.entries(position).filter(([, value]) => value !== null)) : null;

/** Read a stored or received position; what is not a whole number ≥ 0 counts as not known. */
export function positionOf(given) {
  if (typeof given?.epoch !== "string") return { epoch: null, me: null, all: null };
  return { epoch: given.epoch, me: whole(given.me), all: whole(given.all) };
}

/**
 * The watched users with what was last known of each (null: nothing yet). A node forgets whom a connection watched, so
 * the client asks again on each later one. A watch that the server refuses is forgotten; one that timed out is not.
 */
class Watching {
  #known = new Map(); // user → online
  againAt = null; // when to ask again, if no answer comes

  /** A program asks for more or fewer. */
  asked({ type, users }) {
    if (type === "watch") for (const user of users) if (!this.#known.has(user)) this.#known.set(user, null);
    if (type === "unwatch") for (const user of users ?? [...this.#known.keys()]) this.#known.delete(user);
  }

  /** One frame for all of them, less those that an open request is the first to ask for. */
  again(requests, until) {
    const open = requests.filter(({ type }) => type === "watch").flatMap(({ users }) => users);
    const users = [...this.#known].filter(([user, online]) => online !== null || !open.includes(user)).map(([user]) => user);
    this.againAt = users.length ? until : null;
    return users.length ? [send({ type: "watch", users, ref: AGAIN })] : [];
  }

  /** Take what the answer to a request (none: to `again`) says; tells of those who are not as they were known. */
  learn(answer, request) {
    if (answer.ref !== AGAIN && request?.type !== "watch") return [];
    if (answer.type === "error") {
      for (const user of request?.users ?? []) if (this.#known.get(user) === null) this.#known.delete(user);
      if (answer.ref === AGAIN && !answer.retryable) this.againAt = null;
      return [];
    }
    if (answer.ref === AGAIN) this.againAt = null;
    return (answer.result?.users ?? []).flatMap(({ user, online }) => {
      const before = this.#known.get(user);
      if (before === undefined) return [];
      this.#known.set(user, online);
      return before === null || before === online ? [] : [emit("presence", { user, online, at: null })]; // nobody heard when
    });
  }

  /** Tell what a signal says of a watched user. */
  heard({ signal, user, online, at = null }) {
    if (signal !== "presence" || !this.#known.has(user) || typeof online !== "boolean") return [];
    this.#known.set(user, online);
    return [emit("presence", { user, online, at })];
  }
}

/** Frames in, actions out. One thing at a time: after `show` or `lost` comes `done` or `failed`. */
export class Protocol {
  #phase = "idle"; // idle, connecting, replaying, online, leaving, stopped
  #pending = null;
  #bye = null;
  #replayAwaited = false;
  #tries = 0;
  #failing = null;
  #rev = null;
  #beganAt = 0;
  #welcomedAt = null;
  #heardAt = 0;
  #pingedAt = null;
  #acked = positionOf(null); // what the server knows that we have
  #unacked = 0;
  #ackAt = null;
  #refs = 0;
  #requests = new Map(); // ref → {frame, until}
  #watching = new Watching();

  constructor(position = positionOf(null), { tuning = {}, renews = true } = {}) {
    this.position = position;
    this.tuning = { ...TUNING, ...tuning };
    this.renews = renews;
  }

  get phase() { return this.#phase; }
  get #live() { return this.#phase === "online" || this.#phase === "replaying"; }

  /** A connection begins. */
  connect(now) {
    this.#phase = "connecting";
    this.#beganAt = this.#heardAt = now;
    this.#bye = this.#pingedAt = this.#welcomedAt = null;
    this.#ackIs(this.position);
    return [status("connecting")];
  }

  /** Sign in with this: the token's user decides whose position it is, and the token comes after `connect`. */
  resume(position) {
    this.position = position;
    this.#ackIs(position);
    return sinceOf(position);
  }

  /** Something arrived: the connection lives. */
  heard(now) {
    this.#heardAt = now;
    this.#pingedAt = null;
  }

  /** Decide what one frame means. Unknown types and fields are ignored. */
  receive(frame, now) {
    if (frame.type === "reply" || frame.type === "error") return this.#answer(frame);
    if (this.#pending) throw new Error("finish what is shown first: call done() or failed()");
    if (frame.type === "bye") this.#bye = frame;
    if (this.#phase === "connecting") return frame.type === "welcome" ? this.#welcome(frame, now) : [];
    if (!this.#live) return [];
    switch (frame.type) {
      case "notification":
      case "position": return this.#stream(frame, now);
      case "caught_up": return this.#replayAwaited ? this.#caughtUp(frame) : [];
      case "state":
      case "retract":
      case "signal": return [emit(frame.type, frame), ...this.#counts(frame), ...this.#watching.heard(frame)];
      case "expiring": return [emit(frame.type, fieldsOf(frame))];
      default: return [];
    }
  }

  /** The handlers took what was pending: only now the position moves. */
  done(now) {
    const pending = this.#pending;
    this.#pending = null;
    if (pending?.do === "show") return this.#advance(pending.frame.stream, pending.frame.seq, now);
    if (pending?.do !== "lost") return [];
    this.position = pending.position;
    this.#failing = null;
    // The caller has what it reloaded, so the server may count it as delivered.
    this.#ackIs({ epoch: pending.position.epoch, me: null, all: null });
    this.#ackSoon(now);
    return [{ do: "save", position: this.position, replace: true }, ...this.#whole()];
  }

  /** A handler failed: the position stays and the server sends it again, but not for ever. */
  failed(now, reason = "") {
    const pending = this.#pending;
    this.#pending = null;
    if (pending?.do === "show") {
      const { stream, seq } = pending.frame;
      const again = this.#failing?.stream === stream && this.#failing.seq === seq;
      this.#failing = { stream, seq, attempts: again ? this.#failing.attempts + 1 : 1 };
      if (this.#failing.attempts >= this.tuning.handlerAttempts) {
        const payload = { error: reason, notification: pending.frame };
        return [emit("failed", payload), ...this.#advance(stream, seq, now)];
      }
    }
    return this.#giveUp(OURS, "handler failed", true);
  }

  /**
   * The socket is gone, or was never there: come back, when, and with a fresh token or not. A `bye` knows better than
   * the code: behind a cut that is only 1006.
   */
  closed(now, code, reason, jitter, retryAfter = 0) {
    this.#watching.againAt = null;
    if (this.#phase === "stopped" || this.#phase === "idle") return [];
    const bye = this.#bye ?? {};
    const ended = whole(bye.code) || code;
    const why = String(bye.reason || reason || "");
    const back = typeof bye.reconnect === "boolean" ? bye.reconnect : !TERMINAL.has(ended);
    if (!back || (ended === TOKEN_EXPIRED && !this.renews)) return this.#stop(ended, why);
    if (this.#welcomedAt !== null && now - this.#welcomedAt >= this.tuning.steadyAfter) this.#tries = 0;
    const advice = Math.max(seconds(bye.retry_after), seconds(retryAfter));
    const wait = Math.max(backoff(this.#tries, jitter), 1000 * advice);
    this.#tries += 1;
    this.#phase = "idle";
    const renew = ended === TOKEN_EXPIRED || this.#welcomedAt === null;
    const gone = status("offline", { code: ended, reason: why, retry_in: wait / 1000 });
    return [gone, { do: "retry", wait, renew, advised: advice > 0 }];
  }

  /** The caller wants to end: the last ack goes out before the close. */
  leave() {
    if (this.#phase === "stopped") return [];
    const last = this.#live ? this.#flushAck() : [];
    return [...last, { do: "close", code: 1000, reason: "done" }, ...this.#stop(1000, "done")];
  }

  /** Acknowledge now what was shown, without waiting for the batch. */
  acknowledge() {
    return this.#live ? this.#flushAck() : [];
  }

  /** Ask for `read`, `send`, `watch` and the like: sent when online, and again after a cut, for it is idempotent. */
  request(kind, fields, now) {
    const ref = `r${(this.#refs += 1)}`;
    const frame = { type: kind, ...fields, ref };
    this.#watching.asked(frame);
    this.#requests.set(ref, { frame, until: now + this.tuning.requestWait });
    if (this.#phase === "stopped") return { ref, actions: this.#refuse() };
    return { ref, actions: this.#live ? [send(frame)] : [] };
  }

  /** Do what has become due by `now`. */
  tick(now) {
    const out = [];
    for (const [ref, { until }] of this.#requests) {
      if (until > now) continue;
      this.#requests.delete(ref);
      out.push({ do: "settle", ref, error: problem("timeout", "no answer in time", true) });
    }
    if (this.#watching.againAt !== null && now >= this.#watching.againAt) out.push(...this.#watchAgain(now));
    if (this.#phase === "connecting" && now - this.#beganAt >= this.tuning.welcomeWait)
      return [...out, ...this.#giveUp(OURS, "no welcome")];
    if (!this.#live) return out;
    if (this.#ackAt !== null && now >= this.#ackAt) out.push(...this.#flushAck());
    if (this.#pingedAt !== null && now - this.#pingedAt >= this.tuning.pongWait) {
      out.push(...this.#giveUp(OURS, "silent"));
    } else if (this.#pingedAt === null && now - this.#heardAt >= this.tuning.pingAfter) {
      this.#pingedAt = now;
      out.push(send({ type: "ping" }));
    }
    return out;
  }

  /** When `tick` has something to do next; null: nothing is awaited. */
  nextAt() {
    const times = [...this.#requests.values()].map(({ until }) => until);
    if (this.#watching.againAt !== null) times.push(this.#watching.againAt);
    if (this.#phase === "connecting") times.push(this.#beganAt + this.tuning.welcomeWait);
    if (this.#live) {
      const pinged = this.#pingedAt;
      times.push(pinged === null ? this.#heardAt + this.tuning.pingAfter : pinged + this.tuning.pongWait);
      if (this.#ackAt !== null) times.push(this.#ackAt);
    }
    return times.length ? Math.min(...times) : null;
  }

  #welcome(frame, now) {
    const theirs = positionOf(frame);
    const movedHouse = isKnown(this.position) && this.position.epoch !== theirs.epoch;
    const waits = movedHouse || frame.recovered !== true;
    this.#replayAwaited = frame.recovered == null;
    this.#welcomedAt = now;
    this.#rev = null;
    this.#phase = waits ? "replaying" : "online";
    const { user = null, connection = null, recovered = null, expires_at = null } = frame;
    const out = [status(this.#phase, { user, connection, recovered, expires_at })];
    out.push(...this.#watchAgain(now));
    for (const { frame: request } of this.#requests.values()) out.push(send(request));
    out.push(...this.#counts(frame));
    if (movedHouse || frame.recovered === false)
      return [...out, this.#lose(movedHouse ? "epoch" : "not_recovered", theirs)];
    out.push(...this.#fill(theirs));
    this.#ackIs(this.position);
    return out;
  }

  #stream(frame, now) {
    const { stream } = frame;
    const seq = whole(frame.seq);
    const prev = whole(frame.prev);
    if (!STREAMS.includes(stream) || seq === null || prev === null || prev >= seq)
      return [emit("error", problem("bad_frame", "a frame without stream, prev < seq", false))];
    const last = this.position[stream];
    if (last !== null && seq <= last) return [];
    if (last !== null && prev > last)
      return this.#giveUp(GAP, `gap on ${stream}: have ${last}, next follows ${prev}`, true);
    if (frame.type === "position") return this.#advance(stream, seq, now);
    this.#pending = { do: "show", frame };
    return [this.#pending];
  }

  #caughtUp(frame) {
    const theirs = positionOf({ ...frame, epoch: this.position.epoch });
    this.#replayAwaited = false;
    if (frame.recovered === false) return [this.#lose("not_recovered", theirs)];
    for (const stream of STREAMS) {
      const [last, top] = [this.position[stream], theirs[stream]];
      if (last !== null && top !== null && last < top)
        return this.#giveUp(GAP, `gap on ${stream}: have ${last}, caught up to ${top}`, true);
    }
    // What is taken over is no news to the server; what was shown meanwhile still is.
    for (const stream of STREAMS) if (this.position[stream] === null) this.#acked[stream] = theirs[stream];
    return [...this.#fill(theirs), ...this.#whole()];
  }

  /** Take the server's position where none is known. */
  #fill(theirs) {
    const before = this.position;
    const { me, all } = before;
    this.position = { epoch: theirs.epoch, me: me ?? theirs.me, all: all ?? theirs.all };
    const moved = before.epoch !== theirs.epoch || me !== this.position.me || all !== this.position.all;
    return moved && isKnown(this.position) ? [{ do: "save", position: this.position, replace: false }] : [];
  }

  #lose(reason, position) {
    this.#pending = { do: "lost", reason, position };
    return this.#pending;
  }

  /** Online, unless an announced replay has not ended or the connection is already given up. */
  #whole() {
    if (this.#phase !== "replaying" || this.#replayAwaited) return [];
    this.#phase = "online";
    return [status("online")];
  }

  /** Counts older than the newest seen are dropped: states may overtake one another. */
  #counts({ rev, counts }) {
    if (whole(rev) !== null) {
      if (this.#rev !== null && rev < this.#rev) return [];
      this.#rev = rev;
    }
    return counts && typeof counts === "object" ? [emit("counts", counts)] : [];
  }

  #answer(frame) {
    const failed = frame.type === "error";
    const news = this.#watching.learn(frame, this.#requests.get(frame.ref)?.frame);
    if (this.#requests.delete(frame.ref)) {
      if (failed) return [{ do: "settle", ref: frame.ref, error: fieldsOf(frame) }];
      const result = frame.result ?? {};
      return [...this.#counts(result), ...news, { do: "settle", ref: frame.ref, result }];
    }
    return failed ? [emit("error", fieldsOf(frame))] : news;
  }

  #watchAgain(now) {
    const open = [...this.#requests.values()].map(({ frame }) => frame);
    return this.#watching.again(open, now + this.tuning.requestWait);
  }

  #advance(stream, seq, now) {
    this.position = { ...this.position, [stream]: seq };
    this.#tries = 0;
    const out = [{ do: "save", position: this.position, replace: false }];
    if (this.#live) {
      this.#ackSoon(now);
      if (this.#unacked >= this.tuning.ackEvery) out.push(...this.#flushAck());
    }
    return out;
  }

  #ackIs(position) {
    this.#acked = { ...position };
    this.#unacked = 0;
    this.#ackAt = null;
  }

  #ackSoon(now) {
    this.#unacked += 1;
    this.#ackAt ??= now + this.tuning.ackAfter;
  }

  /** One cumulative ack for what moved since the last one. */
  #flushAck() {
    const moved = {};
    for (const stream of STREAMS) {
      const last = this.position[stream];
      if (last !== null && last !== this.#acked[stream]) moved[stream] = last;
    }
    this.#ackIs(this.position);
    if (!Object.keys(moved).length) return [];
    return [send({ type: "ack", ...moved }), emit("acked", moved)];
  }

  #giveUp(code, reason, flush = false) {
    if (!this.#live && this.#phase !== "connecting") return [];
    const last = flush ? this.#flushAck() : [];
    this.#phase = "leaving";
    this.#bye = null;
    return [...last, { do: "close", code, reason }];
  }

  #refuse() {
    const refs = [...this.#requests.keys()];
    this.#requests.clear();
    this.#watching.againAt = null;
    return refs.map((ref) => ({ do: "settle", ref, error: problem("stopped", "the client has stopped", false) }));
  }

  #stop(code, reason) {
    this.#phase = "stopped";
    this.#tries = 0;
    return [...this.#refuse(), status("stopped", { code, reason }), { do: "stop", code, reason }];
  }
}

/** Keeps positions as long as the page or process lives. */
export class MemoryStorage {
  #items = new Map();
  getItem(key) { return this.#items.get(key) ?? null; }
  setItem(key, text) { this.#items.set(key, text); }
}

/** What a request rejects with. */
export class BellhopError extends Error {
  constructor({ code, message, retryable }) {
    super(message);
    this.code = code;
    this.retryable = Boolean(retryable);
  }
}

/** Claims of a JWT, unchecked: they only name the place where this user's position is kept. */
/** What nobody else has; `crypto.randomUUID` is missing on pages without TLS. */
function unique() {
  return [...globalThis.crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function claimsOf(token) {
  try {
    const [, body] = token.split(".");
    const bytes = Uint8Array.from(atob(body.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

function browserStorage() {
  try {
    return globalThis.localStorage ?? new MemoryStorage(); // reading it throws where storage is forbidden
  } catch {
    return new MemoryStorage();
  }
}

/** Two tabs keep one position: the further one, unless it is another epoch's. */
function further(mine, stored) {
  if (stored.epoch !== mine.epoch) return mine;
  const most = (stream) => (stored[stream] === null ? mine[stream] : Math.max(stored[stream], mine[stream] ?? 0));
  return { epoch: mine.epoch, me: most("me"), all: most("all") };
}

const REAL_CLOCK = {
  now: () => performance.now(),
  set: (run, ms) => setTimeout(run, ms),
  clear: (timer) => clearTimeout(timer),
};

/**
 * Follow a user's notifications: `on(...)`, then `connect()`; `close()` sends the last ack.
 *
 * url: one address or several nodes (after a connection ends the next one is tried). token: a token, or a function
 * `(renew) => token | Promise<token>`; null from it means signed out. signIn: "subprotocol" (the token in the
 * handshake) or "message" (the first message). storage: `getItem` and `setItem` as localStorage has them.
 * user, app: whose position it is, where the token is not a JWT that says so.
 */
export class Bellhop {
  #handlers = new Map();
  #replies = new Map();
  #queue = []; // frames and the ending of the connection, handled one after the other
  #busy = false;
  #socket = null;
  #turn = 0; // counts attempts; what comes from an older one is not listened to
  #dialled = 0;
  #key = null;
  #timer = null;
  #retry = null;
  #renew = false;
  #advised = false;
  #leaveWorld = () => {};

  constructor({ url, token, user, app, signIn = "subprotocol", storage, tuning, WebSocket, random, clock }) {
    this.urls = [url].flat();
    this.token = token;
    this.owner = { user, app };
    this.signIn = signIn;
    this.storage = storage ?? browserStorage();
    this.WebSocket = WebSocket ?? globalThis.WebSocket;
    if (!this.WebSocket) throw new Error("there is no WebSocket here: pass one, e.g. that of the package ws");
    this.random = random ?? Math.random;
    this.clock = clock ?? REAL_CLOCK;
    this.protocol = new Protocol(undefined, { tuning, renews: typeof token === "function" });
    this.status = "idle";
    this.node = null; // the address of the latest attempt
  }

  /** How far both streams were shown. */
  get position() { return sinceOf(this.protocol.position); }

  /**
   * Call `handler` with each `event`'s payload; returns the function that ends it. Events: notification, lost, status,
   * counts, state, retract, signal, presence, acked, failed, error. A handler of notification or lost may return a promise; if
   * it fails, the position does not move and the server sends again.
   */
  on(event, handler) {
    if (!this.#handlers.has(event)) this.#handlers.set(event, new Set());
    this.#handlers.get(event).add(handler);
    return () => this.#handlers.get(event).delete(handler);
  }

  /** Connect, and stay connected. */
  connect() {
    if (this.status !== "idle" && this.status !== "stopped") return;
    this.#watchWorld();
    this.#open();
  }

  /** Acknowledge what was shown, and end. A handler still at work finishes, and its notification counts. */
  close() {
    this.#perform(this.protocol.leave());
  }

  /** Mark as read; resolves with `{changed, counts}`, rejects with a BellhopError. */
  read(ids) { return this.#request("read", { ids: [...ids] }); }
  /** Mark as seen. */
  seen(ids) { return this.#request("seen", { ids: [...ids] }); }
  /** Put away. */
  archive(ids) { return this.#request("archive", { ids: [...ids] }); }
  /** Send to a user, or to whom `to` names; resolves with `{id, status}`. Needs the right to. */
  send(to, event, data = {}, options = {}) {
    const audience = typeof to === "string" ? { users: [to] } : to;
    return this.#request("send", { to: audience, event, data, key: unique(), ...options });
  }
  /**
   * Be told by `presence` who of these comes and leaves, on later connections too; resolves with who is online now,
   * `{users: [{user, online}]}`. Needs the right to.
   */
  watch(users) { return this.#request("watch", { users: [users].flat() }); }
  /** No longer; without names for all. Resolves with `{watching}`, how many are left. */
  unwatch(users) { return this.#request("unwatch", users == null ? {} : { users: [users].flat() }); }

  /** Drop the socket as a bad network would, and come back after `away` seconds. For tests and demonstrations. */
  cut(away = 0) {
    if (this.#socket) this.#drop(1006, "cut", away);
  }

  // One connection

  async #open() {
    const turn = (this.#turn += 1);
    this.#perform(this.protocol.connect(this.clock.now()));
    this.#arm();
    let token, since;
    try {
      token = typeof this.token === "function" ? await this.token(this.#renew) : this.token;
      if (turn === this.#turn && token != null) since = await this.#resume(token);
    } catch (error) {
      if (turn === this.#turn) this.#take({ code: 1006, reason: `no token: ${error.message}` });
      return;
    }
    if (turn !== this.#turn) return;
    if (token == null) this.close();
    else this.#dial(turn, token, since);
  }

  /** The position of the token's user: the one at hand, or the one that was kept. */
  async #resume(token) {
    const claims = claimsOf(token);
    const app = this.owner.app ?? claims.app ?? "main";
    const user = this.owner.user ?? claims.sub ?? claims.userId ?? "";
    const key = `bellhop:${this.urls[0]}:${app}:${user}`;
    if (key === this.#key) return this.protocol.resume(this.protocol.position);
    this.#key = key;
    return this.protocol.resume(await this.#stored());
  }

  #dial(turn, token, since) {
    const byMessage = this.signIn === "message";
    const protocols = byMessage ? ["bellhop.v1"] : ["bellhop.v1", `bearer.${token}`];
    const ifCurrent = (run) => (event) => { if (turn === this.#turn) run(event); };
    this.node = this.urls[this.#dialled++ % this.urls.length];
    try {
      const url = new URL(this.node, globalThis.location?.href);
      url.protocol = url.protocol.replace("http", "ws"); // an address relative to the page
      if (!byMessage) for (const [name, value] of Object.entries(since ?? {})) url.searchParams.set(name, value);
      this.#socket = new this.WebSocket(url.href, protocols);
    } catch (error) {
      this.#take({ code: 1006, reason: error.message });
      return;
    }
    const first = { type: "auth", token, ...(since && { since }) };
    this.#socket.onopen = ifCurrent(() => { if (byMessage) this.#send(first); });
    this.#socket.onmessage = ifCurrent(({ data }) => this.#message(data));
    this.#socket.onclose = ifCurrent(({ code, reason }) => this.#take({ code, reason }));
    this.#socket.onerror = () => {}; // a close always follows and says more
  }

  #message(data) {
    this.protocol.heard(this.clock.now());
    let frame = null;
    try {
      frame = JSON.parse(data);
    } catch { /* not JSON: ignored like an unknown type; a lost notification shows as a gap */ }
    if (!frame || typeof frame !== "object") return;
    // Answers do not wait for the handlers: a handler may be waiting for one.
    if (frame.type === "reply" || frame.type === "error") this.#perform(this.protocol.receive(frame, this.clock.now()));
    else this.#take({ frame });
  }

  /** Handle what came, in order, one at a time. */
  async #take(item) {
    this.#queue.push(item);
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#queue.length) await this.#perform(this.#decide(this.#queue.shift()));
    } finally {
      this.#busy = false;
      this.#arm();
    }
  }

  #decide({ frame, code, reason, away }) {
    const now = this.clock.now();
    return frame ? this.protocol.receive(frame, now) : this.protocol.closed(now, code, reason, this.random(), away);
  }

  #drop(code, reason, away = 0) {
    const socket = this.#socket;
    this.#turn += 1;
    this.#socket = null;
    // 1006 may not be sent; a close that nobody answers is not waited for.
    try { socket?.close(code === 1006 ? OURS : code, reason.slice(0, 120)); } catch { /* it was closed already */ }
    if (this.protocol.phase !== "stopped") this.#take({ code, reason, away });
  }

  // Doing what the machine decided

  async #perform(actions) {
    for (const action of actions) {
      switch (action.do) {
        case "send": this.#send(action.frame); break;
        case "show": await this.#handOver("notification", action.frame); break;
        case "lost": {
          const { reason, position } = action;
          await this.#handOver("lost", { reason, position });
          break;
        }
        case "save": await this.#save(action); break;
        case "emit":
          this.#tell(action.event, action.payload);
          if (action.event === "expiring") this.#refresh();
          break;
        case "settle": this.#settle(action); break;
        case "close": this.#drop(action.code, action.reason); break;
        case "retry": this.#later(action); break;
        case "stop": this.#end(); break;
      }
    }
  }

  /** Go on with a fresh token; without one the connection ends with the old one, and the next asks again. */
  async #refresh() {
    if (typeof this.token !== "function") return;
    const turn = this.#turn;
    let token = null;
    try {
      token = await this.token(true);
    } catch { /* said again when the connection has ended */ }
    if (token != null && turn === this.#turn) this.#send({ type: "refresh", token, ref: "refresh" });
  }

  async #handOver(event, payload) {
    let failure = null;
    try {
      for (const handler of this.#handlers.get(event) ?? []) await handler(payload);
    } catch (error) {
      failure = error;
    }
    const now = this.clock.now();
    if (failure) this.#tell("error", problem("handler", String(failure), true));
    await this.#perform(failure ? this.protocol.failed(now, String(failure)) : this.protocol.done(now));
  }

  #tell(event, payload) {
    if (event === "status") this.status = payload.status;
    for (const handler of this.#handlers.get(event) ?? []) {
      try {
        handler(payload);
      } catch (error) {
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }

  #settle({ ref, result, error }) {
    const { resolve, reject } = this.#replies.get(ref);
    this.#replies.delete(ref);
    if (error) reject(new BellhopError(error));
    else resolve(result);
  }

  #send(frame) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  async #save({ position, replace }) {
    try {
      const kept = replace ? position : further(position, await this.#stored());
      await this.storage.setItem(this.#key, JSON.stringify(sinceOf(kept)));
    } catch (error) {
      this.#tell("error", problem("storage", `the position could not be saved: ${error.message}`, true));
    }
  }

  async #stored() {
    try {
      return positionOf(JSON.parse(await this.storage.getItem(this.#key)));
    } catch {
      return positionOf(null);
    }
  }

  #request(kind, fields) {
    const { ref, actions } = this.protocol.request(kind, fields, this.clock.now());
    const reply = new Promise((resolve, reject) => this.#replies.set(ref, { resolve, reject }));
    this.#perform(actions);
    this.#arm();
    return reply;
  }

  // Time

  #arm() {
    this.clock.clear(this.#timer);
    const at = this.protocol.nextAt();
    if (at !== null) this.#timer = this.clock.set(() => this.#tick(), Math.max(0, at - this.clock.now()));
  }

  #tick() {
    this.#perform(this.protocol.tick(this.clock.now()));
    this.#arm();
  }

  #later({ wait, renew, advised }) {
    this.#advised = advised;
    this.#socket = null;
    this.#renew = renew;
    this.#retry = this.clock.set(() => this.#again(), wait);
  }

  #again() {
    this.clock.clear(this.#retry);
    this.#retry = null;
    this.#open();
  }

  #end() {
    this.clock.clear(this.#retry);
    this.clock.clear(this.#timer);
    this.#retry = null;
    this.#turn += 1;
    this.#leaveWorld();
  }

  /** A page that goes acknowledges first; one whose network returns need not wait for the back-off. */
  #watchWorld() {
    const world = globalThis.addEventListener && globalThis;
    if (!world) return;
    const online = () => { if (this.#retry !== null && !this.#advised) this.#again(); };
    const leaving = () => this.#perform(this.protocol.acknowledge());
    world.addEventListener("online", online);
    world.addEventListener("pagehide", leaving);
    this.#leaveWorld = () => {
      world.removeEventListener("online", online);
      world.removeEventListener("pagehide", leaving);
    };
  }
}
