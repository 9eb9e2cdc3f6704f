"""arazzo_steps.py DOCUMENT WORKFLOW: executes all workflows of an Arazzo document with arazzo-runner and prints the steps
that WORKFLOW ran, in order. arazzo-runner's own command exits with 0 where a workflow fails."""

import json
import sys

from arazzo_runner import ArazzoRunner
from arazzo_runner.models import WorkflowExecutionStatus

document, shown = sys.argv[1:]
for workflow in json.load(open(document))["workflows"]:
    name = workflow["workflowId"]
    ran: list[str] = []
    # A runner each: one that has run a workflow keeps its callbacks.
    runner = ArazzoRunner.from_arazzo_path(document)
    runner.register_callback("step_start", lambda step_id, **_: ran.append(step_id))
    result = runner.execute_workflow(name, {"input": "Build it"})
    if result.status != WorkflowExecutionStatus.WORKFLOW_COMPLETE or set(result.outputs or {}) != set(workflow["outputs"]):
        sys.exit(f"{name}: {result}")
    if name == shown:
        print(*ran)
