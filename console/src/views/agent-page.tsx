import { Copy, FailureBox, Loading, Title } from "../parts/elements.tsx";
import { useLoad } from "../parts/hooks.ts";
import { to } from "../parts/route.ts";
import { plural } from "../parts/text.ts";
import { load } from "../service/client.ts";
import { useService } from "../service/context.ts";
import type { AgentDetail } from "../service/types.ts";
import { Chat } from "./chat.tsx";
import { Contract } from "./contract.tsx";
import { Diagnostics } from "./diagnostics.tsx";

const PARTS = [["prompt", "Prompt"], ["contract", "Contract"], ["chat", "Chat"]] as const;

export function AgentPage({ name, part, session }: { name: string; part: string; session: string | undefined }) {
  const { data } = useService();
  const entry = data.agents.find((agent) => agent.name === name);
  const detail = useLoad<AgentDetail>(`${name} ${entry?.prompt_sha256 ?? ""}`,
    (signal) => load(`/console/agents/${encodeURIComponent(name)}`, signal));
  const agent = detail.data;
  return (
    <>
      <p class="crumbs"><a href={to("agents")}>Agents</a></p>
      <Title of={name}>{name}</Title>
      {entry && <p class="lead">{entry.description}</p>}
      {entry && (
        <p class="soft tags">
          <span>answered by {entry.answered_by}</span>
          {entry.model && entry.model !== entry.answered_by && <span>asks for {entry.model}</span>}
          <span>about {plural(entry.tokens, "token")}</span>
        </p>
      )}
      <Diagnostics all={data.diagnostics.filter((diagnostic) => diagnostic.agent === name)} />
      <nav class="tabs" aria-label={name}>
        {PARTS.map(([id, label]) => (
          <a key={id} href={to("agents", name, id)} aria-current={part === id ? "page" : undefined}>{label}</a>
        ))}
      </nav>
      {detail.failure && <FailureBox failure={detail.failure} retry={detail.reload} />}
      {!agent && !detail.failure && <Loading what={name} />}
      {agent && part === "prompt" && <Prompt agent={agent} />}
      {agent && part === "contract" && <Contract agent={agent} />}
      {agent && part === "chat" && <Chat agent={agent} session={session} />}
    </>
  );
}

interface Section {
  level: number;
  title: string;
  lines: string[];
}

/** The prompt in parts that begin with its headings. A `#` in a fenced block is none. */
function sections(prompt: string): Section[] {
  const found: Section[] = [{ level: 0, title: "", lines: [] }];
  let fence = "";
  for (const line of prompt.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark && !fence) fence = mark;
    else if (mark && fence && mark.startsWith(fence)) fence = "";
    const heading = fence ? null : /^(#{1,6})\s+(.+?)\s*#*$/.exec(line);
    if (heading) found.push({ level: heading[1]?.length ?? 1, title: heading[2] ?? "", lines: [] });
    found.at(-1)?.lines.push(line);
  }
  return found.filter(({ lines }) => lines.length > 0);
}

function Prompt({ agent }: { agent: AgentDetail }) {
  const parts = sections(agent.prompt);
  const headings = parts.filter(({ level }) => level > 0);
  const show = (n: number): void => {
    const section = document.querySelector<HTMLElement>(`[data-section="${n}"]`);
    section?.focus({ preventScroll: true });
    section?.scrollIntoView();
  };
  return (
    <div class={headings.length > 1 ? "with-side" : ""}>
      {headings.length > 1 && (
        <nav class="outline" aria-label="Outline of the prompt">
          <h2>Outline</h2>
          <ol>
            {parts.map(({ level, title }, n) => level > 0 && (
              <li key={n} class={`level-${level}`}><button type="button" class="link" onClick={() => show(n)}>{title}</button></li>
            ))}
          </ol>
        </nav>
      )}
      <section class="prompt" aria-label="Prompt">
        <div class="buttons"><Copy label="Copy the prompt" text={() => agent.prompt} /></div>
        {parts.map(({ lines, level }, n) => (
          <pre key={n} class={level ? "begins" : ""} data-section={n} tabIndex={-1}><code>{lines.join("\n")}</code></pre>
        ))}
        <p class="soft">SHA-256 <code>{agent.prompt_sha256}</code></p>
      </section>
    </div>
  );
}
