/** The story of one notification: its way, how far it is with how many, and each of its deliveries. */

import { bar, chip, instant, line, link, rows, STATES, table, userOf } from "./draw.js";
import { address, Pages } from "./pages.js";
import { announce, clock, make, millis } from "./view.js";

const OVER = ["completed", "cancelled", "expired", "failed"];
const FACTS = [
  ["Id", "id"], ["Sender", "sender"], ["Request", "request_id"], ["Priority", "priority"], ["Sent at", "send_at"], ["At each one's", "local_at"],
  ["Expires", "expires_at"], ["Tags", "tags"], ["Thread key", "thread_key"], ["Cancel key", "cancel_key"], ["Collapse key", "collapse_key"],
];

export class NotificationStory {
  title = "What happened to it";

  constructor(session, id, { again, problem }) {
    Object.assign(this, { session, again, problem, every: 1000, state: "" });
    this.path = `/v1/notifications/${encodeURIComponent(id)}`;
    this.pages = new Pages(session, (cursor) => address(`${this.path}/deliveries`, { state: this.state, limit: 50, cursor }), ({ user }) => user, () => this.#drawDeliveries());
    this.table = table("Deliveries", ["User", "State", "Reason", "Held until", "Sent", "Delivered", "Read"]);
    this.head = make("div", { class: "story-head" });
    this.progress = make("div", { class: "card progress" });
    this.legend = make("div", { class: "legend", role: "group", "aria-label": "Deliveries by state" });
    this.way = make("ol", { class: "way", "aria-label": "Timeline" });
    this.facts = make("dl", { class: "facts" });
    this.none = make("p", { class: "empty", hidden: true }, "No delivery here.");
    this.shown = {};
  }

  parts() {
    return [
      make("p", {}, link("#/story", "All notifications")),
      this.head, this.progress,
      make("div", { class: "two" },
        make("section", { class: "card" }, make("h2", {}, "Way"), this.way),
        make("section", { class: "card" }, make("h2", {}, "Facts"), this.facts)),
      make("h2", {}, "Deliveries"), this.legend, this.table.whole, this.none, this.pages.more,
    ];
  }

  async refresh() {
    const [told] = await Promise.all([this.session.get(this.path), this.pages.refresh()]);
    this.every = OVER.includes(told.status) ? 5000 : 1000;
    this.#once("head", [told.event, told.status], () => this.#drawHead(told));
    this.#once("progress", [told.counts, told.recipients], () => this.progress.replaceChildren(...progress(told)));
    this.#once("legend", [told.counts, this.state], () => this.#drawLegend(told.counts));
    this.#once("way", told.timeline, () => this.way.replaceChildren(...told.timeline.map((hop) => step(hop, told.timeline[0]))));
    this.#once("facts", [told.data, told.expires_at], () => this.facts.replaceChildren(...facts(told)));
  }

  /** Draw only what is another one now: a redrawn button would lose the keyboard. */
  #once(part, value, draw) {
    const text = JSON.stringify(value);
    if (this.shown[part] === text) return;
    this.shown[part] = text;
    draw();
  }

  #drawHead({ event, status }) {
    this.head.replaceChildren(make("h2", {}, event || "(not readable)"), chip(status));
    if (status === "failed") this.head.append(make("button", { type: "button", class: "plain", onclick: () => this.#retry() }, "Send again"));
  }

  #drawLegend(counts) {
    const held = document.activeElement?.dataset?.state;
    const choose = (state, label) => make("button", {
      type: "button", class: "small plain", "data-state": state || "all", "aria-pressed": String(this.state === state),
      onclick: () => this.#choose(state),
    }, label);
    const states = Object.keys(STATES).filter((state) => counts?.[state] || state === this.state);
    this.legend.replaceChildren(choose("", "All"), ...states.map((state) => choose(state, `${(counts?.[state] ?? 0).toLocaleString()} ${state}`)));
    if (held) this.legend.querySelector(`[data-state="${held}"]`)?.focus();
  }

  #choose(state) {
    this.state = state;
    this.again();
  }

  async #retry() {
    try {
      await this.session.post(`${this.path}/retry`);
      announce("Sent again.");
      this.again();
    } catch (problem) {
      this.problem(problem);
    }
  }

  #drawDeliveries() {
    rows(this.table.body, this.pages.items, ({ user }) => user, (item) => line(
      link(userOf(item.user), item.user), chip(item.state), item.reason ?? "–", instant(item.held_until),
      instant(item.sent_at), instant(item.delivered_at), instant(item.read_at)));
    this.none.hidden = this.pages.items.length > 0;
  }
}

function progress({ counts, recipients, everyone }) {
  if (everyone) return [make("p", {}, `To everyone; ${(counts?.delivered ?? 0).toLocaleString()} have acknowledged it.`)];
  if (!recipients) return [make("p", {}, "How many it is for is known once it is stored.")];
  const open = (counts.pending ?? 0) + (counts.sent ?? 0) + (counts.held ?? 0);
  return [
    make("p", {}, make("strong", {}, `${(recipients - open).toLocaleString()} of ${recipients.toLocaleString()}`), " at their end"),
    bar(counts, recipients),
  ];
}

function step({ at, hop, reason }, first) {
  const after = at && first.at && hop !== "accepted" ? ` +${millis(Date.parse(at) - Date.parse(first.at))}` : "";
  return make("li", { class: hop === "failed" ? "bad" : null },
    make("span", { class: "hop-name" }, hop),
    at ? make("time", { datetime: at, title: at }, `${clock(new Date(at))}${after}`) : "at a time that nobody knows",
    reason && make("span", { class: "fine" }, reason));
}

function facts(told) {
  const audience = told.audience && ["audience", JSON.stringify(told.audience)];
  const known = FACTS.map(([label, name]) => [label, Array.isArray(told[name]) ? told[name].join(", ") : told[name]]);
  const line_ = ([label, value]) => make("div", {}, make("dt", {}, label), make("dd", { class: "mono" }, String(value)));
  const data = make("details", {}, make("summary", {}, "Data"), make("pre", {}, JSON.stringify(told.data, null, 2)));
  return [...[...known, audience && ["Audience", audience[1]]].filter((each) => each?.[1]).map(line_), data];
}
