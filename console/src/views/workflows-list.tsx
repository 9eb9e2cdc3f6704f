import { Empty, Title } from "../parts/elements.tsx";
import { to } from "../parts/route.ts";
import { plural } from "../parts/text.ts";
import { useService } from "../service/context.ts";

export function WorkflowsList() {
  const { data } = useService();
  return (
    <>
      <Title of="Workflows">Workflows</Title>
      {data.workflows.length === 0 && <Empty>This service has no workflows.</Empty>}
      <ul class="cards">
        {data.workflows.map((workflow) => (
          <li key={workflow.name} class="card">
            <h2><a href={to("workflows", workflow.name)}>{workflow.name}</a></h2>
            <p class="soft tags">
              <span>{plural(workflow.steps.length, "step")}</span>
              <span>of <a href={to("agents", workflow.agent)}>{workflow.agent}</a></span>
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}
