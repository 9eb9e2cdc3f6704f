// A conversation with an agent through its `invoke` endpoint: what is said, and what happens meanwhile.

import { useEffect, useRef, useState } from "preact/hooks";

import { Confirmed, CopyCurl, Empty, FailureBox, Loading, Moment, Tokens } from "../parts/elements.tsx";
import { useLoad } from "../parts/hooks.ts";
import { replaceAddress, to } from "../parts/route.ts";
import { plural, words } from "../parts/text.ts";
import { call, Failure, failureOf, isAbort, load, post, type Request } from "../service/client.ts";
import { events } from "../service/events.ts";
import type { AgentDetail, Json, Message, PendingAction, Problem, Session, Usage } from "../service/types.ts";
import { Answer } from "./pending-actions.tsx";

type AgentEvent =
  | { type: "run.started"; run_id: string; agent: string; model: string }
  | { type: "output.delta"; text: string }
  | { type: "tool.started"; call_id: string; tool: string; arguments: Json }
  | { type: "tool.completed"; call_id: string; tool: string; is_error: boolean }
  | { type: "handoff.started"; call_id: string; from: string; to: string }
  | { type: "handoff.completed"; call_id: string; from: string; to: string; is_error: boolean }
  | { type: "passages.retrieved"; passages: { id: string; score: number }[] }
  | { type: "policy.applied"; policy: string; model?: string; detail: string }
  | { type: "action.required"; run_id: string; action: PendingAction }
  | { type: "action.resolved"; run_id: string; action: string; outcome: string }
  | { type: "run.completed"; run_id: string; stop_reason: string; usage: Usage; output: { output?: string; session_id?: string; model?: string } }
  | { type: "run.failed"; run_id: string; usage: Usage; problem: Problem };

/** Something that happened between the texts of an answer. */
interface Activity {
  key: string;
  kind: "tool" | "handoff" | "passages" | "policy";
  title: string;
  detail: string;
  state: "running" | "done" | "failed";
}

interface Turn extends Message {
  model?: string;
  usage?: Usage;
  stopReason?: string;
  activities?: Activity[];
  failure?: Failure;
  isOpen?: boolean;
  /** What the run waits for. */
  waits?: { run: string; action: PendingAction }[];
}

export function Chat({ agent, session }: { agent: AgentDetail; session: string | undefined }) {
  const invoke = agent.endpoints.find(({ name }) => name === "invoke");
  if (!invoke) {
    return <Empty>This agent takes no free text. <a href={to("agents", agent.name, "contract")}>Its endpoints</a> can be tried one by one.</Empty>;
  }
  return <Conversations agent={agent} session={session} path={invoke.path} streams={invoke.stream} />;
}

