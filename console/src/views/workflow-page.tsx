import { useState } from "preact/hooks";

import { CopyCurl, Fact, Facts, FailureBox, Title } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { duration, plural } from "../parts/text.ts";
import { GraphView } from "../graph/graph-view.tsx";
import { RequestFields, useRequestForm } from "../schema/request-form.tsx";
import { call, failureOf, type Failure } from "../service/client.ts";
import { useService } from "../service/context.ts";
import type { Operation } from "../service/openapi.ts";
import type { Step, Workflow } from "../service/types.ts";
import { Runs } from "./runs-list.tsx";

export function WorkflowPage({ name }: { name: string }) {
  const { data, operations } = useService();
  const [selected, setSelected] = useState<string>();
  const workflow = data.workflows.find((one) => one.name === name);
  if (!workflow) return <p>There is no workflow {name}. <a href={to("workflows")}>All workflows</a></p>;
  const operation = operations.find(({ id }) => id === workflow.operation_id);
  const step = workflow.steps.find(({ id }) => id === selected);
  return (
    <>
      <p class="crumbs"><a href={to("workflows")}>Workflows</a></p>
      <Title of={name}>{name}</Title>
      {operation?.description && <p class="lead">{operation.description}</p>}
      <Facts>
        <Fact name="Agent"><a href={to("agents", workflow.agent)}>{workflow.agent}</a></Fact>
        <Fact name="Steps">{workflow.steps.length}</Fact>
        <Fact name="At a time">{workflow.concurrency !== null && plural(workflow.concurrency, "step")}</Fact>
        <Fact name="Time limit">{workflow.timeout_ms !== null && duration(workflow.timeout_ms)}</Fact>
        <Fact name="Roles">{workflow.roles.join(" or ")}</Fact>
      </Facts>
      <h2>Graph</h2>
      <GraphView label={`Steps of ${name}`} selected={selected} select={setSelected} steps={graphOf(workflow)} />
      {step ? <StepFacts step={step} /> : <p class="soft">Choose a step to see what it does.</p>}
      {operation && <Start operation={operation} />}
      <h2>Its latest runs</h2>
      <Runs filters={new URLSearchParams({ workflow: name, limit: "5" })} showWorkflow={false} />
    </>
  );
}

export const graphOf = (workflow: Workflow) => workflow.steps.map((step) => (
  { id: step.id, needs: step.needs, agent: secondLine(step), status: undefined }));

/** Whom a step asks, or what it waits for, which is null for a plan. */
export function secondLine({ agent, endpoint, waits_for }: { agent?: string | null; endpoint?: string | null; waits_for?: string | null | undefined }): string {
  if (!agent) return waits_for === null ? "a plan" : `waits for ${waits_for ?? "something"}`;
  return endpoint === "invoke" ? agent : `${agent} · ${endpoint ?? ""}`;
}

export function StepFacts({ step }: { step: Step }) {
  return (
    <section aria-label={`Step ${step.id}`} class="card">
      <h3>{step.id}</h3>
      <Facts>
        <Fact name="Agent">{step.agent && <a href={to("agents", step.agent)}>{step.agent}</a>}</Fact>
        <Fact name="Endpoint">{step.endpoint}</Fact>
        <Fact name="For each item of">{step.for_each && <code>{step.for_each}</code>}</Fact>
        <Fact name="Plan">{step.plan && <><code>{step.plan.from}</code> for {step.plan.agents.join(", ")}</>}</Fact>
        <Fact name="Waits for">{step.waits_for}</Fact>
        <Fact name="Needs">{step.needs.length > 0 && `${step.needs.join(", ")} (${step.join})`}</Fact>
        <Fact name="When">{step.when && <code>{step.when}</code>}</Fact>
        <Fact name="Attempts">{step.attempts > 1 && `${step.attempts}, the first pause ${duration(step.backoff_ms)}`}</Fact>
        <Fact name="Time limit">{step.timeout_ms !== null && duration(step.timeout_ms)}</Fact>
        <Fact name="If it fails">{onFailure(step.on_failure)}</Fact>
      </Facts>
    </section>
  );
}

function onFailure(policy: string): string {
  const told: Record<string, string> = {
    stop: "the run fails",
    skip: "the run goes on without its output",
    escalate: "a person decides how the run continues",
    join: "the steps that need it decide",
  };
  return told[policy] ?? policy.replace(/^fallback /, "instead of it: ");
}

function Start({ operation }: { operation: Operation }) {
  const { document } = useService();
  const form = useRequestForm(document, operation);
  const [failure, setFailure] = useState<Failure>();
  const [isRunning, setRunning] = useState(false);
  const start = async (): Promise<void> => {
    setRunning(true);
    setFailure(undefined);
    try {
      const response = await call(form.request());
      const { run_id } = (await response.json()) as { run_id: string };
      location.hash = to("runs", run_id);
    } catch (error) {
      setFailure(failureOf(error));
      setRunning(false);
    }
  };
  const errors = new Map((failure?.errors ?? []).map(({ pointer, detail }) => [pointer, detail]));
  return (
    <form class="request card" noValidate aria-label="Start a run" onSubmit={(event) => { event.preventDefault(); void start(); }}>
      <h2>Start a run</h2>
      <RequestFields document={document} form={form} errors={errors} />
      {failure && <FailureBox failure={failure} />}
      <div class="buttons">
        <button type="submit" class="main-button" disabled={isRunning}>Start</button>
        <CopyCurl request={form.request} />
      </div>
    </form>
  );
}
