"""Asks a service by MCP: `client.py calls`, `client.py answer STATE` with what its last line said, or `client.py stdio`."""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult

URL = os.environ["AGENTGEN_URL"] + "/mcp"


def transport(token="TOKEN"):
    headers = {"authorization": f"Bearer {os.environ.get(token, 'wrong')}"}
    return streamable_http_client(URL, http_client=httpx2.AsyncClient(headers=headers, timeout=60))


async def two_floors(_context, params):
    assert "How many floors?" in params.message, params
    name = next(iter(params.requested_schema["properties"]))
    return ElicitResult(action="accept", content={name: "Two"})


async def ask(client):
    tools = await client.list_tools()
    assert [tool.name for tool in tools.tools] == ["architect"], tools
    assert tools.tools[0].input_schema["required"] == ["input"] and tools.tools[0].output_schema, tools
    told = []

    async def progress(*said):
        told.append(said)

    result = await client.call_tool("architect", {"input": "Hello"}, progress_callback=progress)
    assert result.structured_content["output"].strip() == "You said Hello" and not result.is_error, result
    assert told, "no progress"
    wrong = await client.call_tool("architect", {"inputt": "Hello"})
    assert wrong.is_error and "/input" in wrong.content[0].text, wrong
    try:
        await client.call_tool("nobody", {})
        raise AssertionError("a tool that is not there")
    except Exception as error:
        assert "nobody" in str(error), error
    prompts = await client.list_prompts()
    prompt = await client.get_prompt(prompts.prompts[0].name)
    assert "Draw." in prompt.messages[0].content.text, prompt
    try:
        await asyncio.wait_for(client.call_tool("architect", {"input": "wait"}), 1)
        raise AssertionError("it answered")
    except (asyncio.TimeoutError, TimeoutError):
        pass


async def calls():
    for mode in ("auto", "legacy"):
        async with Client(transport(), mode=mode) as client:
            await ask(client)
        print({"auto": "2026-07-28", "legacy": "2025-11-25"}[mode])
    async with Client(transport(), elicitation_callback=two_floors) as client:
        result = await client.call_tool("architect", {"input": "ask"})
        assert "Two" in result.structured_content["output"], result
    print("a question")
    async with httpx2.AsyncClient() as http:
        response = await http.post(URL, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer", response.headers
    try:
        async with Client(transport("NO_TOKEN")) as client:
            await client.list_tools()
        raise AssertionError("without a token")
    except ExceptionGroup:
        pass
    print("no token")
    async with Client(transport(), elicitation_callback=two_floors) as client:
        asked = await client.session.call_tool("architect", {"input": "ask"}, allow_input_required=True)
        [key] = asked.input_requests
        print(json.dumps({"state": asked.request_state, "key": key, "request": asked.input_requests[key].model_dump(mode="json", by_alias=True)}))


async def answer(text):
    asked = json.loads(text)
    name = next(iter(asked["request"]["params"]["requestedSchema"]["properties"]))
    answers = {asked["key"]: ElicitResult(action="accept", content={name: "Two"})}
    async with Client(transport(), elicitation_callback=two_floors) as client:
        result = await client.call_tool("architect", {"input": "ask"}, input_responses=answers, request_state=asked["state"])
        assert "Two" in result.structured_content["output"], result


async def stdio():
    command = StdioServerParameters(command=os.environ["AGENTGEN"], args=["serve", "--mcp", "agents"], env=dict(os.environ))
    for mode in ("auto", "legacy"):
        async with Client(stdio_client(command, errlog=open(os.devnull, "w")), mode=mode) as client:
            await ask(client)
    print("standard input and output")


asyncio.run({"calls": calls, "stdio": stdio}.get(sys.argv[1], lambda: answer(sys.argv[2]))())
