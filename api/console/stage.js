/** The views of the story, of which one is on the stage: chosen by the address behind `#/`, drawn again every so often. */

import { Failed } from "./failed.js";
import { NotificationStory } from "./notification.js";
import { Person } from "./person.js";
import { Schedules } from "./schedules.js";
import { Stories } from "./stories.js";
import { byId, make, showProblem } from "./view.js";

const ROUTES = [
  [/^#\/story\/([^/?]+)$/, NotificationStory, "story"],
  [/^#\/story(?:\?(.*))?$/, Stories, "story"],
  [/^#\/user\/([^/?]+)$/, Person, "story"],
  [/^#\/failed$/, Failed, "failed"],
  [/^#\/schedules$/, Schedules, "schedules"],
];

export class Stage {
  #session = null;
  #view = null;
  #timer = null;

  constructor() {
    this.box = byId("stage");
    addEventListener("hashchange", () => this.show());
    document.addEventListener("visibilitychange", () => this.#refresh());
  }

  /** Be the stage of whoever is signed in; of nobody with null. */
  use(session) {
    this.#session = session;
    byId("views").hidden = session === null;
    this.show();
  }

  show() {
    clearTimeout(this.#timer);
    this.#view = null;
    this.box.replaceChildren();
    const [route, match] = this.#session ? find(location.hash) : [null, null];
    this.box.hidden = route === null;
    if (this.#session) byId("desk").hidden = route !== null;
    for (const each of byId("views").querySelectorAll("a")) {
      if (each.dataset.view === (route?.[2] ?? "inbox")) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    if (route === null) return;
    const problem = make("div", { class: "problem", role: "alert", hidden: true });
    const view = new route[1](this.#session, match[1] ?? "", { again: () => this.#refresh(), problem: (told) => showProblem(problem, told) });
    this.#view = { view, problem };
    const title = make("h1", { tabindex: "-1" }, view.title);
    this.box.append(title, problem, ...view.parts());
    title.focus();
    this.#refresh();
  }

  /** Ask again, and go on asking while somebody looks. */
  async #refresh() {
    clearTimeout(this.#timer);
    const now = this.#view;
    if (!now || document.visibilityState !== "visible") return;
    try {
      await now.view.refresh();
      if (now === this.#view) showProblem(now.problem, null);
    } catch (problem) {
      if (now === this.#view) showProblem(now.problem, problem);
    }
    if (now === this.#view) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#refresh(), now.view.every);
    }
  }
}

function find(hash) {
  for (const route of ROUTES) {
    const match = route[0].exec(hash);
    if (match) return [route, match.map(decoded)];
  }
  return [null, null];
}

function decoded(part, place) {
  if (place === 0 || part === undefined || part.includes("=")) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
