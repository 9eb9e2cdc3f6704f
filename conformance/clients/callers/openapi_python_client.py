import sys

from httpx_sse import connect_sse

from client import Client
from client.api.deployment_engineer import runbook_deployment_engineer
from client.api.orchestrator import plan_orchestrator
from client.api.service import route_request
from client.models import (
    DeploymentEngineerRunbookRequestEnvironment,
    DeploymentEngineerRunbookResponse,
    InvokeRequest,
    OrchestratorPlanRequest,
    OrchestratorPlanResponse,
    OutputDeltaEvent,
    Problem,
    RouteRequest,
)

with Client(base_url=sys.argv[1]) as client:
    plan = plan_orchestrator.sync(client=client, body=OrchestratorPlanRequest(goal="Ship it"))
    assert isinstance(plan, OrchestratorPlanResponse)
    print("plan", plan.complexity.value, len(plan.subtasks))

    runbook = runbook_deployment_engineer.sync(
        "notifications", client=client, environment=DeploymentEngineerRunbookRequestEnvironment.STAGING
    )
    assert isinstance(runbook, DeploymentEngineerRunbookResponse)
    print("runbook", runbook.steps[0].title)

    problem = route_request.sync(client=client, body=RouteRequest(text="a chart", limit=1000))
    assert isinstance(problem, Problem) and problem.errors
    print("problem", problem.status, problem.errors[0].pointer)

    path, body = "/v1/agents/architect/invoke/stream", InvokeRequest(input_="Hello").to_dict()
    with connect_sse(client.get_httpx_client(), "POST", path, json=body) as stream:
        for message in stream.iter_sse():
            if message.event == "output.delta":
                print("event", OutputDeltaEvent.from_dict(message.json()).text)
            else:
                print("event", message.event)
