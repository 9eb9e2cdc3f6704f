"""Asks a service by OpenAI's API: `client.py calls`, then `client.py answer ITEMS` with what its last line said."""

import json
import os
import sys

import openai
from openai import OpenAI

URL = os.environ["AGENTGEN_URL"] + "/v1"
TOOL = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
}
SCHEMA = {"type": "object", "properties": {"rooms": {"type": "integer"}}, "required": ["rooms"], "additionalProperties": False}


def client(token="TOKEN"):
    return OpenAI(base_url=URL, api_key=os.environ.get(token, "wrong"), max_retries=0)


def said(text, **more):
    return {"model": "architect", "messages": [{"role": "user", "content": text}], **more}


def refused(status, call, code=None):
    try:
        call()
    except openai.APIStatusError as error:
        assert error.status_code == status, error
        assert error.body["message"], error.body
        assert code is None or error.code == code, error.body
        return
    raise AssertionError(f"not refused with {status}")


def chat(api):
    answer = api.chat.completions.create(**said("Hello"))
    assert answer.choices[0].message.content.strip() == "You said Hello", answer
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == 10, answer
    print("chat")
    chunks = list(api.chat.completions.create(**said("Hello", stream=True, stream_options={"include_usage": True})))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.strip() == "You said Hello" and chunks[-1].usage.prompt_tokens == 7, chunks
    print("chat stream")
    messages = [{"role": "user", "content": "weather"}]
    tools = [{"type": "function", "function": TOOL}]
    answer = api.chat.completions.create(model="architect", messages=messages, tools=tools)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls", answer
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Bern"}, answer
    messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}]
    answer = api.chat.completions.create(model="architect", messages=messages, tools=tools)
    assert answer.choices[0].message.content.strip() == "You said rain", answer
    print("own tools")
    form = {"type": "json_schema", "json_schema": {"name": "plan", "schema": SCHEMA, "strict": True}}
    answer = api.chat.completions.create(**said("plan", response_format=form))
    assert json.loads(answer.choices[0].message.content) == {"rooms": 3}, answer
    print("own schema")
    stream = api.chat.completions.create(**said("wait", stream=True))
    stream.close()
    print("stream left")


def responses(api):
    answer = api.responses.create(model="architect", input="Hello", store=False)
    assert answer.output_text.strip() == "You said Hello" and answer.usage.output_tokens == 3, answer
    with api.responses.stream(model="architect", input="Hello", store=False) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert "response.output_text.delta" in kinds and final.output_text.strip() == "You said Hello", kinds
    print("responses, responses stream")
    answer = api.responses.create(model="architect", input="ask", store=False)
    asked = answer.output[-1]
    assert asked.type == "function_call" and asked.name == "ask_user", answer
    return [{"role": "user", "content": "ask"}, *(item.model_dump(mode="json", exclude_none=True) for item in answer.output)]


def calls():
    api = client()
    assert [model.id for model in api.models.list()] == ["architect"]
    assert api.models.retrieve("architect").id == "architect"
    print("models")
    chat(api)
    items = responses(api)
    refused(404, lambda: api.chat.completions.create(**{**said("Hello"), "model": "nobody"}), "model_not_found")
    refused(400, lambda: api.chat.completions.create(**said("Hello", temperature=0.3)))
    refused(401, lambda: client("NO_TOKEN").chat.completions.create(**said("Hello")))
    print("errors")
    answers = [*items, {"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "Two"}]
    refused(404, lambda: client("OTHER_TOKEN").responses.create(model="architect", input=answers, store=False))
    print("not another's question")
    print(json.dumps(items))


def answer(items):
    items = json.loads(items)
    items.append({"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "Two"})
    done = client().responses.create(model="architect", input=items, store=False)
    assert done.output_text.strip() == "You said Two" or "Two" in done.output_text, done


if sys.argv[1] == "calls":
    calls()
else:
    answer(sys.argv[2])
