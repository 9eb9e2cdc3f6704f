// Shows the document of the service that this page comes from. Every text of it goes in as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 8;
const byId = (id) => document.getElementById(id);
let api = {};

/** An element with attributes (a function is a listener) and children: texts and other elements. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

/** What a local reference names, or the node itself. */
function resolve(node) {
  for (let hops = 0; node && node.$ref && hops < 20; hops++) {
    node = node.$ref.slice(2).split("/").reduce(
      (found, key) => found?.[decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~")], api);
  }
  return node ?? {};
}

/** Text with `code` in it, in paragraphs and fenced blocks. */
function prose(text, leave = "") {
  return (text ?? "").split("```").flatMap((part, n) => {
    if (n % 2) return [code(part.replace(/^\w*\n/, "").trimEnd(), "Code")];
    const paragraphs = part.split(/\n{2,}/).map((one) => one.trim()).filter((one) => one && one !== leave);
    return paragraphs.map((one) => el("p", {}, one.split("`").map((piece, m) => (m % 2 ? el("code", {}, piece) : piece))));
  });
}

const json = (value) => JSON.stringify(value, null, 2);
const code = (text, label) => el("pre", { tabindex: "0", role: "region", "aria-label": label }, el("code", {}, text));
const refName = (node) => node?.$ref?.split("/").pop();

/* Schemas */

function typeOf(node) {
  const schema = resolve(node);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array" || (Array.isArray(schema.type) && schema.type.includes("array"))) {
    return `array of ${typeOf(schema.items ?? {})}`;
  }
  if (schema.oneOf || schema.anyOf) return "one of several";
  const types = [schema.type ?? (schema.properties || schema.allOf ? "object" : "any")].flat();
  if (schema.nullable) types.push("null");
  return types.join(" or ") + (schema.format ? ` (${schema.format})` : "");
}

function rules(node) {
  const schema = resolve(node);
  const told = [];
  const range = (low, high, unit) => {
    if (low != null && high != null) told.push(`${low} to ${high}${unit}`);
    else if (low != null) told.push(`at least ${low}${unit}`);
    else if (high != null) told.push(`at most ${high}${unit}`);
  };
  range(schema.minimum, schema.maximum, "");
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minItems, schema.maxItems, " entries");
  if (schema.pattern) told.push(`matches ${schema.pattern}`);
  if (schema.enum) told.push(`one of ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}`);
  if ("default" in schema) told.push(`default ${JSON.stringify(schema.default)}`);
  return told;
}

/** The members of a schema as a list; nothing for one that has none. */
function members(node, seen = []) {
  const name = refName(node);
  if (seen.length > DEEPEST || (name && seen.includes(name))) return null;
  const schema = resolve(node);
  const deeper = [...seen, name ?? ""];
  if (schema.items) return members(schema.items, deeper);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) {
    return el("ul", { class: "members" }, choices.map((choice) =>
      el("li", {}, el("span", { class: "name" }, refName(choice) ?? typeOf(choice)), prose(resolve(choice).description), members(choice, deeper))));
  }
  const parts = [schema, ...(schema.allOf ?? []).map(resolve)];
  const required = new Set(parts.flatMap((part) => part.required ?? []));
  const properties = parts.flatMap((part) => Object.entries(part.properties ?? {}));
  if (!properties.length) return null;
  return el("ul", { class: "members" }, properties.map(([key, value]) => member(key, value, required.has(key), deeper)));
}

function member(key, value, isRequired, seen) {
  return el("li", {},
    el("span", { class: "name" }, key), " ",
    el("span", { class: "type" }, typeOf(value)), " ",
    isRequired && el("span", { class: "required" }, "required"),
    prose(resolve(value).description ?? value.description),
    rules(value).map((rule) => el("span", { class: "rule" }, rule)),
    members(value, seen ?? []));
}

/** The first example of a media type or a parameter, from it or from its schema. */
function exampleOf(holder) {
  if ("example" in holder) return holder.example;
  for (const example of Object.values(holder.examples ?? {})) return resolve(example).value;
  const schema = resolve(holder.schema);
  return schema.examples?.[0] ?? schema.example ?? schema.default ?? schema.enum?.[0];
}

/* Operations */

function section(title, ...content) {
  return el("section", {}, el("h4", {}, title), content);
}

function badge(method) {
  return el("span", { class: `method ${method}` }, method.toUpperCase());
}

/** A path that may break behind its slashes. */
function pathText(path) {
  return el("code", { class: "path" }, path.split(/(?<=\/)/).flatMap((part, n) => (n ? [el("wbr"), part] : [part])));
}

function show(entry) {
  const { operation, path, method } = entry;
  const body = el("div", { class: "body" });
  const details = el("details", { class: "operation", id: operation.operationId, "data-operation": `${method} ${path}` },
    el("summary", {}, el("h3", {}, badge(method), pathText(path)), el("span", { class: "says" }, operation.summary ?? "")), body);
  details.addEventListener("toggle", () => {
    if (details.open && !body.hasChildNodes()) fill(body, entry);
  });
  return details;
}

