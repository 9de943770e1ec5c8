// The JavaScript shell: sockets, storage and timers around the machine, all of them fakes. Run like vectors.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bellhop, MemoryStorage } from "../../../clients/js/bellhop.js";

const URL_1 = "ws://one.example/ws";
const WELCOME = { type: "welcome", connection: "c", user: "ana", epoch: "e1", me: 4, all: 2, recovered: true };
const KEY = `bellhop:${URL_1}:main:ana`;

const jwt = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;
const TOKEN = jwt({ sub: "ana" });
const note = (seq, prev = seq - 1) => ({ type: "notification", stream: "me", seq, prev, id: `n${seq}`, event: "e", data: {} });
/** Let everything run that is ready to run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

class FakeClock {
  time = 0;
  timers = new Map();
  next = 1;
  now() { return this.time; }
  set(run, ms) { this.timers.set(this.next, { run, at: this.time + ms }); return this.next++; }
  clear(timer) { this.timers.delete(timer); }
  async to(time) {
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= time).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].run();
      await settle();
    }
    this.time = time;
  }
}

/** A client on fakes. `sockets` are those it opened; `told` is every event. */
function setUp(options = {}) {
  const clock = new FakeClock();
  const sockets = [];
  class FakeSocket {
    readyState = 0;
    sent = [];
    constructor(url, protocols) { Object.assign(this, { url, protocols }); sockets.push(this); }
    send(text) { this.sent.push(JSON.parse(text)); }
    close(code, reason) { this.closed = [code, reason]; this.readyState = 3; }
    open() { this.readyState = 1; this.onopen?.(); }
    async get(...frames) { for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) }); await settle(); }
    async end(code, reason = "") { this.readyState = 3; this.onclose({ code, reason }); await settle(); }
  }
  const storage = options.storage ?? new MemoryStorage();
  const client = new Bellhop({ url: URL_1, token: TOKEN, WebSocket: FakeSocket, clock, random: () => 0.5, ...options, storage });
  const told = [];
  const shown = [];
  for (const event of ["status", "acked", "lost", "error", "failed", "counts"])
    client.on(event, (payload) => told.push([event, payload]));
  client.on("notification", ({ id }) => { shown.push(id); });
  const online = async () => {
    client.connect();
    await settle();
    sockets.at(-1).open();
    await sockets.at(-1).get(WELCOME);
    return sockets.at(-1);
  };
  return { client, clock, sockets, storage, told, shown, online };
}

test("the token goes into the subprotocol and since into the address", async () => {
  const storage = new MemoryStorage();
  storage.setItem(KEY, '{"epoch":"e1","me":4,"all":2}');
  const { sockets, online } = setUp({ storage });

  await online();

  assert.deepEqual(sockets[0].protocols, ["bellhop.v1", `bearer.${TOKEN}`]);
  assert.equal(sockets[0].url, `${URL_1}?epoch=e1&me=4&all=2`);
});

test("or token and since go into the first message", async () => {
  const storage = new MemoryStorage();
  storage.setItem(KEY, '{"epoch":"e1","me":4}');
  const { sockets, online } = setUp({ storage, signIn: "message" });

  await online();

  assert.deepEqual(sockets[0].protocols, ["bellhop.v1"]);
  assert.equal(sockets[0].url, URL_1);
  assert.deepEqual(sockets[0].sent, [{ type: "auth", token: TOKEN, since: { epoch: "e1", me: 4 } }]);
});

test("the position is saved after the handler has finished, and frames wait for it", async () => {
  const { client, storage, shown, online } = setUp();
  let finish;
  client.on("notification", () => new Promise((resolve) => { finish = resolve; }));
  const socket = await online();

  await socket.get(note(5), note(6));
  assert.deepEqual(shown, ["n5"]);
  assert.equal(JSON.parse(storage.getItem(KEY)).me, 4);
  finish();
  await settle();

  assert.deepEqual(shown, ["n5", "n6"]);
  assert.equal(JSON.parse(storage.getItem(KEY)).me, 5);
});

test("a handler that rejects gets the notification again on the next connection", async () => {
  const { client, clock, sockets, storage, shown, online } = setUp();
  let broken = true;
  client.on("notification", async () => { if (broken) throw new Error("no space"); });
  const socket = await online();

  await socket.get(note(5), note(6));
  assert.deepEqual(socket.closed, [4000, "handler failed"]);
  assert.equal(JSON.parse(storage.getItem(KEY)).me, 4);
  broken = false;
  await clock.to(1000);
  sockets[1].open();
  await sockets[1].get(WELCOME, note(5), note(6));

  assert.equal(sockets[1].url, `${URL_1}?epoch=e1&me=4&all=2`);
  assert.deepEqual(shown, ["n5", "n5", "n6"]);
});

