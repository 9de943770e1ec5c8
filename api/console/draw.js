/** What the views of the story draw alike: lists that keep the keyboard, states, times and bars. */

import { clock, make } from "./view.js";

/** States of deliveries in the order in which bars and legends show them, with their tone. */
export const STATES = {
  delivered: "good", sent: "busy", pending: "busy", held: "warn", skipped: "calm", cancelled: "calm", expired: "calm", failed: "bad",
};
const TONES = {
  accepted: "busy", scheduled: "busy", sending: "busy", sent: "busy", held: "warn", completed: "good",
  cancelled: "calm", expired: "calm", failed: "bad", ...STATES,
};
const SVG = "http://www.w3.org/2000/svg";

/** Show items as rows; a row whose item is the same stays as it is, and the keyboard stays where it was. */
export function rows(list, items, keyOf, row) {
  const drawn = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const active = list.contains(document.activeElement) ? document.activeElement : null;
  const home = active?.closest("[data-key]")?.dataset.key;
  const name = active?.dataset.name;
  const wanted = items.map((item) => {
    const [key, state] = [keyOf(item), JSON.stringify(item)];
    const old = drawn.get(key);
    if (old?.dataset.state === state) return old;
    const made = row(item);
    Object.assign(made.dataset, { key, state });
    return made;
  });
  if (wanted.length !== list.children.length || wanted.some((element, place) => list.children[place] !== element))
    list.replaceChildren(...wanted);
  if (!active || document.activeElement === active) return;
  const row_ = [...list.children].find((element) => element.dataset.key === home);
  (row_?.querySelector(`[data-name="${CSS.escape(name ?? "")}"]`) ?? row_?.querySelector("a, button"))?.focus();
}

/** A state as a word with a colour; the word alone says it. */
export function chip(word) {
  return make("span", { class: `chip ${TONES[word] ?? "calm"}` }, word);
}

export function instant(text, empty = "–") {
  return text ? make("time", { datetime: text, title: text }, clock(new Date(text))) : empty;
}

/** A link to another view; `name` keeps the keyboard on it when its row is drawn anew. */
export function link(hash, text, name = "link") {
  return make("a", { href: hash, "data-name": name }, text);
}

export const storyOf = (id) => `#/story/${encodeURIComponent(id)}`;
export const userOf = (name) => `#/user/${encodeURIComponent(name)}`;

/** How many are in each state, as a bar; widths are attributes of SVG, because styles may not be inline. */
export function bar(counts, total) {
  const parts = Object.keys(STATES).filter((state) => counts[state]);
  const told = parts.map((state) => `${counts[state].toLocaleString()} ${state}`).join(", ") || "nothing yet";
  const drawing = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ class: "bar-of", viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img", "aria-label": told }))
    drawing.setAttribute(name, value);
  let at = 0;
  for (const state of parts) {
    const width = (1000 * counts[state]) / Math.max(total, 1);
    const part = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ class: STATES[state], x: at, y: 0, width, height: 10 })) part.setAttribute(name, value);
    drawing.append(part);
    at += width;
  }
  return drawing;
}

/** A table with a caption for those who cannot see it; rows are filled in by `rows`. */
export function table(caption, heads) {
  const body = make("tbody", {});
  const whole = make("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {},
      make("caption", { class: "visually-hidden" }, caption),
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      body));
  return { whole, body };
}

export function line(...cells) {
  return make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
}

export function button(label, onclick, { name = label, about = null, ...more } = {}) {
  return make("button", { type: "button", class: "quiet small", "data-name": name, "aria-label": about, onclick, ...more }, label);
}
