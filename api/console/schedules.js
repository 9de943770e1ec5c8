/** Schedules: when each fires next, and what one can do to it. */

import { button, instant, line, rows, table } from "./draw.js";
import { address, Pages } from "./pages.js";
import { announce, make } from "./view.js";

const ABSENT = [403, 404];

export class Schedules {
  title = "Schedules";
  every = 3000;

  constructor(session, _, { again, problem }) {
    Object.assign(this, { session, again, problem });
    this.pages = new Pages(session, (cursor) => address("/v1/schedules", { cursor }), ({ id }) => id, () => this.#draw());
    this.table = table("Schedules", ["Name", "When", "Zone", "Next", ""]);
    this.none = make("p", { class: "empty", hidden: true }, "There is no schedule.");
  }

  parts() {
    return [this.table.whole, this.none, this.pages.more];
  }

  async refresh() {
    try {
      await this.pages.refresh();
    } catch (problem) {
      if (!ABSENT.includes(problem.status)) throw problem;
      this.none.textContent = "This Bellhop shows no schedules here.";
      this.none.hidden = false;
    }
  }

  #draw() {
    rows(this.table.body, this.pages.items, ({ id }) => id, (item) => this.#row(item));
    this.none.hidden = this.pages.items.length > 0;
  }

  #row(item) {
    const { id, name, cron, every, timezone, paused, next } = item;
    const act = (action, label) => button(label, () => this.#act(id, action, `${label}: ${name ?? id}`), { about: `${label}: ${name ?? id}` });
    const coming = make("ol", { class: "next" }, ...(next ?? []).map((at) => make("li", {}, instant(at))));
    return line(
      name ?? id, cron ? make("span", { class: "mono" }, cron) : `every ${every} s`, timezone ?? "–",
      paused ? "paused" : coming,
      make("div", { class: "row-actions" },
        paused ? act("resume", "Resume") : act("pause", "Pause"), !paused && act("skip-next", "Skip next"), act("run-now", "Run now")));
  }

  async #act(id, action, told) {
    try {
      await this.session.post(`/v1/schedules/${encodeURIComponent(id)}/${action}`);
      announce(told);
      this.again();
    } catch (problem) {
      this.problem(problem);
    }
  }
}
