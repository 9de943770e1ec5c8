/** The console: joins the session, the client, the inbox, the form and the connection panel. */

import { Bellhop } from "/console/bellhop.js";
import { Session } from "./http.js";
import { Inbox } from "./inbox.js";
import { Line } from "./line.js";
import { Sender } from "./send.js";
import { Stage } from "./stage.js";
import { announce, byId, showProblem } from "./view.js";

const REMEMBERED = "bellhop:console:user";
const AWAY = 5; // seconds a cut lasts
const SEEN_AFTER = 400; // ms; one request for those that came together
const COUNTS_AFTER = 250;
const PAGE = 50;

const line = new Line();
const stage = new Stage();
const inbox = new Inbox(act);
const sender = new Sender((id, latency) => inbox.change([id], { latency }));
let session = null;
let client = null;
let acked = {};
let more = { all: null, archived: null };
const timers = {};

/** Run once, this long after the last call. */
function soon(name, ms, run) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(run, ms);
}

async function signIn(user) {
  showProblem(byId("sign-in-problem"), null);
  const next = new Session(user);
  try {
    await next.token();
  } catch (problem) {
    showProblem(byId("sign-in-problem"), problem);
    showDesk(false);
    return;
  }
  session = next;
  sessionStorage.setItem(REMEMBERED, user);
  byId("user").textContent = user;
  sender.use(session);
  line.reset();
  inbox.clear();
  acked = {};
  showDesk(true);
  setView("all");
  follow();
  await load("all");
}

function signOut() {
  client?.close();
  client = session = null;
  sessionStorage.removeItem(REMEMBERED);
  document.title = "Bellhop console";
  showDesk(false);
  byId("name").focus();
}

function showDesk(signedIn) {
  byId("sign-in").hidden = signedIn;
  byId("desk").hidden = byId("who").hidden = !signedIn;
  document.body.classList.toggle("welcoming", !signedIn);
  stage.use(signedIn ? session : null);
}

// The socket

function follow() {
  const mine = session;
  client = new Bellhop({ url: session.nodes, token: (renew) => mine.token(renew), user: session.user });
  const bell = client;
  const on = (event, handler) => bell.on(event, (payload) => (bell === client ? handler(payload) : undefined));
  on("notification", received);
  on("lost", async () => {
    inbox.clear();
    await load("all", { orFail: true });
  });
  on("status", (told) => {
    if (told.status === "online") acked = { ...bell.position, ...acked };
    line.status(told, bell.position, nodeOf(bell));
    places();
  });
  on("acked", (position) => {
    acked = { ...acked, ...position };
    inbox.acked(position);
    places();
  });
  on("counts", showCounts);
  on("state", changed);
  on("retract", ({ ids, reason, counts }) => {
    inbox.remove(ids);
    if (!counts) loadCounts(); // of what went to everyone nobody knows ours
    line.log(`Retracted ${ids.length}: ${reason}.`);
  });
  on("failed", ({ error }) => line.log(`Could not be shown: ${error}`, "bad"));
  on("error", ({ code, message }) => line.log(`${message} (${code})`, "bad"));
  bell.connect();
}

function nodeOf(bell) {
  return bell.node ? new URL(bell.node).host : "–";
}

function received(frame) {
  const { id, stream, seq, event, data, from, sent_at, expires_at, replaces } = frame;
  const sent = Date.parse(sent_at);
  const whileAway = line.away !== null && sent >= line.away.from && sent <= line.away.to;
  const isNew = inbox.put({ id, stream, seq, event, data, from, sent_at, expires_at, replaces, whileAway, fresh: true });
  sender.arrived(id);
  if (isNew) announce(`New: ${event}. ${typeof data?.message === "string" ? data.message : ""}`);
  soon("counts", COUNTS_AFTER, loadCounts);
  noteSeen();
  queueMicrotask(places); // the position moves after this handler has returned
}

