// What the service answers with: `/console/...` in full, and of the public API what the console shows.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  estimated?: boolean;
}

export interface Violation {
  pointer: string;
  detail: string;
}

/** RFC 9457. */
export interface Problem {
  title: string;
  status: number;
  detail?: string;
  requestId?: string;
  errors?: Violation[];
}

/** `/console/service` */
export interface ServiceData {
  version: string;
  /** Whether agents are read from files while the service runs. */
  live: boolean;
  agents: AgentEntry[];
  workflows: Workflow[];
  diagnostics: Diagnostic[];
}

export interface AgentEntry {
  name: string;
  description: string;
  model: string | null;
  /** The model that answers. */
  answered_by: string;
  tokens: number;
  prompt_sha256: string;
  /** The ids of its operations in the OpenAPI document. */
  operations: string[];
}

export interface Diagnostic {
  severity: "error" | "warning" | "note";
  code: string;
  message: string;
  file: string;
  line: number | null;
  agent: string | null;
}

export interface Rate {
  requests: number;
  seconds: number;
}

/** `/console/agents/{agent}` */
export interface AgentDetail {
  name: string;
  title: string;
  description: string;
  model: string | null;
  answered_by: string;
  tokens: number;
  prompt: string;
  prompt_sha256: string;
  examples: string[];
  tools: string[] | null;
  denied_tools: string[];
  agents: string[];
  documents: { collection: string; roles: string[] } | null;
  policy: Policy;
  endpoints: Endpoint[];
}

export interface Policy {
  fallbacks: string[];
  retry_attempts: number;
  retry_backoff_ms: number;
  breaker_failures: number;
  breaker_cooldown_ms: number;
  timeout_ms: number | null;
  budget_tokens: number | null;
  budget_turns: number | null;
  rate: Rate | null;
  history_tokens: number | null;
  session_ttl_seconds: number | null;
}

export interface Endpoint {
  name: string;
  operation_id: string;
  method: string;
  path: string;
  status: number;
  stream: boolean;
  handler: string;
  session: "none" | "input" | "input_and_output";
  roles: string[];
  rate: Rate | null;
  timeout_ms: number | null;
  errors: { code: string; status: number; title: string }[];
}

export interface Workflow {
  name: string;
  operation_id: string;
  agent: string;
  roles: string[];
  concurrency: number | null;
  timeout_ms: number | null;
  steps: Step[];
}

export interface Step {
  id: string;
  agent: string | null;
  endpoint: string | null;
  /** What the step waits for, in words; null where it calls agents. */
  waits_for: string | null;
  /** The list for each item of which it calls its agent. */
  for_each: string | null;
  /** The plan that it carries out. */
  plan: { from: string; agents: string[] } | null;
  needs: string[];
  join: string;
  when: string | null;
  attempts: number;
  backoff_ms: number;
  timeout_ms: number | null;
  on_failure: string;
}

/** `/console/runs/{run_id}` */
export interface RunInputs {
  input: Json;
  /** The requests of the steps that began, by step. */
  steps: Record<string, Json>;
}

export type RunStatus =
  "queued" | "running" | "waiting" | "paused" | "completed" | "completed_with_failures" | "failed" | "escalated" | "cancelled";
export const RUN_STATUSES: RunStatus[] =
  ["queued", "running", "waiting", "paused", "completed", "completed_with_failures", "failed", "escalated", "cancelled"];
export type StepStatus = "pending" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "cancelled";

export interface RunSummary {
  run_id: string;
  workflow: string;
  status: RunStatus;
  error?: string;
  created_at: string;
  ended_at?: string;
}

export interface RunReport extends RunSummary {
  attempts: number;
  usage: Usage;
  parent?: string;
  steps: StepReport[];
  actions?: PendingAction[];
}

/** What a run waits for. */
export interface PendingAction {
  id: string;
  step: string;
  kind: "approval" | "question" | "event" | "timer" | "run";
  prompt?: string;
  /** The tool call that it is about. */
  tool_call?: { call_id: string; agent: string; tool: string; arguments: Json; may_have_run?: boolean };
  event?: string;
  run?: string;
  schema?: Json;
  roles?: string[];
  expires_at?: string;
}

export interface StepReport {
  step: string;
  agent?: string;
  endpoint?: string;
  status: StepStatus;
  needs?: string[];
  skipped?: string;
  output: Json;
  error?: { status: number; detail: string; errors?: Violation[] };
  fallback?: string;
  model?: string;
  attempts: number;
  began_at?: string;
  ended_at?: string;
  usage: Usage;
}

export interface Session {
  id: string;
  agent: string;
  message_count: number;
  created_at: string;
  updated_at: string;
  expires_at: string;
}

export interface Message {
  role: "user" | "assistant";
  text: string;
}

export const isOver = (status: RunStatus): boolean => !["queued", "running", "waiting", "paused"].includes(status);
