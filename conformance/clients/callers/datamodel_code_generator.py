import sys

import httpx
from httpx_sse import connect_sse

from client import (
    AgentEvent,
    DeploymentEngineerRunbookResponse,
    InvokeRequest,
    OrchestratorPlanRequest,
    OrchestratorPlanResponse,
    OutputDeltaEvent,
    Problem,
)

with httpx.Client(base_url=sys.argv[1]) as client:
    request = OrchestratorPlanRequest(goal="Ship it")
    answer = client.post("/plans", json=request.model_dump(exclude_none=True))
    plan = OrchestratorPlanResponse.model_validate_json(answer.text)
    print("plan", plan.complexity, len(plan.subtasks))

    answer = client.get("/deployments/notifications/runbook", params={"environment": "staging"})
    runbook = DeploymentEngineerRunbookResponse.model_validate_json(answer.text)
    print("runbook", runbook.steps[0].title)

    answer = client.post("/v1/route", json={"text": "a chart", "limit": 1000})
    problem = Problem.model_validate_json(answer.text)
    print("problem", problem.status, problem.errors[0].pointer if problem.errors else None)

    body = InvokeRequest(input="Hello").model_dump(exclude_none=True)
    with connect_sse(client, "POST", "/v1/agents/architect/invoke/stream", json=body) as stream:
        for message in stream.iter_sse():
            event = AgentEvent.model_validate_json(message.data).root
            if isinstance(event, OutputDeltaEvent):
                print("event", event.text)
            else:
                print("event", event.type)