function Conversations({ agent, session, path, streams }: {
  agent: AgentDetail;
  session: string | undefined;
  path: string;
  streams: boolean;
}) {
  // A conversation that a first message began is not read again: it is on the screen.
  const [current, setCurrent] = useState({ id: session, view: 0, isKnown: false });
  const [count, setCount] = useState(0);
  const show = (id: string | undefined): void => setCurrent(({ view }) => ({ id, view: view + 1, isKnown: false }));
  useEffect(() => { if (session !== current.id) show(session); }, [session]);
  const base = `/v1/agents/${encodeURIComponent(agent.name)}/sessions`;
  const [pages, setPages] = useState<Session[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const first = useLoad<{ sessions: Session[]; next_cursor: string | null }>(
    `${base} ${count}`, (signal) => load(`${base}?limit=20`, signal));
  useEffect(() => {
    if (!first.data) return;
    setPages(first.data.sessions);
    setCursor(first.data.next_cursor);
  }, [first.data]);
  const more = async (): Promise<void> => {
    const page = await load<{ sessions: Session[]; next_cursor: string | null }>(`${base}?limit=20&cursor=${cursor ?? ""}`);
    setPages((before) => [...before, ...page.sessions]);
    setCursor(page.next_cursor);
  };
  const [deleteFailure, setDeleteFailure] = useState<Failure>();
  const remove = (id: string): void => {
    setDeleteFailure(undefined);
    call({ method: "DELETE", path: `${base}/${encodeURIComponent(id)}`, headers: {} }).then(() => {
      setPages((before) => before.filter((one) => one.id !== id));
      if (id === current.id) open(undefined);
    }, (error: unknown) => setDeleteFailure(failureOf(error)));
  };
  const open = (id: string | undefined): void => {
    show(id);
    replaceAddress(id ? to("agents", agent.name, "chat", id) : to("agents", agent.name, "chat"));
  };
  return (
    <div class="with-side chat-columns">
      <nav class="outline" aria-label="Conversations">
        <h2>Conversations</h2>
        <button type="button" onClick={() => open(undefined)}>New conversation</button>
        {first.failure && <FailureBox failure={first.failure} retry={first.reload} />}
        {deleteFailure && <FailureBox failure={deleteFailure} />}
        <ul class="sessions">
          {pages.map((one) => (
            <li key={one.id} class={one.id === current.id ? "current" : ""}>
              <button type="button" class="link" aria-current={one.id === current.id ? "true" : undefined} onClick={() => open(one.id)}>
                <Moment of={one.updated_at} />
              </button>
              <span class="soft">{plural(one.message_count, "message")}</span>
              <Confirmed label="Delete" question="Delete this conversation and everything that was said in it?" act={() => remove(one.id)} />
            </li>
          ))}
        </ul>
        {first.data && pages.length === 0 && <p class="soft">None yet.</p>}
        {cursor && <button type="button" class="quiet" onClick={() => void more()}>Show more</button>}
      </nav>
      <Talk key={current.view} agent={agent} path={path} streams={streams} session={current.id} isKnown={current.isKnown}
        answered={(id) => {
          if (id && id !== current.id) {
            setCurrent(({ view }) => ({ id, view, isKnown: true }));
            replaceAddress(to("agents", agent.name, "chat", id));
          }
          setCount((before) => before + 1);
        }} />
    </div>
  );
}

function Talk({ agent, path, streams, session, isKnown, answered }: {
  agent: AgentDetail;
  path: string;
  streams: boolean;
  session: string | undefined;
  /** Whether all that was said in the session is on the screen already. */
  isKnown: boolean;
  answered: (session: string | undefined) => void;
}) {
  const [turns, setTurns] = useState<Turn[]>([]);
  const [input, setInput] = useState("");
  const [isRunning, setRunning] = useState(false);
  const [said, setSaid] = useState("");
  const [loadFailure, setLoadFailure] = useState<Failure>();
  const [isLoading, setLoading] = useState(session !== undefined && !isKnown);
  const running = useRef<AbortController | null>(null);
  const log = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    if (session === undefined || isKnown) return undefined;
    const abort = new AbortController();
    setLoading(true);
    history(agent.name, session, abort.signal).then(
      (messages) => { setTurns(messages); setLoading(false); },
      (error: unknown) => {
        if (isAbort(error)) return;
        setLoadFailure(failureOf(error));
        setLoading(false);
      });
    return () => abort.abort();
  }, []);
  useEffect(() => () => running.current?.abort(), []);
  useEffect(() => { log.current?.scrollTo({ top: log.current.scrollHeight }); }, [turns]);

  const last = (change: (turn: Turn) => Turn): void =>
    setTurns((before) => before.map((turn, n) => (n === before.length - 1 ? change(turn) : turn)));

  const request = (text: string): Request =>
    post(streams ? `${path}/stream` : path, { input: text, ...(session !== undefined && { session_id: session }) },
      streams ? "text/event-stream" : "application/json");

  const ask = async (): Promise<void> => {
    const text = input.trim();
    if (text === "" || isRunning) return;
    const abort = new AbortController();
    running.current = abort;
    setInput("");
    setRunning(true);
    setSaid(`${agent.name} answers`);
    setTurns((before) => [...before, { role: "user", text }, { role: "assistant", text: "", isOpen: true }]);
    let answer = "";
    // A run that asks goes on until it is cancelled.
    let asked: string | undefined;
    try {
      const response = await call(request(text), abort.signal);
      for await (const event of answerOf(response)) {
        if (event.type === "output.delta") answer += event.text;
        last((turn) => apply(turn, event));
        if (event.type === "run.completed") answered(event.output.session_id);
        if (event.type === "tool.started") setSaid(`Tool ${event.tool} is called`);
        if (event.type === "action.required") {
          asked = event.run_id;
          setSaid(`${agent.name} asks: ${event.action.prompt ?? ""}`);
        }
        if (event.type === "handoff.started") setSaid(`${event.from} hands a task to ${event.to}`);
      }
      last((turn) => (turn.isOpen
        ? { ...turn, isOpen: false, failure: new Failure({ status: 0, title: "The connection was lost before the answer was complete" }) }
        : turn));
      setSaid(`${agent.name} said: ${answer.slice(0, 300)}`);
    } catch (error) {
      const wasStopped = isAbort(error);
      if (wasStopped && asked !== undefined) call(post(`/v1/runs/${asked}/cancel`, {})).catch(() => undefined);
      setSaid(wasStopped ? "Stopped" : "The question was not answered");
      last((turn) => ({ ...turn, isOpen: false, ...(wasStopped ? { stopReason: "stopped here" } : { failure: failureOf(error) }) }));
      if (!wasStopped && answer === "") setInput(text);
    } finally {
      setRunning(false);
      field.current?.focus();
    }
  };

  return (
    <section class="talk" aria-label={`Chat with ${agent.name}`}>
      <div class="log" ref={log} tabIndex={0} role="group" aria-label="Messages">
        {isLoading && <Loading what="the conversation" />}
        {loadFailure && <FailureBox failure={loadFailure} />}
        {!isLoading && !loadFailure && turns.length === 0 && (
          <div class="suggestions">
            <p class="soft">Ask {agent.name} something{agent.examples.length > 0 ? ", for example:" : "."}</p>
            {agent.examples.slice(0, 4).map((example) => (
              <button key={example} type="button" onClick={() => { setInput(example); field.current?.focus(); }}>{example}</button>
            ))}
          </div>
        )}
        {turns.map((turn, n) => <TurnView key={n} turn={turn} agent={agent.name} />)}
      </div>
      <p class="hidden" role="status">{said}</p>
      <form class="composer" onSubmit={(event) => { event.preventDefault(); void ask(); }}>
        <label for="message" class="hidden">Message to {agent.name}</label>
        <textarea id="message" ref={field} rows={Math.min(8, Math.max(2, input.split("\n").length))} placeholder={`Message to ${agent.name}`}
          value={input} aria-describedby="message-hint" onInput={(event) => setInput(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); void ask(); }
          }} />
        <div class="buttons">
          <button type="submit" class="main-button" disabled={isRunning || input.trim() === ""}>Send</button>
          {isRunning && <button type="button" onClick={() => running.current?.abort()}>Stop</button>}
          <CopyCurl request={() => request(input)} />
          <span class="soft" id="message-hint">Enter sends, Shift+Enter begins a line</span>
        </div>
      </form>
    </section>
  );
}

