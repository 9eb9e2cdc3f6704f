"""The client of Python (a2a-sdk). `calls` prints what it has done, and at last the id of a task that asks; `answer TASK` answers it."""

import asyncio
import os
import sys

import httpx
from a2a.client import ClientConfig, create_client
from a2a.client.errors import A2AClientError
from a2a.helpers import get_artifact_text, get_stream_response_text, new_text_message
from a2a.types import CancelTaskRequest, GetTaskRequest, ListTasksRequest, Role, SendMessageRequest, SubscribeToTaskRequest, TaskState
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError

URL = os.environ["AGENTGEN_URL"] + "/a2a/architect"


def http(token):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(headers=headers, timeout=60)


async def connect(token, bindings=("JSONRPC",), streaming=True):
    config = ClientConfig(httpx_client=http(token), supported_protocol_bindings=list(bindings), streaming=streaming, use_client_preference=True)
    return await create_client(URL, config)


def says(text, **to):
    return SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER, **to))


def immediately(text):
    request = says(text)
    request.configuration.return_immediately = True
    return request


async def only(events):
    """The task of the only event."""
    events = [event async for event in events]
    assert len(events) == 1, events
    return events[0].task


async def refused(error, call):
    try:
        await call
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


async def calls():
    token, done = os.environ["TOKEN"], []
    for binding in ("JSONRPC", "HTTP+JSON"):
        client = await connect(token, [binding], streaming=False)
        task = await only(client.send_message(says("hello")))
        assert task.status.state == TaskState.TASK_STATE_COMPLETED, task
        assert get_artifact_text(task.artifacts[0]).strip() == "You said hello", task
        assert (await client.get_task(GetTaskRequest(id=task.id))).artifacts == task.artifacts
        listed = await client.list_tasks(ListTasksRequest(context_id=task.context_id))
        assert [one.id for one in listed.tasks] == [task.id] and listed.total_size == 1, listed

        streaming = await connect(token, [binding])
        events = [event async for event in streaming.send_message(says("some words", context_id=task.context_id))]
        assert events[0].task.context_id == task.context_id, events
        assert len(events) > 3, events
        assert "".join(map(get_stream_response_text, events)).strip() == "You said some words", events
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED, events

        waiting = await only(client.send_message(immediately("wait")))

        async def follow():
            return [event async for event in streaming.subscribe(SubscribeToTaskRequest(id=waiting.id))]

        following = asyncio.create_task(follow())
        await asyncio.sleep(0.3)
        cancelled = await client.cancel_task(CancelTaskRequest(id=waiting.id))
        assert cancelled.status.state == TaskState.TASK_STATE_CANCELED, cancelled
        events = await following
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_CANCELED, events
        await refused(TaskNotCancelableError, client.cancel_task(CancelTaskRequest(id=waiting.id)))

        # A stream that is left ends nothing: the task is there to be followed and cancelled.
        async for event in streaming.send_message(says("wait")):
            left = event.task.id
            break
        assert (await client.get_task(GetTaskRequest(id=left))).status.state == TaskState.TASK_STATE_WORKING
        await client.cancel_task(CancelTaskRequest(id=left))

        other = await connect(os.environ["OTHER_TOKEN"], [binding])
        await refused(TaskNotFoundError, other.get_task(GetTaskRequest(id=task.id)))
        nobody = await connect("", [binding], streaming=False)
        await refused(A2AClientError, only(nobody.send_message(says("hello"))))
        done.append(f"{binding} 1.0")
    card = await client.get_extended_agent_card(__import__("a2a.types", fromlist=["x"]).GetExtendedAgentCardRequest())
    assert [skill.id for skill in card.skills] == ["architect"], card
    await legacy(token)
    done.append("JSONRPC 0.3")

    client = await connect(token, streaming=False)
    task = await only(client.send_message(says("ask")))
    assert task.status.state == TaskState.TASK_STATE_INPUT_REQUIRED, task
    assert task.status.message.parts[0].text == "How many floors?", task
    print("\n".join([*done, task.id]))


async def legacy(token):
    """The same client with the card of a service that speaks 0.3 alone."""
    from a2a.client.card_resolver import A2ACardResolver

    card = await A2ACardResolver(http(token), URL).get_agent_card()
    kept = [one for one in card.supported_interfaces if one.protocol_version == "0.3"]
    del card.supported_interfaces[:]
    card.supported_interfaces.extend(kept)
    client = await create_client(card, ClientConfig(httpx_client=http(token)))
    events = [event async for event in client.send_message(says("hello"))]
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED, events
    assert "".join(map(get_stream_response_text, events)).strip() == "You said hello", events
    task = await client.get_task(GetTaskRequest(id=events[0].task.id))
    assert get_artifact_text(task.artifacts[0]).strip() == "You said hello", task
    await refused(TaskNotFoundError, client.get_task(GetTaskRequest(id="00000000-0000-7000-8000-000000000000")))


async def answer(task_id):
    client = await connect(os.environ["TOKEN"], streaming=False)
    task = await client.get_task(GetTaskRequest(id=task_id))
    assert task.status.state == TaskState.TASK_STATE_INPUT_REQUIRED, task
    task = await only(client.send_message(says("three", task_id=task_id, context_id=task.context_id)))
    assert task.status.state == TaskState.TASK_STATE_COMPLETED, task
    assert get_artifact_text(task.artifacts[0]).strip() == "You said three", task


asyncio.run(calls() if sys.argv[1] == "calls" else answer(sys.argv[2]))