/** What another device of the user did, or the service. */
function changed({ ids, seen_at, read_at, archived_at }) {
  const fields = Object.fromEntries(
    Object.entries({ seen_at, read_at, archived_at }).filter(([, value]) => value !== undefined),
  );
  inbox.change(ids, fields);
}

/** What stands on a visible page is seen. */
function noteSeen() {
  if (document.visibilityState !== "visible") return;
  soon("seen", SEEN_AFTER, async () => {
    const ids = inbox.unseen().slice(0, 100);
    if (!ids.length || !client) return;
    try {
      await client.seen(ids);
      inbox.change(ids, { seen_at: new Date().toISOString() });
    } catch { /* the next notification or visit tries again */ }
  });
}

function places() {
  if (!client) return;
  line.position(client.position, acked);
  inbox.acked(acked);
}

// The inbox by HTTP

async function load(view, { cursor = null, orFail = false } = {}) {
  const query = new URLSearchParams({ limit: PAGE });
  if (view === "archived") query.set("state", "archived");
  if (cursor) query.set("cursor", cursor);
  try {
    const page = await session.get(`/v1/inbox?${query}`);
    for (const item of page.items) inbox.put(item);
    more[view] = page.next;
    showProblem(byId("inbox-problem"), null);
    showMore();
    await loadCounts();
    noteSeen();
  } catch (problem) {
    showProblem(byId("inbox-problem"), problem);
    if (orFail) throw problem;
  }
}

async function loadCounts() {
  if (!session) return;
  try {
    showCounts(await session.get("/v1/inbox/counts"));
  } catch { /* the numbers stay until the next change */ }
}

function showCounts(counts) {
  if (!session) return; // signed out while the answer was on its way
  for (const name of ["unread", "unseen", "total"]) byId(`count-${name}`).textContent = counts[name];
  document.title = `${counts.unread ? `(${counts.unread}) ` : ""}${session.user} · Bellhop console`;
}

function setView(view) {
  for (const button of document.querySelectorAll("button[data-view]"))
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  inbox.show(view);
  showMore();
}

const pageOf = (view) => (view === "archived" ? "archived" : "all");

function showMore() {
  byId("more").hidden = !more[pageOf(inbox.view)];
}

/** Read and archive go over the socket, as an app would do it; what the socket has no frame for goes by HTTP. */
async function act(kind, item) {
  const now = new Date().toISOString();
  const fields = {
    read: { read_at: now, seen_at: item.seen_at ?? now }, unread: { read_at: null },
    archive: { archived_at: now }, unarchive: { archived_at: null },
  }[kind];
  try {
    if (client.status === "online" && (kind === "read" || kind === "archive")) await client[kind]([item.id]);
    else showCounts((await session.post(`/v1/inbox/${kind}`, { ids: [item.id] })).counts);
    inbox.change([item.id], fields);
    showProblem(byId("inbox-problem"), null);
  } catch (problem) {
    showProblem(byId("inbox-problem"), problem);
  }
}

async function readAll() {
  try {
    const { counts } = await session.post("/v1/inbox/read", { filter: { state: "unread" } });
    inbox.readAll(new Date().toISOString());
    showCounts(counts);
  } catch (problem) {
    showProblem(byId("inbox-problem"), problem);
  }
}

// The page

byId("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(byId("name").value.trim());
});
byId("sign-out").addEventListener("click", signOut);
byId("read-all").addEventListener("click", readAll);
byId("more").addEventListener("click", () => load(pageOf(inbox.view), { cursor: more[pageOf(inbox.view)] }));
byId("cut").addEventListener("click", () => client?.cut(AWAY));
for (const button of document.querySelectorAll("button[data-view]")) {
  button.addEventListener("click", () => {
    setView(button.dataset.view);
    if (button.dataset.view === "archived") load("archived");
  });
}
document.addEventListener("visibilitychange", () => { if (session) noteSeen(); });

const remembered = sessionStorage.getItem(REMEMBERED);
if (remembered) signIn(remembered);
else showDesk(false);
