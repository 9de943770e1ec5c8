/** The form that sends, and what became of the last ones: 202, then the hops the server tells of. */

import { byId, make, millis, showProblem } from "./view.js";

const KEPT = 3;
const ASK_AGAIN = [150, 400, 1000, 2000, 2000, 2000, 2000]; // ms; what takes longer can be looked up by its id

export class Sender {
  #session = null;
  #arrivals = new Map(); // id → time of arrival, for those that come before their own 202
  #started = new Map(); // id → time of the POST

  /** `timed(id, ms)` is told how long one took from the POST to this page. */
  constructor(timed) {
    this.timed = timed;
    this.form = byId("send");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    for (const radio of this.form.audience) radio.addEventListener("change", () => this.#audience());
  }

  use(session) {
    this.#session = session;
    this.form.users.value = session.user;
    byId("sent").replaceChildren();
    this.#audience();
  }

  /** A notification came. */
  arrived(id) {
    const now = performance.now();
    if (this.#started.has(id)) this.timed(id, now - this.#started.get(id));
    else this.#arrivals.set(id, now);
    if (this.#arrivals.size > 200) this.#arrivals.delete(this.#arrivals.keys().next().value);
  }

  #audience() {
    const everyone = this.form.audience.value === "everyone";
    byId("users-field").hidden = everyone;
    this.form.users.required = !everyone;
  }

  #body() {
    const { audience, users, event, priority, message } = this.form;
    const names = users.value.split(",").map((name) => name.trim()).filter(Boolean);
    return {
      to: audience.value === "everyone" ? { everyone: true } : { users: names },
      event: event.value.trim(),
      data: { message: message.value },
      priority: priority.value,
      ttl: 86_400,
    };
  }

  async #send() {
    const button = this.form.querySelector("button[type=submit]");
    const body = this.#body();
    const started = performance.now();
    button.disabled = true;
    showProblem(byId("send-problem"), null);
    try {
      const { id } = await this.#session.post("/v1/notifications", body, { "Idempotency-Key": crypto.randomUUID() });
      this.#started.set(id, started);
      if (this.#arrivals.has(id)) this.timed(id, this.#arrivals.get(id) - started);
      this.#follow(id, body, performance.now() - started);
    } catch (problem) {
      showProblem(byId("send-problem"), problem);
    } finally {
      button.disabled = false;
    }
  }

  /** Put it on the list, and ask a few times what became of it. */
  #follow(id, body, took) {
    const hops = make("p", { class: "hops" }, `accepted in ${millis(took)}`);
    const audience = body.to.everyone ? "everyone" : body.to.users.join(", ");
    const row = make("li", {},
      make("p", {}, make("strong", {}, body.event), make("span", { class: "to" }, ` to ${audience}`)),
      hops,
      make("p", { class: "mono id" }, id));
    byId("sent").prepend(row);
    byId("send-status").textContent = `Accepted: ${body.event} to ${audience}`;
    while (byId("sent").children.length > KEPT) byId("sent").lastElementChild.remove();
    this.#ask(id, hops, 0);
  }

  #ask(id, hops, attempt) {
    if (attempt >= ASK_AGAIN.length) return;
    setTimeout(async () => {
      if (!hops.isConnected) return;
      try {
        const told = await this.#session.get(`/v1/notifications/${encodeURIComponent(id)}`);
        hops.replaceChildren(...drawHops(told));
        if (isOver(told)) return;
      } catch { /* the next try may do better; the line keeps what is known */ }
      this.#ask(id, hops, attempt + 1);
    }, ASK_AGAIN[attempt]);
  }
}

function isOver({ status, everyone, timeline }) {
  if (everyone) return timeline.some(({ hop }) => hop === "published");
  return ["completed", "failed", "expired", "cancelled"].includes(status);
}

function drawHops({ timeline, counts, recipients }) {
  const begin = timeline.length ? Date.parse(timeline[0].at) : 0;
  const parts = timeline.filter(({ hop }) => hop !== "accepted" && hop !== "delivered_first").map(({ hop, at }) =>
    make("span", { class: "hop" }, `${hop} ${millis(Date.parse(at) - begin)}`));
  const delivered = counts?.delivered ?? 0;
  if (recipients) parts.push(make("span", { class: delivered === recipients ? "hop good" : "hop" }, `${delivered}/${recipients} delivered`));
  return parts;
}
