"""Asks a service whose models are llama.cpp's server (server.py), and checks what its callers get. Prints a line for each check.

Usage: calls.py SERVICE SERVER SERVICE-LOG, two addresses and a file. What the model says is not judged, only what is done with it.
"""

import http.client
import json
import sys
import time
from urllib.parse import urlsplit

SERVICE, SERVER, LOG = sys.argv[1:]
BOOKS = "Question: Which books are on shelf 1?\nAnswer:"
SLOTS = 2


def main():
    text()
    stream()
    data()
    tool()
    together()
    too_long()
    filled()
    cancelled()


def text():
    status, answer, _ = post("writer", "Say hello to Ann in one short sentence.")
    expect(status == 200 and answer["output"].strip(), f"a text: {status} {answer}")
    say("text", answer["output"])


def stream():
    events = list(Stream("writer", "Say hello to Ann in one short sentence."))
    deltas = [event["text"] for event in events if event["type"] == "output.delta"]
    end = events[-1]
    expect(end["type"] == "run.completed" and end["stop_reason"] == "end_turn", f"a stream: {end}")
    expect(len(deltas) > 2 and "".join(deltas) == end["output"]["output"], f"deltas: {deltas}, {end}")
    # The server counts one token more: the end of the text.
    usage = end["usage"]
    expect(usage["input_tokens"] > 10 and len(deltas) <= usage["output_tokens"] <= len(deltas) + 8, f"usage: {usage}, {len(deltas)} deltas")
    say("stream", f"{len(deltas)} deltas, {usage['input_tokens']} tokens read, {usage['output_tokens']} written")


def data():
    """The grammar that llama.cpp makes of the schema is the only reason why so small a model gives valid data."""
    report = {"report": "It is 21 degrees in Rome, and the sky is clear."}
    status, answer, _ = post("/weather", report)
    expect(status == 200, f"data: {status} {answer}")
    fits = (
        set(answer) == {"city", "degrees", "sky"}
        and 1 <= len(answer["city"]) <= 20
        and type(answer["degrees"]) is int
        and -60 <= answer["degrees"] <= 60
        and answer["sky"] in ("clear", "cloudy", "rain")
    )
    expect(fits, f"data that does not fit: {answer}")
    say("structured output", json.dumps(answer))


def tool():
    """The calls are parsed by llama.cpp; the model may write a text before them, and call the tool more than once."""
    events = list(Stream("clerk", BOOKS))
    started = [event for event in events if event["type"] == "tool.started"]
    completed = [event for event in events if event["type"] == "tool.completed"]
    expect(started, f"a call of books: {[event['type'] for event in events]}")
    for call in started:
        number = call["arguments"]["number"]
        expect(call["tool"] == "books" and type(number) is int and 1 <= number <= 3, f"arguments: {started}")
    ids = [call["call_id"] for call in started]
    expect(len(set(ids)) == len(ids), f"two calls with one id: {started}")
    expect(sorted(ids) == sorted(call["call_id"] for call in completed), f"results: {completed}")
    expect(not any(call["is_error"] for call in completed), f"results: {completed}")
    end = events[-1]
    expect(end["type"] == "run.completed", f"after the results: {end}")
    say("tool call", f"books({json.dumps(started[0]['arguments'])}), {len(started)} in all, then {end['stop_reason']}")


def together():
    """Both are under way in the server at the same time."""
    first, second = Stream("rambler", "A story of a fox."), Stream("rambler", "A story of a ship.")
    first.read_deltas(2)
    second.read_deltas(2)
    busy = wait_for(lambda count: count == SLOTS, 20)
    expect(busy == SLOTS, f"{busy} slots are busy, not {SLOTS}")
    first.close()
    one = wait_for(lambda count: count == 1, 20)
    expect(one == 1, f"after one of two callers left, {one} slots are busy")
    second.read_deltas(1)
    second.close()
    expect(wait_for(lambda count: count == 0, 20) == 0, "a slot stays busy after its caller left")
    say("two at once", "one caller left, the other went on")


def too_long():
    status, answer, seconds = post("writer", "word " * 2000)
    expect(status in (413, 422, 502) and answer["status"] == status, f"a prompt larger than the context: {status} {answer}")
    with open(LOG, encoding="utf-8") as log:
        expect("exceed_context_size_error" in log.read(), "the log does not name the server's error")
    say("prompt too large", f"{status} after {seconds:.1f} s: {answer['detail']}")


def filled():
    """The prompt fits, and the answer fills the context: what is cut off is never reported as complete."""
    events = list(Stream("rambler", "A story of " + "a fox and " * 100))
    end = events[-1]
    cut = end["type"] == "run.failed" or end["stop_reason"] == "max_tokens"
    expect(cut, f"an answer that fills the context: {end}")
    say("full context", f"{end['type']} after {sum(event['type'] == 'output.delta' for event in events)} deltas")


def cancelled():
    """Without the cancellation, the slot would stay busy until its context is full."""
    running = Stream("rambler", "A story of a fox.")
    running.read_deltas(2)
    expect(busy_slots() == 1, "no slot is busy")
    left = time.monotonic()
    running.close()
    expect(wait_for(lambda count: count == 0, 20) == 0, "a slot stays busy after its caller left")
    say("cancellation", f"the slot is free {time.monotonic() - left:.1f} s after the caller left")


class Stream:
    """The events of a run, as they come."""

    def __init__(self, agent, text):
        self.connection = http.client.HTTPConnection(urlsplit(SERVICE).netloc, timeout=120)
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        self.connection.request("POST", f"/v1/agents/{agent}/invoke", json.dumps({"input": text}), headers)
        self.response = self.connection.getresponse()
        expect(self.response.status == 200, f"{agent}: {self.response.status}")

    def __iter__(self):
        for line in self.response:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def read_deltas(self, count):
        for event in self:
            expect(event["type"] in ("run.started", "output.delta"), f"not a delta: {event}")
            count -= event["type"] == "output.delta"
            if count == 0:
                return
        fail("the stream ended")

    def close(self):
        self.response.close()
        self.connection.close()


def post(target, asked):
    """The status, the parsed answer and the seconds. The target is an agent or a path."""
    if not target.startswith("/"):
        target, asked = f"/v1/agents/{target}/invoke", {"input": asked}
    begun = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(SERVICE).netloc, timeout=120)
    connection.request("POST", target, json.dumps(asked), {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer, time.monotonic() - begun


def busy_slots():
    connection = http.client.HTTPConnection(urlsplit(SERVER).netloc, timeout=30)
    connection.request("GET", "/slots")
    slots = json.loads(connection.getresponse().read())
    connection.close()
    expect(len(slots) == SLOTS, f"slots: {slots}")
    return sum(slot["is_processing"] for slot in slots)


def wait_for(condition, seconds):
    """The number of busy slots as soon as it fulfils the condition, or at the end of the time."""
    end = time.monotonic() + seconds
    while not condition(count := busy_slots()) and time.monotonic() < end:
        time.sleep(0.1)
    return count


def say(check, result):
    print(f"real model             {check}: {result}", flush=True)


def expect(condition, message):
    if not condition:
        fail(message)


def fail(message):
    print(f"conformance/llama/calls.py: {message}", file=sys.stderr)
    sys.exit(1)


main()
