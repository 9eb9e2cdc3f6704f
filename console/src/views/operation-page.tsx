import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Code, CopyCurl, FailureBox, Method, Path, Title } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { duration, json } from "../parts/text.ts";
import { RequestFields, useRequestForm } from "../schema/request-form.tsx";
import { failureOf, Failure, isAbort, send } from "../service/client.ts";
import { useService } from "../service/context.ts";
import { events } from "../service/events.ts";
import type { Operation } from "../service/openapi.ts";
import type { Problem } from "../service/types.ts";

export function OperationPage({ id }: { id: string }) {
  const { operations, data } = useService();
  const operation = operations.find((one) => one.id === id);
  if (!operation) return <p>There is no operation {id}. <a href={to("operations")}>All operations</a></p>;
  const owner = data.agents.find((agent) => agent.operations.includes(id) || agent.name === operation.tag)?.name;
  return (
    <>
      <p class="crumbs">
        <a href={to("operations")}>Operations</a>
        {owner && <> / <a href={to("agents", owner, "contract")}>{owner}</a></>}
      </p>
      <Title of={`${operation.method} ${operation.path}`}><Method of={operation.method} /> <Path of={operation.path} /></Title>
      <p class="lead pre-line">{operation.description || operation.summary}</p>
      <Try operation={operation} />
    </>
  );
}

interface Answered {
  status: number;
  title: string;
  ms: number;
  mediaType: string;
  headers: string[];
  text: string;
  problem: Problem | undefined;
}

const SHOWN_HEADERS = ["x-request-id", "location", "ratelimit", "retry-after"];

export function Try({ operation }: { operation: Operation }) {
  const { document } = useService();
  const form = useRequestForm(document, operation);
  const [answer, setAnswer] = useState<Answered>();
  const [failure, setFailure] = useState<Failure>();
  const [streamed, setStreamed] = useState<string[]>([]);
  const running = useRef<AbortController | null>(null);
  const [isRunning, setRunning] = useState(false);
  const box = useRef<HTMLFormElement>(null);
  useEffect(() => () => running.current?.abort(), []);
  const errors = useMemo(
    () => new Map((answer?.problem?.errors ?? []).map(({ pointer, detail }) => [pointer, detail])), [answer]);
  const told = useRef<HTMLElement>(null);
  useEffect(() => { if (answer || failure) told.current?.scrollIntoView({ block: "nearest" }); }, [answer === undefined, failure]);
  useEffect(() => {
    if (errors.size) box.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [errors]);

  const run = async (): Promise<void> => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setAnswer(undefined);
    setFailure(undefined);
    setStreamed([]);
    setRunning(true);
    const began = performance.now();
    try {
      const response = await send(form.request(), abort.signal);
      const mediaType = response.headers.get("content-type")?.split(";")[0] ?? "";
      const headers = SHOWN_HEADERS.flatMap((name) => {
        const value = response.headers.get(name);
        return value ? [`${name}: ${value}`] : [];
      });
      const told = (text: string): Answered => {
        const isProblem = mediaType === "application/problem+json";
        return {
          status: response.status, title: response.statusText, ms: performance.now() - began, mediaType, headers, text,
          problem: isProblem ? (JSON.parse(text) as Problem) : undefined,
        };
      };
      if (mediaType === "text/event-stream") {
        setAnswer(told(""));
        for await (const event of events(response)) {
          if (abort.signal.aborted) return;
          setStreamed((before) => [...before, event.data]);
        }
        setAnswer(told(""));
      } else {
        setAnswer(told(await response.text()));
      }
    } catch (error) {
      if (!isAbort(error)) setFailure(failureOf(error));
    } finally {
      if (running.current === abort) setRunning(false);
    }
  };

  return (
    <div class="try">
      <form ref={box} class="request" noValidate aria-label="Request" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <h2>Request</h2>
        <RequestFields document={document} form={form} errors={errors} />
        <div class="buttons">
          <button type="submit" class="main-button" disabled={isRunning}>Send</button>
          {isRunning && <button type="button" onClick={() => running.current?.abort()}>Stop</button>}
          <CopyCurl request={form.request} />
        </div>
      </form>
      <section class="answer" ref={told} tabIndex={0} aria-label="Answer">
        <h2>Answer</h2>
        <p role="status" class="soft">{isRunning ? "Waiting for the answer…" : answer ? "" : "None yet."}</p>
        {failure && <FailureBox failure={failure} />}
        {answer && <Shown answer={answer} streamed={streamed} />}
      </section>
    </div>
  );
}

function Shown({ answer, streamed }: { answer: Answered; streamed: string[] }) {
  const isGood = answer.status < 400;
  return (
    <>
      <p role="status">
        <span class={`code ${isGood ? "good" : "bad"}`}>{answer.status}</span> {answer.title} <span class="soft">{duration(answer.ms)}</span>
      </p>
      {answer.headers.length > 0 && <p class="soft headers">{answer.headers.map((header) => <span key={header}>{header}</span>)}</p>}
      {answer.problem && <FailureBox failure={new Failure(answer.problem)} />}
      {answer.mediaType === "text/event-stream"
        ? <Events all={streamed} />
        : answer.text !== "" && <Code label="Body of the answer" text={pretty(answer)} />}
    </>
  );
}

function pretty({ mediaType, text }: Answered): string {
  if (!mediaType.endsWith("json")) return text;
  try {
    return json(JSON.parse(text));
  } catch {
    return text;
  }
}

function Events({ all }: { all: string[] }) {
  const parsed = all.map((data) => JSON.parse(data) as { type: string; text?: string });
  const text = parsed.flatMap((event) => (event.type === "output.delta" ? [event.text ?? ""] : [])).join("");
  return (
    <>
      {text && <p class="bubble">{text}</p>}
      <ol class="events">
        {parsed.filter(({ type }) => type !== "output.delta").map((event, n) => (
          <li key={n}><details><summary>{event.type}</summary><Code label={event.type} text={json(event)} /></details></li>
        ))}
      </ol>
    </>
  );
}
