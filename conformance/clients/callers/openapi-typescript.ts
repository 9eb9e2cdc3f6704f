import createClient from "openapi-fetch";
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { components, paths } from "./client";

const client = createClient<paths>({ baseUrl: process.argv[2] });

const plan = await client.POST("/plans", { body: { goal: "Ship it" } });
console.log("plan", plan.data?.complexity, plan.data?.subtasks.length);

const runbook = await client.GET("/deployments/{service}/runbook", {
  params: { path: { service: "notifications" }, query: { environment: "staging" } },
});
console.log("runbook", runbook.data?.steps[0]?.title);

const { error: problem } = await client.POST("/v1/route", { body: { text: "a chart", limit: 1000 } });
console.log("problem", problem?.status, problem?.errors?.[0]?.pointer);

const { data: body } = await client.POST("/v1/agents/architect/invoke/stream", {
  body: { input: "Hello" },
  parseAs: "stream",
});
const messages = body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
for await (const { data } of messages) {
  const event: components["schemas"]["AgentEvent"] = JSON.parse(data);
  if (event.type === "output.delta") console.log("event", event.text);
  else console.log("event", event.type);
}