test("a reply does not wait for a handler, so a handler may wait for a reply", async () => {
  const { client, shown, online } = setUp();
  const results = [];
  client.on("notification", async ({ id }) => { results.push(await client.read([id])); });
  const socket = await online();

  await socket.get(note(5));
  assert.deepEqual(socket.sent, [{ type: "read", ids: ["n5"], ref: "r1" }]);
  await socket.get({ type: "reply", ref: "r1", result: { changed: 1 } });

  assert.deepEqual(results, [{ changed: 1 }]);
  assert.deepEqual(shown, ["n5"]);
});

test("what is sent names its receivers and is known when it is repeated", async () => {
  const { client, online } = setUp();
  const socket = await online();

  const sent = client.send("bob", "chat", { text: "hi" }, { ttl: 60 });
  const again = assert.rejects(client.send({ users: ["bob", "carl"] }, "chat"), { code: "forbidden" });
  const [one, other] = socket.sent;
  assert.match(one.key, /^[0-9a-f]{32}$/);
  assert.notEqual(one.key, other.key);
  assert.deepEqual({ ...one, key: "" }, {
    type: "send", ref: "r1", to: { users: ["bob"] }, event: "chat", data: { text: "hi" }, ttl: 60, key: "",
  });
  assert.deepEqual(other.to, { users: ["bob", "carl"] });
  await socket.get({ type: "reply", ref: "r1", result: { id: "n9", status: "accepted" } });
  await socket.get({ type: "error", ref: "r2", code: "forbidden", message: "no", retryable: false });

  assert.deepEqual(await sent, { id: "n9", status: "accepted" });
  await again;
});

test("who is watched is watched again after a cut", async () => {
  const { client, clock, sockets, online } = setUp();
  const told = [];
  client.on("presence", (payload) => told.push(payload));
  const socket = await online();

  const state = { users: [{ user: "bob", online: false }] };
  const watched = client.watch("bob");
  assert.deepEqual(socket.sent, [{ type: "watch", users: ["bob"], ref: "r1" }]);
  await socket.get({ type: "reply", ref: "r1", result: state });
  assert.deepEqual(await watched, state);
  await socket.end(1006);
  await clock.to(1_000);
  sockets[1].open();
  await sockets[1].get(WELCOME);
  assert.deepEqual(sockets[1].sent, [{ type: "watch", users: ["bob"], ref: "watch" }]);
  await sockets[1].get({ type: "reply", ref: "watch", result: { users: [{ user: "bob", online: true }] } });
  assert.deepEqual(told, [{ user: "bob", online: true, at: null }]);
  client.unwatch().catch(() => {});

  assert.deepEqual(sockets[1].sent.at(-1), { type: "unwatch", ref: "r2" });
});

test("a refused request rejects with what the server said", async () => {
  const { client, online } = setUp();
  const socket = await online();

  const refused = assert.rejects(client.archive(["n5"]), { code: "forbidden", message: "not yours", retryable: false });
  await socket.get({ type: "error", ref: "r1", code: "forbidden", message: "not yours", retryable: false });

  await refused;
});

test("a request without an answer rejects in time", async () => {
  const { client, clock, online } = setUp();
  await online();

  const asked = assert.rejects(client.seen(["n5"]), { code: "timeout", retryable: true });
  await clock.to(10_000);

  await asked;
});

test("close while a handler works: what it shows still counts, nothing more is shown", async () => {
  const { client, storage, shown, told, online } = setUp();
  let finish;
  client.on("notification", () => new Promise((resolve) => { finish = resolve; }));
  const socket = await online();

  await socket.get(note(5), note(6));
  client.close();
  finish();
  await settle();

  assert.deepEqual(socket.closed, [1000, "done"]);
  assert.equal(JSON.parse(storage.getItem(KEY)).me, 5);
  assert.deepEqual(shown, ["n5"]);
  assert.equal(told.filter(([event]) => event === "status").at(-1)[1].status, "stopped");
});

test("close acknowledges what was shown", async () => {
  const { client, online } = setUp();
  const socket = await online();

  await socket.get(note(5));
  client.close();

  assert.deepEqual(socket.sent, [{ type: "ack", me: 5 }]);
});

