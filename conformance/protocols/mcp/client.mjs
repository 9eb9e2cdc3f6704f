// Asks a service by MCP: lists and calls tools, hears of progress, meets errors, leaves a call, and is refused without a token.

import assert from "node:assert/strict";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const url = new URL(`${process.env.AGENTGEN_URL}/mcp`);

async function connected(token) {
  const client = new Client({ name: "conformance", version: "0.0.0" });
  const headers = { authorization: `Bearer ${process.env[token] ?? "wrong"}` };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return client;
}

const client = await connected("TOKEN");
const { tools } = await client.listTools();
assert.deepEqual(tools.map(({ name }) => name), ["architect"]);
console.log("list");
const result = await client.callTool({ name: "architect", arguments: { input: "Hello" } });
assert.equal(result.structuredContent.output.trim(), "You said Hello");
console.log("call");
let told = 0;
await client.callTool({ name: "architect", arguments: { input: "Hello" } }, { onprogress: () => (told += 1) });
assert.ok(told > 0, "no progress");
console.log("progress");
const wrong = await client.callTool({ name: "architect", arguments: {} });
assert.equal(wrong.isError, true);
await assert.rejects(client.callTool({ name: "nobody", arguments: {} }), /nobody/);
console.log("errors");
const stop = new AbortController();
setTimeout(() => stop.abort(), 500);
await assert.rejects(client.callTool({ name: "architect", arguments: { input: "wait" } }, { signal: stop.signal }));
console.log("cancelled");
await client.close();
await assert.rejects(connected("NO_TOKEN").then((other) => other.listTools()));
console.log("no token");
console.log("{}");
