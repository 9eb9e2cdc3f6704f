import type { ComponentChildren } from "preact";

import { Fact, Facts, Method, Path } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { duration, plural, words } from "../parts/text.ts";
import { useService } from "../service/context.ts";
import type { AgentDetail, Endpoint, Policy, Rate } from "../service/types.ts";
import { SchemaMembers } from "../schema/schema-members.tsx";

const rate = ({ requests, seconds }: Rate): string => `${plural(requests, "request")} in ${plural(seconds, "second")}`;

export function Contract({ agent }: { agent: AgentDetail }) {
  return (
    <>
      <h2>Endpoints</h2>
      {agent.endpoints.map((endpoint) => <EndpointCard key={endpoint.operation_id} endpoint={endpoint} />)}
      <h2>Policies</h2>
      <Policies policy={agent.policy} />
      <h2>Reach</h2>
      <Facts>
        <Fact name="Tools">{agent.tools === null ? "any that the service has" : names(agent.tools) || "none"}</Fact>
        <Fact name="Denied tools">{names(agent.denied_tools)}</Fact>
        <Fact name="Hands tasks to">
          {agent.agents.length > 0 && agent.agents.map((name) => <span key={name}><a href={to("agents", name)}>{name}</a> </span>)}
        </Fact>
        <Fact name="Documents">{agent.documents && `collection ${agent.documents.collection}${roles(agent.documents.roles)}`}</Fact>
        <Fact name="Examples">
          {agent.examples.length > 0 && <ul class="plain">{agent.examples.map((example) => <li key={example}>{example}</li>)}</ul>}
        </Fact>
      </Facts>
    </>
  );
}

const names = (list: string[]): string => list.join(", ");
const roles = (list: string[]): string => (list.length ? `, for ${list.join(" or ")}` : "");

function EndpointCard({ endpoint }: { endpoint: Endpoint }) {
  const { operations, document } = useService();
  const operation = operations.find(({ id }) => id === endpoint.operation_id);
  const input = Object.values(operation?.body?.content ?? {})[0]?.schema;
  const output = operation?.answers
    .filter(([status]) => status.startsWith("2"))
    .map(([, answer]) => answer.content?.["application/json"]?.schema)
    .find((schema) => schema !== undefined);
  return (
    <section class="card endpoint" aria-label={`${endpoint.method} ${endpoint.path}`}>
      <h3><Method of={endpoint.method} /> <Path of={endpoint.path} /></h3>
      {operation?.summary && <p>{operation.summary}</p>}
      <Facts>
        <Fact name="Name">{endpoint.name}</Fact>
        <Fact name="Handler">{endpoint.handler}</Fact>
        <Fact name="Answers with">{`${endpoint.status}${endpoint.stream ? ", or a stream of events" : ""}`}</Fact>
        <Fact name="Conversation">{endpoint.session !== "none" && `in ${words(endpoint.session)}`}</Fact>
        <Fact name="Roles">{endpoint.roles.join(" or ")}</Fact>
        <Fact name="Rate">{endpoint.rate && rate(endpoint.rate)}</Fact>
        <Fact name="Time limit">{endpoint.timeout_ms !== null && duration(endpoint.timeout_ms)}</Fact>
        <Fact name="Errors">{endpoint.errors.map(({ status, code }) => `${status} ${code}`).join(", ")}</Fact>
      </Facts>
      <p><a href={to("operations", endpoint.operation_id)}>Try {endpoint.name}</a></p>
      {input && <Shape title="Input"><SchemaMembers document={document} schema={input} /></Shape>}
      {output && <Shape title="Output"><SchemaMembers document={document} schema={output} /></Shape>}
    </section>
  );
}

function Shape({ title, children }: { title: string; children: ComponentChildren }) {
  return <details><summary>{title}</summary>{children}</details>;
}

function Policies({ policy }: { policy: Policy }) {
  return (
    <Facts>
      <Fact name="Attempts">{policy.retry_attempts > 1 ? `${policy.retry_attempts}, the first pause ${duration(policy.retry_backoff_ms)}` : "1"}</Fact>
      <Fact name="Fallbacks">{policy.fallbacks.join(", then ")}</Fact>
      <Fact name="Circuit breaker">
        {policy.breaker_failures > 0 && `after ${plural(policy.breaker_failures, "failure")}, for ${duration(policy.breaker_cooldown_ms)}`}
      </Fact>
      <Fact name="Time limit">{policy.timeout_ms !== null && duration(policy.timeout_ms)}</Fact>
      <Fact name="Budget">
        {[policy.budget_tokens !== null && plural(policy.budget_tokens, "token"), policy.budget_turns !== null && plural(policy.budget_turns, "turn")]
          .filter(Boolean).join(", ")}
      </Fact>
      <Fact name="Rate">{policy.rate && rate(policy.rate)}</Fact>
      <Fact name="History">{policy.history_tokens !== null && plural(policy.history_tokens, "token")}</Fact>
      <Fact name="Idle conversations">{policy.session_ttl_seconds !== null && `deleted after ${duration(policy.session_ttl_seconds * 1000)}`}</Fact>
    </Facts>
  );
}
