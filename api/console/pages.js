/** A list that comes in pages: the first is asked for again and again, the others when somebody wants them. */

import { button } from "./draw.js";

const SHORT_PAGES = 5; // a page may be empty and go on: so many are asked for at once

export class Pages {
  #items = new Map();
  #older = []; // keys that came by "Load more", which a refresh of the first page leaves alone
  #next = null;

  /** `address(cursor)` is where a page is; `keyOf(item)` tells items apart; `changed()` draws. */
  constructor(session, address, keyOf, changed) {
    Object.assign(this, { session, address, keyOf, changed });
    this.more = button("Load more", () => this.load(), { class: "quiet more", hidden: true });
  }

  get items() { return [...this.#items.values()]; }

  /** Ask for the first page. */
  async refresh() {
    const { items, next } = await this.#ask(null);
    const older = this.#older.filter((key) => this.#items.has(key)).map((key) => [key, this.#items.get(key)]);
    this.#items = new Map([...items.map((item) => [this.keyOf(item), item]), ...older]);
    if (!this.#older.length) this.#next = next;
    this.#show();
  }

  async load() {
    this.more.disabled = true;
    try {
      const { items, next } = await this.#ask(this.#next);
      // What the first page has shown until now would be gone when newer ones push it out.
      this.#older = [...this.#items.keys(), ...items.map(this.keyOf)];
      for (const item of items) this.#items.set(this.keyOf(item), item);
      this.#next = next;
    } finally {
      this.more.disabled = false;
    }
    this.#show();
  }

  async #ask(cursor) {
    let page = await this.session.get(this.address(cursor));
    for (let asked = 1; !page.items.length && page.next && asked < SHORT_PAGES; asked += 1)
      page = await this.session.get(this.address(page.next));
    return page;
  }

  #show() {
    this.more.hidden = this.#next === null;
    this.changed();
  }
}

/** An address with those parameters that say something. */
export function address(path, parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value)).toString();
  return query ? `${path}?${query}` : path;
}
