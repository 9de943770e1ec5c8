/** Everything that was for one user: why this one got something, or not; and whether they are online. */

import { chip, instant, line, link, rows, STATES, storyOf, table } from "./draw.js";
import { address, Pages } from "./pages.js";
import { make } from "./view.js";

export class Person {
  every = 2000;

  constructor(session, name, { again }) {
    Object.assign(this, { session, again, state: "", title: `For ${name}` });
    this.user = `/v1/users/${encodeURIComponent(name)}`;
    const path = `${this.user}/deliveries`;
    const keyOf = ({ notification }) => notification;
    this.pages = new Pages(session, (cursor) => address(path, { state: this.state, cursor }), keyOf, () => {
      rows(this.table.body, this.pages.items, keyOf, row);
      this.none.hidden = this.pages.items.length > 0;
    });
    this.table = table("Everything for this user, newest first", ["Accepted", "Event", "State", "Reason", "Held until", "Delivered", "Read", "Place"]);
    this.none = make("p", { class: "empty", hidden: true }, "Nothing here.");
    this.presence = make("p", { class: "presence" });
  }

  parts() {
    const choose = (event) => {
      this.state = event.target.value;
      this.again();
    };
    const filter = make("div", { class: "filters" }, make("div", { class: "field" },
      make("label", { for: "of-state" }, "State"),
      make("select", { id: "of-state", onchange: choose },
        make("option", { value: "" }, "any"), ...Object.keys(STATES).map((state) => make("option", { value: state }, state)))));
    return [make("p", {}, link("#/story", "All notifications")), this.presence, filter, this.table.whole, this.none, this.pages.more];
  }

  async refresh() {
    await Promise.all([this.pages.refresh(), this.#look()]);
  }

  async #look() {
    let found;
    try {
      found = await this.session.get(`${this.user}/presence`);
    } catch (problem) {
      if (problem.status === 403) return; // BELLHOP_USER_SCOPES may leave the right out
      throw problem;
    }
    const { online, last_seen, connections } = found;
    if (online) this.presence.replaceChildren(`Online, ${connections} open ${connections === 1 ? "connection" : "connections"}.`);
    else this.presence.replaceChildren("Offline, last seen: ", instant(last_seen, "never"));
  }
}

function row({ notification, event, state, reason, stream, seq, accepted_at, held_until, delivered_at, read_at }) {
  return line(
    instant(accepted_at), link(storyOf(notification), event), chip(state), reason ?? "–", instant(held_until),
    instant(delivered_at), instant(read_at), seq === null ? "none" : `${stream} ${seq}`);
}
