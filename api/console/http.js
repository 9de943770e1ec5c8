/** The HTTP side of the console: signs in for development, calls the interface, and keeps what the server says on errors. */

export class Problem extends Error {
  constructor(status, body) {
    const error = body?.error ?? {};
    super(error.message ?? (status ? `The server answered ${status}.` : "The server cannot be reached."));
    this.status = status;
    this.code = error.code ?? (status ? "" : "unreachable");
    this.requestId = error.request_id ?? "";
    this.details = detailsOf(error.detail);
  }
}

/** Details are a list of {field, message}, or anything else; one line each. */
function detailsOf(detail) {
  if (detail === null || detail === undefined) return [];
  const items = Array.isArray(detail) ? detail : [detail];
  return items.map((item) => (item?.field !== undefined ? `${item.field}: ${item.message}` : JSON.stringify(item)));
}

async function ask(method, path, { body, headers = {} } = {}) {
  let answer;
  const options = { method, headers, cache: "no-store" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem(0, null);
  }
  const text = await answer.text();
  let content = null;
  try {
    content = text ? JSON.parse(text) : null;
  } catch { /* an answer that is no JSON: its status says enough */ }
  if (!answer.ok) throw new Problem(answer.status, content);
  return content;
}

/** Somebody who is signed in. */
export class Session {
  #token = null;
  #until = 0;

  constructor(user) {
    this.user = user;
    this.nodes = [];
  }

  /** A token that still holds; `renew` asks for a fresh one. The client of the socket calls this, too. */
  async token(renew = false) {
    if (renew || Date.now() > this.#until) {
      const { token, expires_in, nodes } = await ask("POST", "/v1/dev/sign-in", { body: { user: this.user } });
      this.#token = token;
      this.#until = Date.now() + Math.max(0, expires_in - 30) * 1000;
      this.nodes = nodes;
    }
    return this.#token;
  }

  async get(path) {
    return this.#call("GET", path);
  }

  async post(path, body, headers = {}) {
    return this.#call("POST", path, body, headers);
  }

  async #call(method, path, body, headers = {}) {
    const attempt = async (renew) =>
      ask(method, path, { body, headers: { ...headers, Authorization: `Bearer ${await this.token(renew)}` } });
    try {
      return await attempt(false);
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      return attempt(true); // the secrets may be new ones: one more try with a fresh token
    }
  }
}