test("acks are sent by the clock", async () => {
  const { clock, online } = setUp();
  const socket = await online();

  await socket.get(note(5), note(6));
  await clock.to(499);
  assert.deepEqual(socket.sent, []);
  await clock.to(500);

  assert.deepEqual(socket.sent, [{ type: "ack", me: 6 }]);
});

test("after a connection ends the next node is tried, after the back-off", async () => {
  const { clock, sockets, online } = setUp({ url: [URL_1, "ws://two.example/ws"] });
  const socket = await online();

  await socket.end(1006);
  await clock.to(249);
  assert.equal(sockets.length, 1);
  await clock.to(250);

  assert.equal(sockets[1].url, "ws://two.example/ws?epoch=e1&me=4&all=2");
});

test("a connection that was given up is not listened to", async () => {
  const { client, clock, sockets, shown, online } = setUp();
  const socket = await online();
  client.cut();
  await clock.to(1_000);
  sockets[1].open();
  await sockets[1].get(WELCOME);

  await socket.get(note(5));
  await socket.end(4003);

  assert.deepEqual(shown, []);
  assert.equal(client.status, "online");
});

test("a token that comes after close is not used", async () => {
  let give;
  const { client, sockets } = setUp({ token: () => new Promise((resolve) => { give = resolve; }) });
  client.connect();
  await settle();

  client.close();
  give(TOKEN);
  await settle();

  assert.equal(sockets.length, 0);
  assert.equal(client.status, "stopped");
});

test("a tab resumes after what it has shown itself, however far another tab is", async () => {
  const { clock, sockets, storage, online } = setUp();
  const socket = await online();
  storage.setItem(KEY, '{"epoch":"e1","me":9,"all":2}');

  await socket.end(1006);
  await clock.to(1_000);

  assert.equal(sockets[1].url, `${URL_1}?epoch=e1&me=4&all=2`);
});

test("a silent connection is asked, then given up", async () => {
  const { clock, sockets, told, online } = setUp();
  const socket = await online();

  await clock.to(25_000);
  assert.deepEqual(socket.sent, [{ type: "ping" }]);
  await clock.to(33_000);
  assert.deepEqual(socket.closed, [4000, "silent"]);
  await clock.to(34_000);

  assert.equal(sockets.length, 2);
  assert.ok(told.some(([event, { status }]) => event === "status" && status === "offline"));
});

test("a token function is asked for a fresh token after 4011 and after a refusal, and only then", async () => {
  const asked = [];
  const { clock, sockets, online } = setUp({ token: async (renew) => { asked.push(renew); return TOKEN; } });

  await (await online()).end(4011, "token expired");
  await clock.to(1_000);
  await sockets[1].end(1006);
  await clock.to(3_000);
  sockets[2].open();
  await sockets[2].get(WELCOME);
  await sockets[2].end(1006);
  await clock.to(6_000);

  assert.deepEqual(asked, [false, true, true, false]);
});

test("an ending token is renewed on the connection", async () => {
  const asked = [];
  const { sockets, online } = setUp({ token: async (renew) => { asked.push(renew); return TOKEN; } });

  const socket = await online();
  await socket.get({ type: "expiring", expires_at: "2026-03-01T10:00:00.000Z" });

  assert.deepEqual(socket.sent.at(-1), { type: "refresh", token: TOKEN, ref: "refresh" });
  assert.deepEqual(asked, [false, true]);
  assert.equal(sockets.length, 1);
});

test("a token function that fails is asked again later; one that gives null ends it", async () => {
  const answers = [() => { throw new Error("no network"); }, () => null];
  const { client, clock, sockets, told } = setUp({ token: () => answers.shift()() });

  client.connect();
  await settle();
  assert.deepEqual(told.at(-1)[1], { status: "offline", code: 1006, reason: "no token: no network", retry_in: 0.25 });
  await clock.to(1_000);

  assert.equal(client.status, "stopped");
  assert.equal(sockets.length, 0);
  assert.equal(clock.timers.size, 0);
});

test("a token that never comes does not hold the client up", async () => {
  const { client, clock, told } = setUp({ token: () => new Promise(() => {}) });

  client.connect();
  await clock.to(15_000);

  assert.equal(told.at(-1)[1].status, "offline");
});

