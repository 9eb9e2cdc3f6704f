import { plural } from "../parts/text.ts";
import type { Diagnostic } from "../service/types.ts";

/** What is wrong with the files of agents; nothing where nothing is. */
export function Diagnostics({ all }: { all: Diagnostic[] }) {
  if (all.length === 0) return null;
  const errors = all.filter(({ severity }) => severity === "error").length;
  return (
    <section class="diagnostics" aria-label="Diagnostics">
      <h2><span role="status">{errors > 0 ? `${plural(errors, "error")} in agent files: their last good version answers` : plural(all.length, "remark")}</span></h2>
      <ul>
        {all.map((diagnostic, n) => (
          <li key={n}>
            <span class={`severity ${diagnostic.severity}`}>{diagnostic.severity}</span>{" "}
            <code>{diagnostic.code}</code> <span>{diagnostic.message}</span>{" "}
            <code class="soft">{diagnostic.file}{diagnostic.line !== null && `:${diagnostic.line}`}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}
