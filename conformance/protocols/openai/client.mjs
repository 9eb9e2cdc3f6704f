// Asks a service by OpenAI's API: `client.mjs calls`, then `client.mjs answer ITEMS` with what its last line said.

import assert from "node:assert/strict";
import OpenAI from "openai";

const baseURL = `${process.env.AGENTGEN_URL}/v1`;
const client = (token) => new OpenAI({ baseURL, apiKey: process.env[token] ?? "wrong", maxRetries: 0 });
const said = (content, more = {}) => ({ model: "architect", messages: [{ role: "user", content }], ...more });

async function refused(status, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.status, status, error);
    assert.ok(error.error.message);
    return true;
  });
}

async function calls() {
  const api = client("TOKEN");
  const models = await api.models.list();
  assert.deepEqual(models.data.map(({ id }) => id), ["architect"]);
  console.log("models");
  const answer = await api.chat.completions.create(said("Hello"));
  assert.equal(answer.choices[0].message.content.trim(), "You said Hello");
  console.log("chat");
  let text = "";
  for await (const chunk of await api.chat.completions.create(said("Hello", { stream: true }))) {
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  assert.equal(text.trim(), "You said Hello");
  console.log("chat stream");
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const tools = [{ type: "function", function: { name: "weather", description: "The weather.", parameters } }];
  const called = await api.chat.completions.create(said("weather", { tools }));
  assert.equal(called.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(JSON.parse(called.choices[0].message.tool_calls[0].function.arguments), { city: "Bern" });
  console.log("own tools");
  const waiting = await api.chat.completions.create(said("wait", { stream: true }));
  waiting.controller.abort();
  console.log("stream left");
  const response = await api.responses.create({ model: "architect", input: "Hello", store: false });
  assert.equal(response.output_text.trim(), "You said Hello");
  const kinds = [];
  for await (const event of await api.responses.create({ model: "architect", input: "Hello", store: false, stream: true })) {
    kinds.push(event.type);
  }
  assert.equal(kinds[0], "response.created");
  assert.equal(kinds.at(-1), "response.completed");
  console.log("responses, responses stream");
  await refused(404, () => api.chat.completions.create({ ...said("Hello"), model: "nobody" }));
  await refused(401, () => client("NO_TOKEN").models.list());
  console.log("errors");
  const asked = await api.responses.create({ model: "architect", input: "ask", store: false });
  assert.equal(asked.output.at(-1).name, "ask_user");
  console.log(JSON.stringify([{ role: "user", content: "ask" }, ...asked.output]));
}

async function answer(text) {
  const items = JSON.parse(text);
  items.push({ type: "function_call_output", call_id: items.at(-1).call_id, output: "Two" });
  const done = await client("TOKEN").responses.create({ model: "architect", input: items, store: false });
  assert.match(done.output_text, /Two/);
}

await (process.argv[2] === "calls" ? calls() : answer(process.argv[3]));
