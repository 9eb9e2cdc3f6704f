// A run of a workflow, live: its graph, and what each step was given, gave and took.

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Code, Confirmed, Copy, Fact, Facts, FailureBox, Loading, Moment, Status, Title, Tokens } from "../parts/elements.tsx";
import { useInterval, useLoad, useNow } from "../parts/hooks.ts";
import { to } from "../parts/route.ts";
import { duration, json, words } from "../parts/text.ts";
import { GraphView } from "../graph/graph-view.tsx";
import { call, curl, failureOf, get, isAbort, load, type Failure } from "../service/client.ts";
import { useService } from "../service/context.ts";
import { events } from "../service/events.ts";
import { isOver, RUN_STATUSES, type RunInputs, type RunReport, type RunStatus, type RunSummary, type Step, type StepReport } from "../service/types.ts";
import { PendingActions } from "./pending-actions.tsx";
import { Timeline, type StepEvent } from "./timeline.tsx";
import { secondLine } from "./workflow-page.tsx";

/** How long a lost stream of events is left alone before it is opened again, in milliseconds. */
const RECONNECT = 1500;
/** How often the report is read at most while events arrive, in milliseconds. */
const READ_AT_MOST = 1000;

/** `report` with what the events say that came after it was read. */
function brought(report: RunReport, happened: StepEvent[]): RunReport {
  const steps = new Map(report.steps.map((step) => [step.step, step]));
  for (const event of happened) {
    if (event.type === "step.finished" && event.report) steps.set(event.report.step, event.report);
    const step = steps.get(event.step ?? "");
    const waiting = typeof event.action === "object" ? steps.get(event.action.step) : undefined;
    if (waiting && !["succeeded", "failed", "skipped", "cancelled"].includes(waiting.status)) steps.set(waiting.step, { ...waiting, status: "waiting" });
    if (event.type === "step.started" && step?.status === "pending") steps.set(step.step, { ...step, status: "running" });
  }
  return { ...report, steps: report.steps.map((step) => steps.get(step.step) ?? step) };
}

/** The step that a call for an item or a subtask belongs to: `build` of `build[3]`. */
const stepOf = (id: string): string => (id.endsWith("]") ? id.slice(0, id.indexOf("[")) : id);

/** The steps of the graph: those of the workflow, and before each plan its subtasks, as far as they are known. */
function graphSteps(run: RunReport, steps: Step[]): { report: StepReport; needs: string[] }[] {
  return steps.flatMap((step) => {
    const own = run.steps.filter((report) => stepOf(report.step) === step.id);
    const units = step.plan ? own.filter((report) => report.step !== step.id) : [];
    const needed = units.map((report) => ({ report, needs: report.needs?.length ? report.needs : step.needs }));
    const reports = own.filter((report) => report.step === step.id);
    return [...needed, ...reports.map((report) => ({ report, needs: units.length ? units.map((unit) => unit.step) : step.needs }))];
  });
}

/** What somebody can do with a run, by how it stands. */
const OPERATIONS: [operation: string, label: string, statuses: RunStatus[]][] = [
  ["pause", "Pause", ["queued", "running", "waiting"]],
  ["resume", "Resume", ["paused"]],
  ["retry", "Retry", ["failed", "escalated", "cancelled"]],
  ["restart", "Restart", RUN_STATUSES.filter(isOver)],
];

/** Calls `happened` for each event of the run, until it is over. A stream that breaks, or a run that is retried, goes on where it was. */
function useRunEvents(id: string, attempt: number, happened: (event: StepEvent & { number: string }) => void): boolean {
  const [isLost, setLost] = useState(false);
  const number = useRef("");
  const last = useRef(happened);
  last.current = happened;
  useEffect(() => {
    const abort = new AbortController();
    const follow = async (): Promise<void> => {
      while (!abort.signal.aborted) {
        try {
          const request = get(`/v1/runs/${id}/events`, "text/event-stream");
          if (number.current) request.headers["last-event-id"] = number.current;
          const response = await call(request, abort.signal);
          setLost(false);
          if (response.status === 204) return;
          for await (const event of events(response)) {
            number.current = event.id;
            const parsed = JSON.parse(event.data) as StepEvent;
            last.current({ ...parsed, number: event.id });
            if (parsed.type === "run.finished") return;
          }
        } catch (error) {
          if (isAbort(error)) return;
          const { status } = failureOf(error);
          if (status >= 400 && status < 500 && status !== 408 && status !== 429) return;
          setLost(true);
        }
        await new Promise((done) => setTimeout(done, RECONNECT));
      }
    };
    void follow();
    return () => abort.abort();
  }, [id, attempt]);
  return isLost;
}

