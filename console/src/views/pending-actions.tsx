// What a run waits for: questions to answer, events to send, moments.

import { useState } from "preact/hooks";

import { Code, CopyCurl, FailureBox, Moment } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { Field } from "../schema/fields.tsx";
import { initial } from "../schema/schema-kinds.ts";
import { call, failureOf, post, type Failure } from "../service/client.ts";
import type { Document, Schema } from "../service/openapi.ts";
import type { Json, PendingAction, RunReport } from "../service/types.ts";

export function PendingActions({ run, done }: { run: RunReport; done: () => void }) {
  const actions = run.actions ?? [];
  if (actions.length === 0) return null;
  return (
    <>
      <h2>Waiting for</h2>
      {actions.map((action) => {
        if (action.kind === "timer") return <p key={action.id} class="card"><strong>{action.step}</strong> waits until {action.expires_at && <Moment of={action.expires_at} />}.</p>;
        if (action.kind === "run") return <p key={action.id} class="card"><strong>{action.step}</strong> waits for <a href={to("runs", action.run ?? "")}>another run</a>.</p>;
        return <Answer key={action.id} run={run.run_id} action={action} done={done} />;
      })}
    </>
  );
}

/** A form with which somebody answers what the run with the id `run` waits for. */
export function Answer({ run, action, done }: { run: string; action: PendingAction; done: () => void }) {
  const schema = (action.schema ?? {}) as Schema;
  // References in the schema begin at its own root.
  const document = schema as unknown as Document;
  const [value, setValue] = useState<Json | undefined>(() => initial(document, schema));
  const [failure, setFailure] = useState<Failure>();
  const [isSending, setSending] = useState(false);
  const runs = `/v1/runs/${run}`;
  const path = action.kind === "event" ? `${runs}/events/${encodeURIComponent(action.event ?? "")}` : `${runs}/actions/${action.id}`;
  const request = () => post(path, value ?? null);
  const send = async (): Promise<void> => {
    setSending(true);
    setFailure(undefined);
    try {
      await call(request());
      done();
    } catch (error) {
      setFailure(failureOf(error));
      setSending(false);
    }
  };
  const errors = new Map((failure?.errors ?? []).map(({ pointer, detail }) => [pointer, detail]));
  const title = action.kind === "event" ? `The event ${action.event ?? ""}` : action.prompt ?? "A question";
  return (
    <form class="request card" noValidate aria-label={`Answer ${action.step}`} onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <h3 class="pre-line">{title}</h3>
      <p class="soft">
        Asked by {action.tool_call?.agent ?? action.step}.
        {action.roles?.length ? ` Needs one of the roles ${action.roles.join(", ")}.` : ""}
        {action.expires_at && <> Until <Moment of={action.expires_at} />.</>}
      </p>
      {action.kind === "approval" && action.tool_call && (
        <Code label={`Input of ${action.tool_call.tool}`} text={JSON.stringify(action.tool_call.arguments, null, 2)} />
      )}
      <Field document={document} schema={schema} value={value} set={setValue} label={action.kind === "event" ? "What is sent" : "Answer"}
        required pointer="" errors={errors} />
      {failure && <FailureBox failure={failure} />}
      <div class="buttons">
        <button type="submit" class="main-button" disabled={isSending}>{action.kind === "event" ? "Send" : "Answer"}</button>
        <CopyCurl request={request} />
      </div>
    </form>
  );
}
