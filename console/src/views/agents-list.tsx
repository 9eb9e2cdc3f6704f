import { useId, useState } from "preact/hooks";

import { Empty, Title } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { plural } from "../parts/text.ts";
import { useService } from "../service/context.ts";
import { Diagnostics } from "./diagnostics.tsx";

export function AgentsList() {
  const { data } = useService();
  const [search, setSearch] = useState("");
  const id = useId();
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  const agents = data.agents.filter((agent) => {
    const text = `${agent.name} ${agent.description} ${agent.model ?? ""} ${agent.answered_by}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  return (
    <>
      <div class="head-line">
        <Title of="Agents">Agents</Title>
        <div class="search">
          <label class="hidden" for={id}>Search agents</label>
          <input id={id} type="search" placeholder="Search" autocomplete="off" spellcheck={false} value={search}
            onInput={(event) => setSearch(event.currentTarget.value)} />
          <span class="soft" role="status">{plural(agents.length, "agent")}</span>
        </div>
      </div>
      <Diagnostics all={data.diagnostics} />
      {data.agents.length === 0 && <Empty>This service has no agents.</Empty>}
      {data.agents.length > 0 && agents.length === 0 && <Empty>No agent has all of these words.</Empty>}
      <ul class="cards">
        {agents.map((agent) => {
          const wrong = data.diagnostics.filter((diagnostic) => diagnostic.agent === agent.name && diagnostic.severity === "error").length;
          return (
            <li key={agent.name} class="card">
              <h2><a href={to("agents", agent.name)}>{agent.name}</a></h2>
              <p class="clamp">{agent.description}</p>
              <p class="soft tags">
                <span>{agent.answered_by}</span>
                <span>about {plural(agent.tokens, "token")}</span>
                <span>{plural(agent.operations.length, "endpoint")}</span>
                {wrong > 0 && <span class="bad">{plural(wrong, "error")}</span>}
                <a href={to("agents", agent.name, "chat")} aria-label={`Chat with ${agent.name}`}>Chat</a>
              </p>
            </li>
          );
        })}
      </ul>
    </>
  );
}