/** The events of an answer; of one that is no stream, the one with the whole answer. */
async function* answerOf(response: Response): AsyncGenerator<AgentEvent> {
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
    for await (const { data } of events(response)) yield JSON.parse(data) as AgentEvent;
    return;
  }
  const output = (await response.json()) as { output: string; run_id: string; stop_reason: string; usage: Usage };
  yield { type: "output.delta", text: output.output };
  yield { type: "run.completed", run_id: output.run_id, stop_reason: output.stop_reason, usage: output.usage, output };
}

async function history(agent: string, session: string, signal: AbortSignal): Promise<Turn[]> {
  const path = `/v1/agents/${encodeURIComponent(agent)}/sessions/${encodeURIComponent(session)}/messages?limit=100`;
  const turns: Turn[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: { messages: Message[]; next_cursor: string | null } = await load(cursor ? `${path}&cursor=${cursor}` : path, signal);
    turns.push(...page.messages);
    cursor = page.next_cursor;
  }
  return turns;
}

function apply(turn: Turn, event: AgentEvent): Turn {
  const activities = turn.activities ?? [];
  const add = (activity: Activity): Turn => ({ ...turn, activities: [...activities, activity] });
  const end = (key: string, isError: boolean): Turn => ({
    ...turn,
    activities: activities.map((one) => (one.key === key ? { ...one, state: isError ? "failed" : "done" } : one)),
  });
  switch (event.type) {
    case "run.started": return { ...turn, model: event.model };
    case "output.delta": return { ...turn, text: turn.text + event.text };
    case "tool.started":
      return add({ key: `tool ${event.call_id}`, kind: "tool", title: event.tool, detail: JSON.stringify(event.arguments), state: "running" });
    case "tool.completed": return end(`tool ${event.call_id}`, event.is_error);
    case "handoff.started":
      return add({ key: `handoff ${event.call_id}`, kind: "handoff", title: `${event.from} → ${event.to}`, detail: "", state: "running" });
    case "handoff.completed": return end(`handoff ${event.call_id}`, event.is_error);
    case "passages.retrieved": {
      const found = event.passages.map(({ id, score }) => `${id} (${score.toFixed(2)})`).join(", ");
      return add({ key: `passages ${activities.length}`, kind: "passages", title: plural(event.passages.length, "passage"), detail: found, state: "done" });
    }
    case "policy.applied":
      return add({ key: `policy ${activities.length}`, kind: "policy", title: event.policy, detail: event.detail, state: "done" });
    case "action.required":
      return { ...turn, waits: [...(turn.waits ?? []), { run: event.run_id, action: event.action }] };
    case "action.resolved":
      return { ...turn, waits: (turn.waits ?? []).filter(({ action }) => action.id !== event.action) };
    case "run.completed":
      return {
        ...turn, isOpen: false, usage: event.usage, stopReason: event.stop_reason,
        text: event.output.output ?? turn.text, ...(event.output.model && { model: event.output.model }),
      };
    case "run.failed": return { ...turn, isOpen: false, usage: event.usage, failure: new Failure(event.problem) };
    default: return turn;
  }
}

