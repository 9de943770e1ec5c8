/** Draws /openapi.json as a page: areas, operations, and the shapes of what they take and give. No library, no network. */

const METHODS = ["get", "put", "post", "patch", "delete"];
let schemas = {};

/** Make an element; children are texts or elements. Text never becomes markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** `code` between backticks, everything else as it is. */
function prose(text) {
  const parts = text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
  return make("span", {}, ...parts);
}

function nameOf(schema) {
  return schema.$ref ? schema.$ref.split("/").pop() : null;
}

/** A type in a few words: `string`, `list of Hop`, `integer or null`. */
function typeOf(schema) {
  const name = nameOf(schema);
  if (name) return name;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items ?? {})}`;
  return schema.type ?? "anything";
}

function limitsOf(schema) {
  const words = {
    minimum: "at least", maximum: "at most", minLength: "length at least", maxLength: "length at most",
    minItems: "items at least", maxItems: "items at most", pattern: "pattern",
  };
  const found = [schema, ...(schema.anyOf ?? [])].flatMap((each) =>
    Object.entries(words).filter(([key]) => each[key] !== undefined).map(([key, word]) => `${word} ${each[key]}`));
  return found.join(", ");
}

/** The named shapes inside a schema, to be opened one level further down. */
function inner(schema) {
  const name = nameOf(schema);
  if (name) return [name];
  return [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter(Boolean).flatMap(inner);
}

function table(heads, rows) {
  const head = make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text))));
  const body = make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)))));
  return make("div", { class: "scroll" }, make("table", {}, head, body));
}

function fields(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const notes = [field.description ?? "", limitsOf(field)].filter(Boolean).join(" ");
    return [make("code", {}, name), make("code", {}, typeOf(field)), required.has(name) ? "yes" : "", prose(notes)];
  });
}

/** A shape that opens on demand, so that shapes within shapes are drawn only where somebody looks. */
function shape(name) {
  const details = make("details", { class: "shape" }, make("summary", {}, name));
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const schema = schemas[name] ?? {};
    if (schema.description) details.append(make("p", {}, prose(schema.description)));
    details.append(table(["Field", "Type", "Required", "Meaning"], fields(schema)));
    const names = new Set(Object.values(schema.properties ?? {}).flatMap(inner));
    details.append(...[...names].map(shape));
  });
  return details;
}

function shapesOf(content) {
  return Object.entries(content ?? {}).flatMap(([media, { schema }]) =>
    schema ? [...new Set(inner(schema))].map(shape) : [make("p", {}, make("code", {}, media))]);
}

function parametersOf(operation) {
  if (!operation.parameters.length) return null;
  const rows = operation.parameters.map((each) => [
    make("code", {}, each.name), each.in, make("code", {}, typeOf(each.schema)), each.required ? "yes" : "",
    prose([each.description ?? each.schema.description ?? "", limitsOf(each.schema)].filter(Boolean).join(" ")),
  ]);
  return make("section", {}, make("h3", {}, "Parameters"), table(["Name", "In", "Type", "Required", "Meaning"], rows));
}

function answersOf(operation) {
  const rows = Object.entries(operation.responses).map(([status, answer]) => [
    make("code", {}, status),
    make("div", {}, prose(answer.description), ...(status < 400 ? shapesOf(answer.content) : [])),
  ]);
  return make("section", {}, make("h3", {}, "Answers"), table(["Status", "Meaning"], rows));
}

function draw(path, method, operation) {
  const scope = operation.security.flatMap((each) => each.bearer ?? []);
  const summary = make("summary", {},
    make("span", { class: `method ${method}` }, method.toUpperCase()),
    make("span", { class: "path" }, path),
    make("span", { class: "about" }, prose(operation.summary)));
  const body = make("div", {},
    make("p", {}, prose(scope.length ? `Needs the scope \`${scope.join("`, `")}\`.` : "Open to anybody.")),
    parametersOf(operation),
    operation.requestBody
      ? make("section", {}, make("h3", {}, "Body"), ...shapesOf(operation.requestBody.content)) : null,
    answersOf(operation));
  return make("details", { class: "operation", id: operation.operationId }, summary, body);
}

function drawArea(area, found) {
  const id = `area-${area.toLowerCase().replaceAll(/\W+/g, "-")}`;
  document.getElementById("areas").append(make("a", { href: `#${id}` }, area));
  const drawn = found.map(([path, method, operation]) => draw(path, method, operation));
  return make("section", { "aria-labelledby": id }, make("h2", { id }, area), ...drawn);
}

async function start() {
  const main = document.getElementById("operations");
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const api = await answer.json();
  schemas = api.components.schemas;
  document.getElementById("about").append(prose(api.info.description));
  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => [path, method, item[method]]));
  const areas = api.tags.map(({ name }) => drawArea(name, all.filter(([, , each]) => each.tags[0] === name)));
  main.replaceChildren(...areas);
  const wanted = document.getElementById(location.hash.slice(1));
  if (wanted instanceof HTMLDetailsElement) wanted.open = true;
  wanted?.scrollIntoView();
}

start().catch((problem) => {
  document.getElementById("loading").textContent = `The description cannot be read. ${problem.message}`;
});
