import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import { FailureBox, Loading, Title } from "./parts/elements.tsx";
import { useInterval, useLoad } from "./parts/hooks.ts";
import { to, useRoute, type Route } from "./parts/route.ts";
import { load, setToken, token } from "./service/client.ts";
import { ServiceContext, type Service } from "./service/context.ts";
import { operations, type Document } from "./service/openapi.ts";
import type { ServiceData } from "./service/types.ts";
import { AgentPage } from "./views/agent-page.tsx";
import { AgentsList } from "./views/agents-list.tsx";
import { OperationPage } from "./views/operation-page.tsx";
import { OperationsList } from "./views/operations-list.tsx";
import { RunPage } from "./views/run-page.tsx";
import { RunsList } from "./views/runs-list.tsx";
import { WorkflowPage } from "./views/workflow-page.tsx";
import { WorkflowsList } from "./views/workflows-list.tsx";
import "./style.css";

/** How often a service that reads its agents from files is asked for them, in milliseconds. */
const LIVE_INTERVAL = 3000;

function Page() {
  const route = useRoute();
  // Another token may see something else: everything is read anew.
  const [turn, setTurn] = useState(0);
  const document = useLoad<Document>(`document ${turn}`, (signal) => load("/openapi.json", signal));
  const data = useLoad<ServiceData>(`service ${turn}`, (signal) => load("/console/service", signal));
  // A live service is read often and changes seldom: what is the same is the same object, and shows nothing anew.
  const text = JSON.stringify(data.data);
  const current = useMemo(() => data.data, [text]);
  useEffect(() => { if (current?.live) document.reload(); }, [current]);
  const api = document.data;
  const all = useMemo(() => (api ? operations(api) : []), [api]);
  useInterval(current?.live ? LIVE_INTERVAL : 0, data.reload);
  const service = useMemo<Service | null>(
    () => (current && api ? { data: current, document: api, operations: all } : null), [current, api, all]);
  const failure = data.failure ?? document.failure;
  const wantsToken = data.failure?.status === 401;
  const enter = (next: string): void => { setToken(next); setTurn((before) => before + 1); };
  const section = route.parts[0] ?? "agents";
  const links = [["agents", "Agents"], ["workflows", "Workflows"], ["runs", "Runs"], ["operations", "Operations"]] as const;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); window.document.querySelector<HTMLElement>("#main")?.focus(); }}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={to()}>{api?.info.title ?? "Console"}</a>
        <nav aria-label="Console">
          {links.map(([name, label]) => (
            <a key={name} href={to(name)} aria-current={section === name ? "page" : undefined}>{label}</a>
          ))}
          <a href="./docs">API docs</a>
        </nav>
        <TokenForm enter={enter} isWanted={wantsToken} />
      </header>
      <main id="main" tabIndex={-1}>
        {failure && !service && <Title of={api?.info.title ?? "Service"}>{api?.info.title ?? "Service"}</Title>}
        {failure && <FailureBox failure={failure} retry={() => setTurn((before) => before + 1)} />}
        {service
          ? <ServiceContext.Provider value={service}><View key={turn} route={route} /></ServiceContext.Provider>
          : !failure && <Loading what="the service" />}
      </main>
    </>
  );
}

function View({ route }: { route: Route }) {
  const [section, name, part, rest] = route.parts;
  switch (section) {
    case undefined: return <AgentsList />;
    case "agents": return name ? <AgentPage key={name} name={name} part={part ?? "prompt"} session={rest} /> : <AgentsList />;
    case "workflows": return name ? <WorkflowPage key={name} name={name} /> : <WorkflowsList />;
    case "runs": return name ? <RunPage key={name} id={name} /> : <RunsList query={route.query} />;
    case "operations": return name ? <OperationPage key={name} id={name} /> : <OperationsList />;
    default: return <p>There is no such page. <a href={to()}>To the agents</a></p>;
  }
}

function TokenForm({ enter, isWanted }: { enter: (token: string) => void; isWanted: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const [value, setValue] = useState("");
  const has = token() !== "";
  useEffect(() => { if (isWanted) setOpen(true); }, [isWanted]);
  if (!isOpen) {
    return <button type="button" class="quiet token-button" onClick={() => setOpen(true)}>{has ? "Token set" : "Set a token"}</button>;
  }
  const close = (next: string): void => { setValue(""); setOpen(false); enter(next); };
  return (
    <form class="token" autocomplete="off" onSubmit={(event) => { event.preventDefault(); close(value.trim()); }}>
      <label for="token">Bearer token</label>
      <input id="token" type="password" autocomplete="off" spellcheck={false} value={value} aria-describedby="token-hint"
        onInput={(event) => setValue(event.currentTarget.value)} />
      <span class="soft" id="token-hint">kept in this tab only</span>
      <button type="submit" class="main-button">Use</button>
      {has && <button type="button" class="quiet" onClick={() => close("")}>Forget</button>}
    </form>
  );
}

const root = document.querySelector("#page");
if (root) {
  root.replaceChildren();
  render(<Page />, root);
}