function fill(body, entry) {
  const { operation, parameters } = entry;
  const request = operation.requestBody && resolve(operation.requestBody);
  const [mediaType, media] = Object.entries(request?.content ?? {})[0] ?? [];
  body.append(...prose(operation.description, operation.summary));
  if (operation.deprecated) body.append(el("p", { class: "note" }, "Deprecated: use another operation where there is one."));
  if (!needsToken(operation)) body.append(el("p", { class: "note" }, "Needs no token."));
  const reads = el("div", { class: "reads" });
  if (parameters.length) {
    reads.append(section("Parameters", el("ul", { class: "members" }, parameters.map((parameter) =>
      el("li", {},
        el("span", { class: "name" }, parameter.name), " ",
        el("span", { class: "type" }, `${typeOf(parameter.schema ?? {})} in ${parameter.in}`), " ",
        parameter.required && el("span", { class: "required" }, "required"),
        prose(parameter.description),
        rules(parameter.schema ?? {}).map((rule) => el("span", { class: "rule" }, rule)))))));
  }
  if (media) {
    reads.append(section("Request", prose(request.description), members(media.schema) ?? el("p", { class: "type" }, typeOf(media.schema))));
  }
  reads.append(section("Answers", el("ul", { class: "answers" }, Object.entries(operation.responses).map(answer))));
  body.append(reads, tryIt(entry, mediaType, media));
}

function needsToken(operation) {
  const security = operation.security ?? api.security ?? [];
  return security.length > 0 && !security.some((one) => !Object.keys(one).length);
}

function answer([status, node]) {
  const response = resolve(node);
  const head = [el("span", { class: `status s${status[0]}` }, status), " ", response.description];
  if (status[0] !== "2") return el("li", {}, head);
  return el("li", {}, head, Object.entries(response.content ?? {}).map(([type, media]) => {
    const example = exampleOf(media);
    return el("div", { class: "media" },
      el("h5", {}, type, " ", el("span", { class: "type" }, refName(media.schema) ?? "")),
      members(media.schema),
      example !== undefined && el("details", { class: "example" }, el("summary", {}, "Example"),
        code(typeof example === "string" ? example : json(example), `Example of ${type}`)));
  }));
}

/* Trying */

function tryIt({ operation, path, method, parameters }, mediaType, media) {
  const id = (name) => `${operation.operationId}-${name}`;
  const fields = parameters.map((parameter) => {
    const example = exampleOf(parameter);
    const isNeeded = parameter.required || parameter.in === "path";
    const input = el("input", { id: id(parameter.name), name: parameter.name, required: isNeeded, autocomplete: "off",
      value: isNeeded ? String([example ?? ""].flat()[0]) : "", placeholder: isNeeded ? false : "left out" });
    return { parameter, input, row: el("div", { class: "field" }, el("label", { for: id(parameter.name) }, parameter.name), input) };
  });
  const text = media && el("textarea", { id: id("body"), rows: "7", spellcheck: "false" });
  if (text) text.value = bodyText(mediaType, exampleOf(media) ?? {});
  const types = Object.entries(operation.responses).filter(([status]) => status[0] === "2")
    .flatMap(([, response]) => Object.keys(resolve(response).content ?? {}));
  const send = el("button", { class: "send", type: "submit" }, "Send");
  const stop = el("button", { class: "stop", type: "button", disabled: true }, "Stop");
  const out = el("div", { class: "out", "aria-live": "polite" });
  let running;
  stop.addEventListener("click", () => running?.abort());
  const form = el("form", { class: "try", submit: async (event) => {
    event.preventDefault();
    running = new AbortController();
    send.disabled = true;
    stop.disabled = false;
    const url = new URL(`.${path.replace(/\{([^}]+)\}/g, (_, name) =>
      encodeURIComponent(fields.find((field) => field.parameter.name === name)?.input.value ?? ""))}`, document.baseURI);
    const headers = new Headers({ accept: types[0] ?? "*/*" });
    for (const { parameter, input } of fields) {
      if (input.value === "" || parameter.in === "path") continue;
      if (parameter.in === "header") headers.set(parameter.name, input.value);
      else url.searchParams.append(parameter.name, input.value);
    }
    const token = byId("token").value.trim();
    if (token) headers.set("authorization", `Bearer ${token}`);
    if (text) headers.set("content-type", mediaType);
    try {
      await call(url, { method: method.toUpperCase(), headers, body: text ? text.value : undefined, signal: running.signal }, out);
    } catch (error) {
      out.append(el("p", { class: "failed" }, error.name === "AbortError" ? "Stopped." : `No answer: ${error.message}`));
    }
    send.disabled = false;
    stop.disabled = true;
  } },
    el("h4", {}, "Try it"),
    fields.map((field) => field.row),
    text && el("div", { class: "field" }, el("label", { for: id("body") }, "Request body"), text),
    el("div", { class: "buttons" }, send, stop),
    out);
  return form;
}

