// Calls of the service that the page comes from. All paths are relative, so that a proxy may put the service below a path.

import type { Problem, Violation } from "./types.ts";

const TOKEN = "agentgen.token";

/** A call that was not answered as hoped: refused by the service, or lost on the way (status 0). */
export class Failure extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: Violation[];
  readonly requestId: string | undefined;
  /** Seconds after which it is worth another try. */
  readonly retryAfter: number | undefined;

  constructor(problem: Problem, retryAfter?: number) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
    this.title = problem.title;
    this.errors = problem.errors ?? [];
    this.requestId = problem.requestId;
    this.retryAfter = retryAfter;
  }
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Failure({ status: 0, title: "The service does not answer", detail });
}

/* The token is kept for this tab only, and goes nowhere but to this service. */

export function token(): string {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function setToken(value: string): void {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
}

export interface Request {
  method: string;
  /** Begins with a slash. */
  path: string;
  headers: Record<string, string>;
  body?: string;
}

export const get = (path: string, accept = "application/json"): Request => ({ method: "GET", path, headers: { accept } });

export const post = (path: string, body: unknown, accept = "application/json"): Request => ({
  method: "POST",
  path,
  headers: { accept, "content-type": "application/json" },
  body: JSON.stringify(body),
});

export const url = (path: string): string => `.${path}`;

/** Sends `request`, whatever its status. */
export async function send(request: Request, signal?: AbortSignal): Promise<Response> {
  const headers = new Headers(request.headers);
  if (token()) headers.set("authorization", `Bearer ${token()}`);
  const init: RequestInit = { method: request.method, headers, signal: signal ?? null, credentials: "omit" };
  if (request.body !== undefined) init.body = request.body;
  return fetch(url(request.path), init);
}

/** Sends `request`; an answer that is an error is thrown. */
export async function call(request: Request, signal?: AbortSignal): Promise<Response> {
  const response = await send(request, signal);
  if (!response.ok) throw await refusal(response);
  return response;
}

export async function load<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await call(get(path), signal);
  return response.json() as Promise<T>;
}

async function refusal(response: Response): Promise<Failure> {
  const seconds = Number(response.headers.get("retry-after"));
  const retryAfter = seconds > 0 ? seconds : undefined;
  const fallback: Problem = { status: response.status, title: response.statusText || `Status ${response.status}` };
  const requestId = response.headers.get("x-request-id");
  if (requestId) fallback.requestId = requestId;
  try {
    return new Failure({ ...fallback, ...((await response.json()) as Problem) }, retryAfter);
  } catch {
    return new Failure(fallback, retryAfter);
  }
}

/** `request` for a shell. The token is not part of it: it is read from the variable TOKEN. */
export function curl(request: Request): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const address = new URL(url(request.path), document.baseURI).href;
  const lines = [`curl -sS${request.headers["accept"] === "text/event-stream" ? "N" : ""} ${quote(address)}`];
  if (request.method !== (request.body === undefined ? "GET" : "POST")) lines.push(`-X ${request.method}`);
  for (const [name, value] of Object.entries(request.headers)) lines.push(`-H ${quote(`${name}: ${value}`)}`);
  if (token()) lines.push('-H "authorization: Bearer $TOKEN"');
  if (request.body !== undefined) lines.push(`--data-raw ${quote(request.body)}`);
  return lines.join(" \\\n  ");
}