const STATES = { running: "…", done: "✓", failed: "✕" };

function TurnView({ turn, agent }: { turn: Turn; agent: string }) {
  const isUser = turn.role === "user";
  return (
    <article class={`turn ${turn.role}`} aria-label={isUser ? "You" : agent} aria-busy={turn.isOpen ?? false}>
      <h3>{isUser ? "You" : agent}</h3>
      {(turn.activities ?? []).length > 0 && (
        <ul class="activities">
          {turn.activities?.map((activity) => (
            <li key={activity.key} class={activity.state}>
              <span class="kind">{activity.kind}</span> <strong>{activity.title}</strong>{" "}
              <span aria-hidden="true">{STATES[activity.state]}</span>
              <span class="hidden">{activity.state}</span>
              {activity.detail && <code>{activity.detail}</code>}
            </li>
          ))}
        </ul>
      )}
      {turn.text && <p class="bubble">{turn.text}</p>}
      {turn.isOpen && turn.waits?.map(({ run, action }) => <Answer key={action.id} run={run} action={action} done={() => undefined} />)}
      {turn.isOpen && turn.text === "" && !turn.waits?.length && <p class="waiting soft">Waiting for the first words</p>}
      {turn.failure && <FailureBox failure={turn.failure} />}
      {!isUser && !turn.isOpen && (turn.usage || turn.stopReason) && (
        <p class="soft tags">
          {turn.model && <span>{turn.model}</span>}
          {turn.usage && <span><Tokens usage={turn.usage} /></span>}
          {turn.stopReason && turn.stopReason !== "end_turn" && <span>{words(turn.stopReason)}</span>}
        </p>
      )}
    </article>
  );
}
