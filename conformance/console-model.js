// The model that conformance/console-browser plays: Chat Completions, streamed, with answers that depend on what is asked.

const { createServer } = require("node:http");

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const failed = new Map();

/** Whether a request with this text is to fail: the first `times` do. */
function fails(text, times) {
  const count = (failed.get(text) ?? 0) + 1;
  failed.set(text, count);
  return count <= times;
}

const HTML = '<img src=x onerror="window.owned = true"> is only text';

async function answer(request, response) {
  let body = "";
  for await (const part of request) body += part;
  const { messages, tools = [], stream } = JSON.parse(body);
  const user = messages.filter(({ role }) => role === "user").at(-1)?.content ?? "";
  const hasResults = messages.some(({ role }) => role === "tool");
  const refuse = (status) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: "not now", type: "server_error" } }));
  };
  if (user.startsWith("fails first") && fails(user, 3)) return refuse(503);
  if (user.startsWith("break") && fails(user, 1)) return refuse(503);
  if (user.startsWith("never")) return refuse(503);
  if (user.startsWith("slow")) await pause(6000);
  if (/^(voice|answer|close)/.test(user)) await pause(100 + (user.length * 7) % 60);

  const chunks = [];
  if (user.startsWith("find") && !hasResults && tools.length) {
    const calls = tools.map(({ function: { name, parameters } }, index) => {
      const [argument] = Object.keys(parameters.properties);
      return { index, id: `call_${index}`, type: "function", function: { name, arguments: JSON.stringify({ [argument]: "Maps" }) } };
    });
    chunks.push({ delta: { role: "assistant", tool_calls: calls } }, { delta: {}, finish_reason: "tool_calls" });
  } else {
    const text = user.startsWith("find") ? `Maps stands on shelf 3. ${HTML}` : `I read: ${user}`;
    const words = text.split(/(?<= )/);
    chunks.push(...words.map((content) => ({ delta: { content } })), { delta: {}, finish_reason: "stop" });
  }
  if (!stream) throw new Error("the runtime streams");
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (data) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  for (const chunk of chunks) {
    send({ id: "c", object: "chat.completion.chunk", model: "scripted", choices: [{ index: 0, ...chunk }] });
    if (user.startsWith("tell")) await pause(60);
  }
  send({ id: "c", object: "chat.completion.chunk", model: "scripted", choices: [], usage: { prompt_tokens: 20, completion_tokens: chunks.length, total_tokens: 20 + chunks.length } });
  response.end("data: [DONE]\n\n");
}

/** A server of the model, and its address. */
module.exports = async function listen() {
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => { console.log(`  the model: ${error}`); response.destroy(); });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { server, url: `http://127.0.0.1:${server.address().port}` };
};