test("another user's token brings that user's position", async () => {
  const storage = new MemoryStorage();
  storage.setItem(`bellhop:${URL_1}:shop:bo`, '{"epoch":"e1","me":70,"all":2}');
  const tokens = [TOKEN, jwt({ userId: "bo", app: "shop" })];
  const { clock, sockets, online } = setUp({ storage, token: () => tokens.shift() });

  await (await online()).end(4011);
  await clock.to(1_000);

  assert.equal(sockets[0].url, URL_1);
  assert.equal(sockets[1].url, `${URL_1}?epoch=e1&me=70&all=2`);
});

test("of two tabs the further position is kept", async () => {
  const { storage, online } = setUp();
  const socket = await online();
  storage.setItem(KEY, '{"epoch":"e1","me":9,"all":1}');

  await socket.get(note(5));

  assert.deepEqual(JSON.parse(storage.getItem(KEY)), { epoch: "e1", me: 9, all: 2 });
});

test("a position that was lost is replaced, even by a lower one", async () => {
  const storage = new MemoryStorage();
  storage.setItem(KEY, '{"epoch":"e1","me":90,"all":2}');
  const { told, client, sockets } = setUp({ storage });
  client.connect();
  await settle();
  sockets[0].open();

  await sockets[0].get({ ...WELCOME, recovered: false });

  assert.deepEqual(told.find(([event]) => event === "lost")[1].reason, "not_recovered");
  assert.deepEqual(JSON.parse(storage.getItem(KEY)), { epoch: "e1", me: 4, all: 2 });
});

test("a storage that refuses is told and does not stop the stream", async () => {
  const storage = { getItem: () => null, setItem: () => { throw new Error("quota"); } };
  const { shown, told, online } = setUp({ storage });
  const socket = await online();

  await socket.get(note(5), note(6));

  assert.deepEqual(shown, ["n5", "n6"]);
  assert.equal(told.find(([event]) => event === "error")[1].code, "storage");
});

test("a listener that fails harms nobody", async () => {
  const { client, shown, online } = setUp();
  const complaints = [];
  const before = console.error;
  console.error = (error) => complaints.push(error.message);
  try {
    client.on("status", () => { throw new Error("oh"); });
    const socket = await online();
    await socket.get(note(5));
  } finally {
    console.error = before;
  }

  assert.deepEqual(shown, ["n5"]);
  assert.ok(complaints.includes("oh"));
});

test("an address that is none, or a page that may not connect, is an ending like any other", async () => {
  class Forbidden { constructor() { throw new Error("refused by the page's policy"); } }
  const { client, told } = setUp({ WebSocket: Forbidden });

  client.connect();
  await settle();

  assert.equal(told.at(-1)[1].reason, "refused by the page's policy");
});

test("text that is not JSON is ignored", async () => {
  const { shown, online } = setUp();
  const socket = await online();

  socket.onmessage({ data: "hello" });
  socket.onmessage({ data: "null" });
  await socket.get(note(5));

  assert.deepEqual(shown, ["n5"]);
});

test("stopped is stopped, until connect is called again", async () => {
  const { client, clock, sockets, online } = setUp();
  await (await online()).end(4003, "forbidden");
  await clock.to(100_000);
  assert.equal(sockets.length, 1);
  assert.equal(clock.timers.size, 0);

  await online();

  assert.equal(client.status, "online");
});

test("when the network returns the back-off is cut short, but not the server's advice", async () => {
  const world = new EventTarget();
  let listening = 0;
  globalThis.addEventListener = (...what) => { listening += 1; world.addEventListener(...what); };
  globalThis.removeEventListener = (...what) => { listening -= 1; world.removeEventListener(...what); };
  try {
    const { client, sockets, online } = setUp();
    await (await online()).end(1006);
    world.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(sockets.length, 2);

    sockets[1].open();
    await sockets[1].get(WELCOME, note(5));
    world.dispatchEvent(new Event("pagehide"));
    assert.deepEqual(sockets[1].sent, [{ type: "ack", me: 5 }]);

    await sockets[1].get({ type: "bye", code: 4012, reason: "drain", reconnect: true, retry_after: 3 });
    await sockets[1].end(4012);
    world.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(sockets.length, 2);
    client.close();
    assert.equal(listening, 0);
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test("cut comes back after the time it was told", async () => {
  const { client, clock, sockets, online } = setUp();
  await online();

  client.cut(3);
  await clock.to(2_999);
  assert.equal(sockets.length, 1);
  await clock.to(3_000);

  assert.equal(sockets[1].url, `${URL_1}?epoch=e1&me=4&all=2`);
});
