/** Small helpers for the page: every text from outside becomes a text node, never markup. */

export const byId = (id) => document.getElementById(id);

/** An element with properties, attributes (keys with a dash, or role) and children; text is put in as text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** Today's times to the second, older ones with their day. */
export function clock(date) {
  return (new Date().toDateString() === date.toDateString() ? CLOCK : DAY).format(date);
}

export function millis(ms) {
  return ms < 1000 ? `${Math.max(0, Math.round(ms))} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** Show what the server said about a failure, or hide the box with null. */
export function showProblem(box, problem) {
  box.hidden = problem === null;
  box.replaceChildren();
  if (problem === null) return;
  const facts = [problem.status && `HTTP ${problem.status}`, problem.code, problem.requestId && `request ${problem.requestId}`];
  box.append(make("p", {}, problem.message || "Something went wrong."));
  for (const text of problem.details ?? []) box.append(make("p", { class: "mono" }, text));
  box.append(make("p", { class: "fine" }, facts.filter(Boolean).join(" · ")));
}

/** Say it to a screen reader, politely. */
export function announce(text) {
  byId("announce").textContent = text;
}
