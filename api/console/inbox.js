/** The inbox: what the user has, merged from HTTP and the socket, by id; and how one of them is drawn. */

import { byId, clock, make, millis } from "./view.js";

const STEPS = ["Received", "Acknowledged", "Read"];
const DRAWN = 200; // more would only slow the page down; the rest stays in the inbox

export class Inbox {
  #items = new Map();
  #acked = { me: 0, all: 0 };
  #view = "all";
  #drawing = false;

  /** `act(kind, item)` does read, unread, archive, unarchive. */
  constructor(act) {
    this.act = act;
    this.list = byId("list");
  }

  get view() { return this.#view; }

  show(view) {
    this.#view = view;
    this.draw();
  }

  /** Add or complete; what is known stays. Returns true if it is new. */
  put(item) {
    const known = this.#items.get(item.id);
    this.#items.set(item.id, { ...known, ...item });
    if (item.replaces) this.#items.delete(item.replaces);
    this.draw();
    return !known;
  }

  readAll(now) {
    for (const item of this.#items.values()) if (!item.archived_at) item.read_at ??= now;
    this.draw();
  }

  /** Change these items, those we have. */
  change(ids, fields) {
    for (const id of ids) if (this.#items.has(id)) Object.assign(this.#items.get(id), fields);
    this.draw();
  }

  remove(ids) {
    for (const id of ids) this.#items.delete(id);
    this.draw();
  }

  clear() {
    this.#items.clear();
    this.#acked = { me: 0, all: 0 };
    this.draw();
  }

  /** Everything up to here is acknowledged. */
  acked(position) {
    for (const stream of ["me", "all"]) this.#acked[stream] = Math.max(this.#acked[stream], position[stream] ?? 0);
    this.draw();
  }

  unseen() {
    return [...this.#items.values()].filter((item) => !item.seen_at && !item.archived_at).map(({ id }) => id);
  }

  /** Draw once per frame, however many changes there were. */
  draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    // Not requestAnimationFrame: that stands still in a page that is not in front.
    queueMicrotask(() => {
      this.#drawing = false;
      this.#redraw();
    });
  }

  #redraw() {
    const fits = {
      all: (item) => !item.archived_at,
      unread: (item) => !item.archived_at && !item.read_at,
      archived: (item) => Boolean(item.archived_at),
    }[this.#view];
    const items = [...this.#items.values()].filter(fits).sort(newestFirst).slice(0, DRAWN);
    const drawn = new Map([...this.list.children].map((element) => [element.dataset.id, element]));
    const wanted = items.map((item) => {
      const state = JSON.stringify([item, this.#isAcked(item)]);
      const old = drawn.get(item.id);
      if (old?.dataset.state === state) return old;
      return this.#row(item, state, old);
    });
    this.#keepFocus(() => this.list.replaceChildren(...wanted));
    this.#empty(items.length === 0);
  }

  /** A row that is drawn anew must not lose the keyboard. */
  #keepFocus(change) {
    const active = document.activeElement;
    const row = this.list.contains(active) ? active.closest("li[data-id]") : null;
    const [id, kind] = [row?.dataset.id, active?.dataset?.kind];
    const next = row?.nextElementSibling?.dataset.id;
    change();
    if (!row || document.activeElement === active) return;
    const find = (wanted) => wanted && [...this.list.children].find((element) => element.dataset.id === wanted);
    const home = find(id) ?? find(next) ?? this.list.lastElementChild;
    const target = home?.querySelector(`[data-kind="${kind}"]`) ?? home?.querySelector("button");
    (target ?? byId("inbox-title")).focus();
  }

  #isAcked({ stream, seq }) {
    return seq !== null && seq !== undefined && seq <= this.#acked[stream];
  }

  #row(item, state, old) {
    const { event, data, stream } = item;
    const message = typeof data?.message === "string" ? data.message : null;
    const done = [true, this.#isAcked(item) || Boolean(item.read_at), Boolean(item.read_at)];
    const rest = Object.keys(data ?? {}).some((key) => key !== "message");
    return make("li", { class: rowClass(item, old), "data-id": item.id, "data-state": state },
      make("article", { "aria-label": `${event}${item.read_at ? "" : ", unread"}` },
        make("div", { class: "row-head" },
          make("h3", {}, event),
          stream === "all" && make("span", { class: "tag" }, "everyone"),
          item.from && make("span", { class: "tag" }, `from ${item.from}`),
          item.whileAway && make("span", { class: "tag warm" }, "sent while you were away"),
          make("time", { datetime: item.sent_at, title: item.sent_at }, clock(new Date(item.sent_at)))),
        message !== null && make("p", { class: "text" }, message),
        rest && make("details", {}, make("summary", {}, "Data"), make("pre", {}, JSON.stringify(data, null, 2))),
        make("div", { class: "row-foot" },
          make("ol", { class: "track", "aria-label": "Delivery" }, ...STEPS.map((step, number) => trackStep(step, done[number]))),
          item.latency !== undefined && make("span", { class: "latency" }, `${millis(item.latency)} after the POST`),
          make("div", { class: "actions" }, ...this.#buttons(item)))));
  }

  #buttons(item) {
    const button = (kind, label) =>
      make("button", {
        type: "button", class: "quiet small", "data-kind": kind, "aria-label": `${label}: ${item.event}`,
        onclick: () => this.act(kind, item),
      }, label);
    if (item.archived_at) return [button("unarchive", "Back to inbox")];
    return [item.read_at ? button("unread", "Mark unread") : button("read", "Mark read"), button("archive", "Archive")];
  }

  #empty(isEmpty) {
    byId("empty").hidden = !isEmpty;
    byId("empty-title").textContent = { all: "Nothing here yet", unread: "All read", archived: "Nothing archived" }[this.#view];
    byId("empty-text").textContent = {
      all: "Send yourself one; it appears here as soon as it is stored.",
      unread: "New ones appear here as they come.",
      archived: "What you archive stays here and no longer counts.",
    }[this.#view];
  }
}

function rowClass(item, old) {
  return [item.read_at ? "read" : "unread", item.fresh && !old ? "fresh" : ""].join(" ").trim();
}

function trackStep(step, isDone) {
  return make("li", { class: isDone ? "done" : null }, step, make("span", { class: "visually-hidden" }, isDone ? ": yes" : ": not yet"));
}

/** By time; within one millisecond by seq. */
function newestFirst(one, other) {
  return other.sent_at.localeCompare(one.sent_at) || (other.seq ?? 0) - (one.seq ?? 0) || other.id.localeCompare(one.id);
}
