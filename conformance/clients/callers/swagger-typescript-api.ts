import { EventSourceParserStream } from "eventsource-parser/stream";
import { Api } from "./client";
import type { AgentEvent, HttpResponse, Problem } from "./client";

const api = new Api({ baseUrl: process.argv[2] });

const { data: plan } = await api.plans.planOrchestrator({ goal: "Ship it" });
console.log("plan", plan.complexity, plan.subtasks.length);

const { data: runbook } = await api.deployments.runbookDeploymentEngineer("notifications", {
  environment: "staging",
});
console.log("runbook", runbook.steps[0]?.title);

await api.v1.routeRequest({ text: "a chart", limit: 1000 }).catch((answer: HttpResponse<unknown, Problem>) => {
  console.log("problem", answer.error.status, answer.error.errors?.[0]?.pointer);
});

const { body } = await api.v1.streamArchitect({ input: "Hello" });
const messages = body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
for await (const { data } of messages) {
  const event: AgentEvent = JSON.parse(data);
  if (event.type === "output.delta") console.log("event", event.text);
  else console.log("event", event.type);
}