/** An example as the text of a body. */
function bodyText(mediaType, example) {
  return mediaType === "application/x-www-form-urlencoded" ? String(new URLSearchParams(example)) : json(example);
}

async function call(url, request, out) {
  const began = performance.now();
  out.replaceChildren(el("p", { class: "waiting" }, "Waiting…"));
  const response = await fetch(url, request);
  const took = el("span", { class: "type" }, ` ${Math.round(performance.now() - began)} ms`);
  const headers = ["x-request-id", "ratelimit", "retry-after"].filter((name) => response.headers.has(name));
  const type = (response.headers.get("content-type") ?? "").split(";")[0];
  out.replaceChildren(
    el("p", { class: "result" }, el("span", { class: `status s${String(response.status)[0]}` }, String(response.status)), ` ${type}`, took),
    el("ul", { class: "headers" }, headers.map((name) => el("li", {}, `${name}: ${response.headers.get(name)}`))));
  if (type === "text/event-stream") return follow(response.body, out);
  const body = await response.text();
  out.append(code(type.endsWith("json") ? json(JSON.parse(body)) : body, "Answer"));
}

/** Shows the events of a stream as they come: the text as it grows, and every event below. */
async function follow(body, out) {
  const said = el("p", { class: "said" });
  const events = el("ol", { class: "events" });
  out.append(said, events);
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
      if (!data) continue;
      const event = JSON.parse(data);
      if (event.type === "output.delta") said.append(event.text);
      else events.append(el("li", {}, el("span", { class: "name" }, event.type), code(json(event), event.type)));
    }
  }
}

/* The page */

function entries() {
  return Object.entries(api.paths ?? {}).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => {
    const operation = item[method];
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
    return { path, method, operation, parameters, tag: operation.tags?.[0] ?? "" };
  }));
}

function link(entry) {
  return el("li", {}, el("a", { href: `#${entry.operation.operationId}`, title: `${entry.method.toUpperCase()} ${entry.path}` },
    badge(entry.method), el("span", {}, entry.path)));
}

function reveal() {
  const node = byId(decodeURIComponent(location.hash.slice(1)));
  if (!node?.matches("details.operation")) return;
  node.open = true;
  node.scrollIntoView();
  node.firstElementChild.focus({ preventScroll: true });
}

function filter() {
  const wanted = byId("filter").value.trim().toLowerCase();
  for (const group of document.querySelectorAll("[data-tag]")) {
    let shown = 0;
    for (const item of group.querySelectorAll("li, details.operation")) {
      if (!item.matches("#links li, details.operation")) continue;
      item.hidden = wanted !== "" && !`${group.dataset.tag} ${item.textContent}`.toLowerCase().includes(wanted);
      shown += item.hidden ? 0 : 1;
    }
    group.hidden = shown === 0;
  }
}

async function start() {
  const response = await fetch(new URL("./openapi.json", document.baseURI));
  if (!response.ok) throw new Error(`the service says ${response.status}`);
  api = await response.json();
  document.title = `${api.info.title} API`;
  byId("title").textContent = api.info.title;
  byId("version").textContent = api.info.version;
  const all = entries();
  const tags = [...(api.tags ?? []).filter((tag) => tag.name !== "service"), ...(api.tags ?? []).filter((tag) => tag.name === "service")];
  for (const { tag } of all) if (!tags.some((known) => known.name === tag)) tags.push({ name: tag });
  const groups = tags.map((tag) => ({ tag, own: all.filter((entry) => entry.tag === tag.name) })).filter(({ own }) => own.length);
  const agents = groups.filter(({ tag }) => tag.name !== "service").length;
  byId("intro").append(
    el("p", { class: "lead" }, api.info.summary ?? api.info.description ?? ""),
    el("p", { class: "facts" }, `${agents} agents, ${all.length} operations, OpenAPI ${api.openapi}: `, el("a", { href: "./openapi.json" }, "openapi.json")));
  byId("links").append(...groups.map(({ tag, own }) =>
    el("div", { "data-tag": tag.name }, el("p", { class: "tag" }, tag.name), el("ul", {}, own.map(link)))));
  byId("operations").append(...groups.map(({ tag, own }) =>
    el("section", { class: "group", "data-tag": tag.name, "aria-label": tag.name }, el("h2", {}, tag.name), prose(tag.description), own.map(show))));
  byId("state").remove();
  byId("filter").addEventListener("input", filter);
  byId("token-form").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", reveal);
  reveal();
}

if (window.matchMedia("(max-width: 56rem)").matches) byId("contents").open = false;
start().catch((error) => {
  byId("state").textContent = `The document can't be read: ${error.message}`;
});