export function RunPage({ id }: { id: string }) {
  const { data } = useService();
  const report = useLoad<RunReport>(id, (signal) => load(`/v1/runs/${id}`, signal));
  const inputs = useLoad<RunInputs>(`${id} inputs`, (signal) => load(`/console/runs/${id}`, signal));
  const [happened, setHappened] = useState<StepEvent[]>([]);
  const [said, setSaid] = useState("");
  const [selected, setSelected] = useState<string>();
  const [refused, setRefused] = useState<Failure>();
  const [asked, setAsked] = useState<RunStatus>();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const refresh = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      report.reload();
      inputs.reload();
    }, READ_AT_MOST);
  }, [report.reload, inputs.reload]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const isLost = useRunEvents(id, report.data?.attempts ?? 1, (event) => {
    // What happened to the steps that begin again is in the report.
    setHappened((before) => (event.type === "run.retried" ? [] : [...before, event]));
    if (event.type === "step.started") setSaid(`Step ${event.step} began`);
    if (event.type === "step.finished" && event.report) setSaid(`Step ${event.report.step} ${event.report.status}`);
    if (typeof event.action === "object") setSaid(`Step ${event.action.step} waits`);
    if (event.type === "run.finished") setSaid(`The run is ${words(event.status ?? "over")}`);
    refresh();
  });
  const run = useMemo(() => report.data && brought(report.data, happened), [report.data, happened]);
  const isLive = run !== undefined && !isOver(run.status);
  const now = useNow(isLive);
  // No event tells of a pause and its end.
  useInterval(asked !== undefined && asked === run?.status ? READ_AT_MOST : 0, refresh);
  const select = (step: string): void => {
    setSelected(step);
    const entry = document.querySelector<HTMLDetailsElement>(`[data-entry="${CSS.escape(step)}"]`);
    if (entry) entry.open = true;
    entry?.querySelector<HTMLElement>("summary")?.focus({ preventScroll: true });
    entry?.scrollIntoView({ block: "nearest" });
  };
  const operate = async (operation: string): Promise<void> => {
    setRefused(undefined);
    try {
      const answer = await call({ method: "POST", path: `/v1/runs/${id}/${operation}`, headers: { accept: "application/json" } });
      const { run_id } = await answer.json() as RunSummary;
      if (run_id !== id) location.hash = to("runs", run_id);
      setAsked(run?.status);
      refresh();
    } catch (error) {
      setRefused(failureOf(error));
    }
  };
  if (!run) {
    return (
      <>
        <p class="crumbs"><a href={to("runs")}>Runs</a></p>
        <Title of="Run">Run</Title>
        {report.failure ? <FailureBox failure={report.failure} retry={report.reload} /> : <Loading what="the run" />}
      </>
    );
  }
  const workflow = data.workflows.find(({ name }) => name === run.workflow);
  const waits = new Map(workflow?.steps.map((step) => [step.id, step.waits_for]));
  const knows = run.steps.every(({ step }) => waits.has(stepOf(step)));
  const end = run.ended_at ? Date.parse(run.ended_at) : now;
  return (
    <>
      <p class="crumbs"><a href={to("runs")}>Runs</a> / <a href={to("workflows", run.workflow)}>{run.workflow}</a></p>
      <div class="head-line">
        <Title of={`Run of ${run.workflow}`}>Run of {run.workflow}</Title>
        <Status of={run.status} />
        {OPERATIONS.filter(([, , statuses]) => statuses.includes(run.status)).map(([operation, label]) =>
          <button key={operation} type="button" onClick={() => void operate(operation)}>{label} the run</button>)}
        {isLive && <Confirmed label="Cancel the run" question="Cancel this run? Its unfinished steps are dropped." act={() => void operate("cancel")} />}
      </div>
      <p class="hidden" role="status">{said}</p>
      {isLost && isLive && <p class="lost" role="alert">The connection is lost. What you see may be old; the page tries again.</p>}
      {report.failure && <FailureBox failure={report.failure} retry={report.reload} />}
      {refused && <FailureBox failure={refused} />}
      {run.error && <p class="run-error">{run.error}</p>}
      <Facts>
        <Fact name="Run"><code>{run.run_id}</code></Fact>
        <Fact name="Step of">{run.parent && <a href={to("runs", run.parent)}>another run</a>}</Fact>
        <Fact name="Started"><Moment of={run.created_at} /></Fact>
        <Fact name="Took">{duration(end - Date.parse(run.created_at))}</Fact>
        <Fact name="Tokens"><Tokens usage={run.usage} /></Fact>
        <Fact name="Steps">{`${run.steps.filter(({ status }) => status !== "pending" && status !== "running" && status !== "waiting").length} of ${run.steps.length} ended`}</Fact>
      </Facts>
      {inputs.data && <details class="run-input"><summary>Input of the run</summary><Code label="Input of the run" text={json(inputs.data.input)} /></details>}
      <div class="buttons">
        <Copy label="Copy as curl" text={() => curl(get(`/v1/runs/${id}`))} />
        <Copy label="Copy the report" text={() => json(run)} />
      </div>
      {isLive && <PendingActions run={run} done={refresh} />}
      <h2>Graph</h2>
      {knows
        ? <GraphView label={`Steps of ${run.workflow} and how they stand`} selected={selected} select={select}
            steps={graphSteps(run, workflow?.steps ?? []).map(({ report: step, needs }) => ({ id: step.step, needs, agent: secondLine({ ...step, waits_for: waits.get(step.step) }), status: step.status }))} />
        : <p class="soft">This service does not have the workflow that the run began with; its steps are below.</p>}
      <h2>Timeline</h2>
      <Timeline run={run} waits={waits} inputs={inputs.data} events={happened} now={now} />
    </>
  );
}
