import { EventSourceParserStream } from "eventsource-parser/stream";
import { getStreamArchitectUrl, planOrchestrator, routeRequest, runbookDeploymentEngineer } from "./client";
import type { AgentEvent, InvokeRequest } from "./client";

const plan = await planOrchestrator({ goal: "Ship it" });
if (plan.status === 200) console.log("plan", plan.data.complexity, plan.data.subtasks.length);

const runbook = await runbookDeploymentEngineer("notifications", { environment: "staging" });
if (runbook.status === 200) console.log("runbook", runbook.data.steps[0]?.title);

const route = await routeRequest({ text: "a chart", limit: 1000 });
if (route.status !== 200) console.log("problem", route.data.status, route.data.errors?.[0]?.pointer);

const question: InvokeRequest = { input: "Hello" };
const response = await fetch(new URL(getStreamArchitectUrl(), process.argv[2]), {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(question),
});
const messages = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
for await (const { data } of messages) {
  const event: AgentEvent = JSON.parse(data);
  if (event.type === "output.delta") console.log("event", event.text);
  else console.log("event", event.type);
}
