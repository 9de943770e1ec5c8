/** The list of notifications, with its filters in the address. */

import { bar, chip, instant, line, link, rows, storyOf, table, userOf } from "./draw.js";
import { address, Pages } from "./pages.js";
import { make } from "./view.js";

const STATUSES = ["accepted", "scheduled", "sending", "sent", "held", "completed", "cancelled", "expired", "failed"];
const FIELDS = [["event", "Event name"], ["tag", "Tag"], ["thread_key", "Thread key"], ["cancel_key", "Cancel key"], ["collapse_key", "Collapse key"]];

export class Stories {
  title = "Story";
  every = 2000;

  constructor(session, query) {
    this.filters = Object.fromEntries(new URLSearchParams(query));
    this.pages = new Pages(session, (cursor) => address("/v1/notifications", { ...this.#asked(), cursor }), ({ id }) => id, () => this.#draw());
    this.table = table("Notifications, newest first", ["Accepted", "Event", "Status", "Recipients", "How far", "Sender"]);
    this.none = make("p", { class: "empty", hidden: true }, "No notification matches.");
  }

  parts() {
    return [this.#form(), this.#person(), this.table.whole, this.none, this.pages.more];
  }

  refresh() {
    return this.pages.refresh();
  }

  #asked() {
    const known = ["status", ...FIELDS.map(([name]) => name)];
    return Object.fromEntries(known.map((name) => [name, this.filters[name]]));
  }

  #form() {
    const field = (name, label) => make("div", { class: "field" },
      make("label", { for: `by-${name}` }, label),
      make("input", { id: `by-${name}`, name, value: this.filters[name], maxlength: 128, spellcheck: "false", autocapitalize: "off" }));
    const option = (value, label) => make("option", { value, selected: (this.filters.status ?? "") === value }, label);
    return make("form", { class: "filters", autocomplete: "off", "aria-label": "Filters", onsubmit: (event) => this.#filter(event) },
      make("div", { class: "field" },
        make("label", { for: "by-status" }, "Status"),
        make("select", { id: "by-status", name: "status" }, option("", "any"), ...STATUSES.map((word) => option(word, word)))),
      ...FIELDS.map(([name, label]) => field(name, label)),
      make("button", { type: "submit", class: "plain" }, "Show"));
  }

  #filter(event) {
    event.preventDefault();
    location.hash = address("#/story", Object.fromEntries(new FormData(event.target)));
  }

  #person() {
    const go = (event) => {
      event.preventDefault();
      location.hash = userOf(new FormData(event.target).get("user").trim());
    };
    return make("form", { class: "filters", autocomplete: "off", "aria-label": "One user", onsubmit: go },
      make("div", { class: "field" },
        make("label", { for: "by-user" }, "Why did this user not get it?"),
        make("input", { id: "by-user", name: "user", required: true, maxlength: 128, placeholder: "ana", spellcheck: "false", autocapitalize: "off" })),
      make("button", { type: "submit", class: "plain" }, "Look up"));
  }

  #draw() {
    const { items } = this.pages;
    rows(this.table.body, items, ({ id }) => id, row);
    this.none.hidden = items.length > 0;
  }
}

function row(item) {
  const { id, event, status, counts, recipients, everyone, sender, accepted_at } = item;
  const far = counts && recipients ? bar(counts, recipients) : everyone && counts ? `${(counts.delivered ?? 0).toLocaleString()} delivered` : "–";
  return line(
    instant(accepted_at), link(storyOf(id), event || "(not readable)"), chip(status),
    everyone ? "everyone" : (recipients?.toLocaleString() ?? "–"), far, make("span", { class: "mono" }, sender));
}
