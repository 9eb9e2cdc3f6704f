// The steps of a run over time.

import { Code, Fact, Facts, Moment, Status, Tokens } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { duration, json, millis, plural, shown, words } from "../parts/text.ts";
import type { PendingAction, RunInputs, RunReport, RunStatus, StepReport } from "../service/types.ts";
import { secondLine } from "./workflow-page.tsx";

/** An event of a workflow run; which members are there depends on its type. */
export interface StepEvent {
  type: string;
  step?: string;
  report?: StepReport;
  status?: RunStatus;
  attempt?: number;
  pause_ms?: number;
  error?: { status: number; detail: string };
  agent?: string;
  policy?: string;
  detail?: string;
  from?: string;
  to?: string;
  is_error?: boolean;
  action?: PendingAction | string;
  outcome?: string;
  by?: string;
}

export function Timeline({ run, waits, inputs, events, now }: {
  run: RunReport;
  /** What steps wait for, by step. */
  waits: Map<string, string | null | undefined>;
  inputs: RunInputs | undefined;
  events: StepEvent[];
  now: number;
}) {
  const start = Date.parse(run.created_at);
  const end = Math.max(run.ended_at ? Date.parse(run.ended_at) : now, start + 1);
  const began = (step: StepReport): number => millis(step.began_at) ?? Infinity;
  const steps = run.steps.map((step, n) => ({ step, n })).sort((a, b) => began(a.step) - began(b.step) || a.n - b.n);
  return (
    <ol class="timeline">
      {steps.map(({ step }) => (
        <Entry key={step.step} step={step} waitsFor={waits.get(step.step)} span={[start, end]} now={now} input={inputs?.steps[step.step]}
          events={events.filter((event) => event.step === step.step)} />
      ))}
    </ol>
  );
}

function Entry({ step, waitsFor, span: [start, end], now, input, events }: {
  step: StepReport;
  waitsFor: string | null | undefined;
  span: [number, number];
  now: number;
  input: unknown;
  events: StepEvent[];
}) {
  const from = millis(step.began_at);
  const until = millis(step.ended_at) ?? (step.status === "running" || step.status === "waiting" ? now : from);
  const took = from !== undefined && until !== undefined ? until - from : undefined;
  const percent = (time: number): number => Math.min(100, Math.max(0, ((time - start) / (end - start)) * 100));
  const remarks = events.map(remark).filter(Boolean);
  return (
    <li>
      <details data-entry={step.step}>
        <summary>
          <span class="entry-head">
            <Status of={step.status} />
            <strong>{step.step}</strong>
            <span class="soft">{secondLine({ ...step, waits_for: waitsFor })}</span>
            <span class="entry-end soft">
              {step.attempts > 1 && <span>{plural(step.attempts, "attempt")}</span>}
              {took !== undefined && <span>{duration(took)}</span>}
            </span>
          </span>
          <svg class={`bar ${step.status}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect class="track" width="100" height="4" />
            {from !== undefined && until !== undefined && (
              <rect class="part" x={percent(from)} width={Math.max(0.6, percent(until) - percent(from))} height="4" />
            )}
          </svg>
        </summary>
        <div class="entry-body">
          <Facts>
            <Fact name="Agent">{step.agent && <a href={to("agents", step.agent)}>{step.agent}</a>}</Fact>
            <Fact name="Endpoint">{step.endpoint}</Fact>
            <Fact name="Began">{step.began_at && <Moment of={step.began_at} />}</Fact>
            <Fact name="Ended">{step.ended_at && <Moment of={step.ended_at} />}</Fact>
            <Fact name="Attempts">{step.attempts > 0 && step.attempts}</Fact>
            <Fact name="Model">{step.model}</Fact>
            <Fact name="Fallback">{step.fallback && <a href={to("agents", step.fallback)}>{step.fallback}</a>}</Fact>
            <Fact name="Tokens">{step.usage.input_tokens + step.usage.output_tokens > 0 && <Tokens usage={step.usage} />}</Fact>
            <Fact name="Skipped">{step.skipped && `because of ${words(step.skipped)}`}</Fact>
          </Facts>
          {step.error && (
            <p class="run-error">
              {step.error.status} {step.error.detail}
              {step.error.errors?.map((error) => <span key={error.pointer}> <code>{error.pointer || "/"}</code> {error.detail}</span>)}
            </p>
          )}
          {remarks.length > 0 && <ul class="plain">{remarks.map((text, n) => <li key={n}>{text}</li>)}</ul>}
          {input !== undefined && <><h3>Input</h3><Code label={`Input of ${step.step}`} text={json(input)} /></>}
          {step.output !== null && <><h3>Output</h3><Code label={`Output of ${step.step}`} text={shown(step.output)} /></>}
        </div>
      </details>
    </li>
  );
}

function remark(event: StepEvent): string {
  switch (event.type) {
    case "step.retried":
      return `Attempt ${event.attempt ?? ""} failed (${event.error?.status ?? ""} ${event.error?.detail ?? ""}); the next one follows in ${duration(event.pause_ms ?? 0)}.`;
    case "action.resolved": return `It is ${words(event.outcome ?? "over")}${event.by ? ` by ${event.by}` : ""}.`;
    case "step.fallback": return `${event.agent ?? "Another agent"} is asked instead: ${event.error?.detail ?? ""}`;
    case "policy.applied": return `${words(event.policy ?? "")}: ${event.detail ?? ""}`;
    case "handoff.started": return `${event.from ?? ""} hands a task to ${event.to ?? ""}.`;
    case "handoff.completed": return `The task came back from ${event.to ?? ""}${event.is_error ? ": it failed" : ""}.`;
    default: return "";
  }
}
