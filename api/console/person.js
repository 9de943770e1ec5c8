/** Everything that was for one user: why this one got something, or not. */

import { chip, instant, line, link, rows, STATES, storyOf, table } from "./draw.js";
import { address, Pages } from "./pages.js";
import { make } from "./view.js";

export class Person {
  every = 2000;

  constructor(session, name, { again }) {
    Object.assign(this, { again, state: "", title: `For ${name}` });
    const path = `/v1/users/${encodeURIComponent(name)}/deliveries`;
    const keyOf = ({ notification }) => notification;
    this.pages = new Pages(session, (cursor) => address(path, { state: this.state, cursor }), keyOf, () => {
      rows(this.table.body, this.pages.items, keyOf, row);
      this.none.hidden = this.pages.items.length > 0;
    });
    this.table = table("Everything for this user, newest first", ["Accepted", "Event", "State", "Reason", "Held until", "Delivered", "Read", "Place"]);
    this.none = make("p", { class: "empty", hidden: true }, "Nothing here.");
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
    return [make("p", {}, link("#/story", "All notifications")), filter, this.table.whole, this.none, this.pages.more];
  }

  refresh() {
    return this.pages.refresh();
  }
}

function row({ notification, event, state, reason, stream, seq, accepted_at, held_until, delivered_at, read_at }) {
  return line(
    instant(accepted_at), link(storyOf(notification), event), chip(state), reason ?? "–", instant(held_until),
    instant(delivered_at), instant(read_at), seq === null ? "none" : `${stream} ${seq}`);
}
