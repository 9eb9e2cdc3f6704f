// Small parts that all views have in common.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { curl, type Failure, type Request } from "../service/client.ts";
import type { RunStatus, StepStatus, Usage } from "../service/types.ts";
import { moment, plural, words } from "./text.ts";

/** The heading of a view. It gets the focus when the view opens, so that a screen reader begins there. */
export function Title({ children, of }: { children: ComponentChildren; of: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${of} · Console`;
    heading.current?.focus();
  }, [of]);
  return <h1 ref={heading} tabIndex={-1}>{children}</h1>;
}

const ADVICE: Record<number, string> = {
  0: "Is the service running, and is there a connection to it?",
  401: "The token is missing, wrong or expired. Enter another one at the top of the page.",
  403: "The token lacks a role that this needs.",
  404: "It is not there, or it belongs to another caller.",
  409: "Something else is under way. Try again when it has ended.",
  429: "There were too many requests. Wait a little.",
  502: "The provider of the model failed.",
  503: "The service has too much to do, or it is stopping.",
  504: "Time was up before there was an answer.",
};

export function FailureBox({ failure, retry }: { failure: Failure; retry?: () => void }) {
  return (
    <div class="failure" role="alert">
      <p class="failure-title">{failure.status ? `${failure.status} ` : ""}{failure.title}</p>
      {failure.message !== failure.title && <p>{failure.message}</p>}
      {failure.errors.length > 0 && (
        <ul class="violations">
          {failure.errors.map((error) => <li key={error.pointer}><code>{error.pointer || "/"}</code> {error.detail}</li>)}
        </ul>
      )}
      {ADVICE[failure.status] && <p class="soft">{ADVICE[failure.status]}</p>}
      {failure.retryAfter !== undefined && <p class="soft">Worth another try in {plural(failure.retryAfter, "second")}.</p>}
      {failure.requestId && <p class="soft">Request <code>{failure.requestId}</code></p>}
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return <p class="soft" role="status">Loading {what}…</p>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** Copies a text, and says that it did. */
export function Copy({ text, label }: { text: () => string; label: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(""), 2500);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = (): void => {
    navigator.clipboard.writeText(text()).then(() => setSaid("Copied"), () => setSaid("The browser does not allow it"));
  };
  return (
    <span class="copy">
      <button type="button" class="quiet" onClick={copy}>{label}</button>
      <span class="said" role="status">{said}</span>
    </span>
  );
}

export const CopyCurl = ({ request }: { request: () => Request }) => <Copy label="Copy as curl" text={() => curl(request())} />;

/** Text in a box of its own, which can be scrolled with the keyboard. */
export function Code({ text, label }: { text: string; label: string }) {
  return <pre tabIndex={0} role="region" aria-label={label}><code>{text}</code></pre>;
}

const GLYPHS: Record<string, string> = {
  pending: "○", queued: "○", running: "◐", waiting: "?", paused: "‖", succeeded: "✓", completed: "✓", completed_with_failures: "!",
  failed: "✕", escalated: "!", skipped: "–", cancelled: "■",
};

export const glyph = (status: RunStatus | StepStatus): string => GLYPHS[status] ?? "?";

export function Status({ of }: { of: RunStatus | StepStatus }) {
  return <span class={`status ${of}`}><span aria-hidden="true">{glyph(of)}</span> {words(of)}</span>;
}

export function Tokens({ usage }: { usage: Usage }) {
  const about = usage.estimated ? "about " : "";
  return <>{about}{usage.input_tokens.toLocaleString("en")} in, {usage.output_tokens.toLocaleString("en")} out</>;
}

export const Moment = ({ of }: { of: string }) => <time dateTime={of}>{moment(of)}</time>;

export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

/** A fact; none without a value. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  const isEmpty = children === null || children === undefined || children === false || children === "";
  return isEmpty ? null : <div><dt>{name}</dt><dd>{children}</dd></div>;
}

/** A button that asks before it does what can't be undone. */
export function Confirmed({ label, question, act, disabled = false }: {
  label: string;
  question: string;
  act: () => void;
  disabled?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  return (
    <>
      <button type="button" class="danger" disabled={disabled} onClick={() => dialog.current?.showModal()}>{label}</button>
      <dialog ref={dialog} aria-labelledby={id}>
        <p id={id}>{question}</p>
        <form method="dialog" class="buttons">
          <button type="submit" class="danger" onClick={act}>{label}</button>
          <button type="submit">Keep it</button>
        </form>
      </dialog>
    </>
  );
}

export function Method({ of }: { of: string }) {
  return <span class={`method ${of.toLowerCase()}`}>{of}</span>;
}

/** A path that may break behind its slashes. */
export function Path({ of }: { of: string }) {
  return <code class="path">{of.split(/(?<=\/)/).map((part, n) => <>{n > 0 && <wbr />}{part}</>)}</code>;
}
