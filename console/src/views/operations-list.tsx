import { useId, useState } from "preact/hooks";

import { Empty, Method, Path, Title } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { plural } from "../parts/text.ts";
import { useService } from "../service/context.ts";

/** Every operation of the service, by agent. */
export function OperationsList() {
  const { operations } = useService();
  const [search, setSearch] = useState("");
  const id = useId();
  const wanted = search.toLowerCase();
  const found = operations.filter((operation) =>
    `${operation.method} ${operation.path} ${operation.id} ${operation.summary} ${operation.tag}`.toLowerCase().includes(wanted));
  const tags = [...new Set(found.map(({ tag }) => tag))];
  return (
    <>
      <div class="head-line">
        <Title of="Operations">Operations</Title>
        <div class="search">
          <label class="hidden" for={id}>Search operations</label>
          <input id={id} type="search" placeholder="Search" autocomplete="off" spellcheck={false} value={search}
            onInput={(event) => setSearch(event.currentTarget.value)} />
          <span class="soft" role="status">{plural(found.length, "operation")}</span>
        </div>
      </div>
      {found.length === 0 && <Empty>No operation has this text.</Empty>}
      {tags.map((tag) => (
        <section key={tag} aria-label={tag}>
          <h2>{tag}</h2>
          <ul class="rows">
            {found.filter((operation) => operation.tag === tag).map((operation) => (
              <li key={operation.id}>
                <Method of={operation.method} />
                <a href={to("operations", operation.id)}><Path of={operation.path} /></a>
                <span class="soft">{operation.summary}</span>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}
