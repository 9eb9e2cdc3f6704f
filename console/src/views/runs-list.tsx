import { useEffect, useId, useState } from "preact/hooks";

import { Empty, FailureBox, Loading, Moment, Status, Title } from "../parts/elements.tsx";
import { useInterval, useLoad } from "../parts/hooks.ts";
import { replaceAddress, to } from "../parts/route.ts";
import { duration, words } from "../parts/text.ts";
import { failureOf, load, type Failure } from "../service/client.ts";
import { useService } from "../service/context.ts";
import { isOver, RUN_STATUSES, type RunSummary } from "../service/types.ts";

/** How often a list with unfinished runs is read anew, in milliseconds. */
const INTERVAL = 2000;

const AGES = [["", "any time"], ["3600", "the last hour"], ["86400", "the last day"], ["604800", "the last week"]] as const;

export function RunsList({ query }: { query: URLSearchParams }) {
  const { data } = useService();
  const [filters, setFilters] = useState(query);
  const id = useId();
  const set = (name: string, value: string): void => {
    const next = new URLSearchParams(filters);
    if (value) next.set(name, value);
    else next.delete(name);
    setFilters(next);
    replaceAddress(`${to("runs")}${next.size ? `?${next}` : ""}`);
  };
  const choice = (name: string, label: string, choices: readonly (readonly [string, string])[]) => (
    <div class="field">
      <label for={`${id}-${name}`}>{label}</label>
      <select id={`${id}-${name}`} value={filters.get(name) ?? ""} onChange={(event) => set(name, event.currentTarget.value)}>
        {choices.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
    </div>
  );
  return (
    <>
      <Title of="Runs">Runs</Title>
      {data.workflows.length === 0
        ? <Empty>This service has no workflows, and so it has no runs.</Empty>
        : (
          <>
            <div class="filters" role="group" aria-label="Filter">
              {choice("workflow", "Workflow", [["", "any"], ...data.workflows.map(({ name }) => [name, name] as const)])}
              {choice("status", "Status", [["", "any"], ...RUN_STATUSES.map((status) => [status, words(status)] as const)])}
              {choice("age", "Started in", AGES)}
            </div>
            <Runs filters={filters} showWorkflow />
          </>
        )}
    </>
  );
}

/** The path of a page. A time span ends now, whenever the page is read. */
function pathOf(filters: URLSearchParams, cursor?: string): string {
  const query = new URLSearchParams(filters);
  const age = Number(query.get("age"));
  query.delete("age");
  if (age) query.set("since", new Date(Date.now() - age * 1000).toISOString());
  if (cursor) query.set("cursor", cursor);
  return `/v1/runs${query.size ? `?${query}` : ""}`;
}

interface RunPageData {
  runs: RunSummary[];
  next_cursor: string | null;
}

export function Runs({ filters, showWorkflow }: { filters: URLSearchParams; showWorkflow: boolean }) {
  const key = filters.toString();
  const first = useLoad<RunPageData>(key, (signal) => load(pathOf(filters), signal));
  const [later, setLater] = useState<RunSummary[]>([]);
  const [cursor, setCursor] = useState<string | null | undefined>();
  const [failure, setFailure] = useState<Failure>();
  useEffect(() => { setLater([]); setCursor(undefined); }, [key]);
  const known = new Set(first.data?.runs.map((run) => run.run_id));
  const runs = [...(first.data?.runs ?? []), ...later.filter((run) => !known.has(run.run_id))];
  useInterval(runs.some((run) => !isOver(run.status)) ? INTERVAL : 0, first.reload);
  const next = cursor === undefined ? first.data?.next_cursor : cursor;
  const more = async (): Promise<void> => {
    try {
      const page = await load<RunPageData>(pathOf(filters, next ?? ""));
      setLater((before) => [...before, ...page.runs]);
      setCursor(page.next_cursor);
      setFailure(undefined);
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  if (first.failure && !first.data) return <FailureBox failure={first.failure} retry={first.reload} />;
  if (!first.data) return <Loading what="the runs" />;
  return (
    <>
      <div class="buttons"><button type="button" class="quiet" onClick={first.reload}>Refresh</button></div>
      {runs.length === 0 && <Empty>There are no such runs.</Empty>}
      <ul class="rows runs" aria-label="Runs">
        {runs.map((run) => (
          <li key={run.run_id}>
            <Status of={run.status} />
            <a href={to("runs", run.run_id)}>{showWorkflow ? run.workflow : run.run_id.slice(-12)}<span class="hidden"> {run.run_id}</span></a>
            <span class="soft">
              <Moment of={run.created_at} />
              {run.ended_at && `, ${duration(Date.parse(run.ended_at) - Date.parse(run.created_at))}`}
            </span>
            {run.error && <span class="run-error">{run.error}</span>}
          </li>
        ))}
      </ul>
      {failure && <FailureBox failure={failure} />}
      {next && !filters.has("limit") && <button type="button" onClick={() => void more()}>Show more</button>}
    </>
  );
}
