// The JavaScript machine does exactly what the vectors say. Run by test_javascript.py, or: node --test tests/unit/clients/
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Protocol, positionOf, sinceOf } from "../../../clients/js/bellhop.js";

const VECTORS = new URL("../../vectors/", import.meta.url);
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const COUNTS = new Set(["ack_every", "handler_attempts"]);

function tuningOf(given = {}) {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [camel(name), COUNTS.has(name) ? value : value * 1000]),
  );
}

/** An action in the words of the vectors. */
function noted(action) {
  const kept = (position) => Object.fromEntries(Object.entries(position).filter(([, value]) => value !== null));
  switch (action.do) {
    case "send": return { send: action.frame };
    case "show": return { show: action.frame.id };
    case "lost": return { lost: action.reason, position: kept(action.position) };
    case "save": return { save: kept(action.position), ...(action.replace && { replace: true }) };
    case "emit": return { emit: [action.event, action.payload] };
    case "settle":
      return { settle: action.ref, ...(action.error ? { error: action.error } : { result: action.result }) };
    case "close": return { close: [action.code, action.reason] };
    case "retry": return { retry: action.wait / 1000, renew: action.renew };
    case "stop": return { stop: [action.code, action.reason] };
    default: throw new Error(`an action that nobody knows: ${action.do}`);
  }
}

class Player {
  now = 0;
  constructor({ stored, tuning, renews = true }) {
    this.protocol = new Protocol(positionOf(stored), { tuning: tuningOf(tuning), renews });
  }

  play(step) {
    if (step.at !== undefined) this.now = step.at * 1000;
    const out = [];
    const todo = this.act(step.do);
    while (todo.length) {
      const action = todo.shift();
      out.push(noted(action));
      if (action.do !== "show" && action.do !== "lost") continue;
      todo.push(...(step.handler === "fails" ? this.protocol.failed(this.now, "boom") : this.protocol.done(this.now)));
    }
    return out;
  }

  act({ connect, frame, tick, closed, leave, request }) {
    const { protocol, now } = this;
    if (connect) return protocol.connect(now);
    if (frame) {
      protocol.heard(now);
      return protocol.receive(frame, now);
    }
    if (tick) return protocol.tick(now);
    if (closed) return protocol.closed(now, closed.code, closed.reason, closed.jitter);
    if (leave) return protocol.leave();
    if (request) {
      const { kind, ...fields } = request;
      return protocol.request(kind, fields, now).actions;
    }
    throw new Error("a step that nobody knows");
  }
}

for (const file of readdirSync(VECTORS).filter((name) => name.endsWith(".json")).sort()) {
  const { scenarios } = JSON.parse(readFileSync(new URL(file, VECTORS), "utf8"));
  for (const scenario of scenarios) {
    test(`${file.replace(".json", "")}/${scenario.name}: ${scenario.title}`, () => {
      const player = new Player(scenario);
      scenario.steps.forEach((step, number) => {
        const out = player.play(step);
        const at = `step ${number}: ${JSON.stringify(step.do)}`;
        assert.deepEqual(out, step.out, at);
        if ("since" in step) assert.deepEqual(sinceOf(player.protocol.position), step.since, at);
        if ("next_at" in step) assert.equal(player.protocol.nextAt(), step.next_at * 1000, at);
      });
    });
  }
}
