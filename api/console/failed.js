/** Dead letters: what could not be stored, and a button that sends it again. */

import { button, instant, line, link, rows, storyOf, table } from "./draw.js";
import { address, Pages } from "./pages.js";
import { announce, make } from "./view.js";

export class Failed {
  title = "Failed";
  every = 3000;

  constructor(session, _, { again, problem }) {
    Object.assign(this, { session, again, problem });
    const keyOf = ({ id }) => id;
    this.pages = new Pages(session, (cursor) => address("/v1/dead-letters", { cursor }), keyOf, () => {
      rows(this.table.body, this.pages.items, keyOf, (item) => this.#row(item));
      this.none.hidden = this.pages.items.length > 0;
    });
    this.table = table("Dead letters, newest first", ["Failed", "Event", "Recipients", "Reason", "Attempts", ""]);
    this.none = make("p", { class: "empty", hidden: true }, "Nothing has failed.");
  }

  parts() {
    const about = "What could not be stored in all its attempts waits here. Repair the cause, then send it again.";
    return [make("p", { class: "lead" }, about), this.table.whole, this.none, this.pages.more];
  }

  refresh() {
    return this.pages.refresh();
  }

  #row({ id, event, everyone, recipients, reason, attempts, failed_at }) {
    const again = button("Send again", () => this.#retry(id, event), { about: `Send again: ${event}` });
    return line(
      instant(failed_at), link(storyOf(id), event), everyone ? "everyone" : (recipients?.toLocaleString() ?? "–"),
      make("span", { class: "mono" }, reason ?? "–"), attempts ?? "–", again);
  }

  async #retry(id, event) {
    try {
      await this.session.post(`/v1/notifications/${encodeURIComponent(id)}/retry`);
      announce(`Sent again: ${event}`);
      this.again();
    } catch (problem) {
      this.problem(problem);
    }
  }
}
