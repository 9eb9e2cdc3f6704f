import { client } from "./client/client.gen";
import { planOrchestrator, routeRequest, runbookDeploymentEngineer, streamArchitect } from "./client";

client.setConfig({ baseUrl: process.argv[2] });

const { data: plan } = await planOrchestrator({ body: { goal: "Ship it" }, throwOnError: true });
console.log("plan", plan.complexity, plan.subtasks.length);

const { data: runbook } = await runbookDeploymentEngineer({
  path: { service: "notifications" },
  query: { environment: "staging" },
  throwOnError: true,
});
console.log("runbook", runbook.steps[0]?.title);

const { error: problem } = await routeRequest({ body: { text: "a chart", limit: 1000 } });
console.log("problem", problem?.status, problem?.errors?.[0]?.pointer);

const { stream } = await streamArchitect({ body: { input: "Hello" }, sseMaxRetryAttempts: 1 });
for await (const event of stream) {
  if (typeof event === "string") continue;
  if (event.type === "output.delta") console.log("event", event.text);
  else console.log("event", event.type);
}
