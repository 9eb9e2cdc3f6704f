"""What schemathesis has to be told of these services. Each request is of another caller, with a key of its own, since
a caller over its rate and a key that was used with another content are refused by design, and schemathesis would
learn nothing of what lies behind."""

import ast
import base64
import gc
import hashlib
import hmac
import itertools
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request

import schemathesis

SECRET = os.environ.get("SECRET", "")
CLIENT = {"client_id": "web", "client_secret": "the secret of the client"}
callers = itertools.count(1)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DOCUMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@~-]{0,199}")
VALID_KEY = re.compile(r"[!-~]{1,255}")

parse, parsing = ast.parse, threading.RLock()


def parse_alone(*args, **kwargs):
    """Hypothesis describes its lambdas by parsing their source. Before 3.11.8, CPython counts the depth of a tree for
    all threads at once, and fails where a finalizer lets another thread parse in between
    (https://github.com/python/cpython/issues/106905)."""
    with parsing:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return parse(*args, **kwargs)
        finally:
            if collecting:
                gc.enable()


ast.parse = parse_alone


def token(subject):
    """A token (HS256) of a subject that has every role of the examples."""
    part = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = {"sub": subject, "exp": int(time.time()) + 600, "roles": os.environ["ROLES"].split()}
    signed = head + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def address(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def refresh_token(base):
    """A refresh token that is good, once."""
    body = json.dumps({"grant_type": "client_credentials", **CLIENT}).encode()
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address(next(callers))}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/auth/token", body, headers)) as answer:
        return json.load(answer)["refresh_token"]


def begun(base, headers):
    """A conversation of who sends these headers: the agent's name and the id."""
    headers = {"Content-Type": "application/json", **headers}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/v1/agents", headers=headers)) as answer:
        agent = json.load(answer)["agents"][0]["name"]
    body = json.dumps({"input": "hello"}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{base}/v1/agents/{agent}/invoke", body, headers)) as answer:
        return agent, json.load(answer)["session_id"]


def run(base, headers):
    """A run of a workflow that was started by who sends these headers: its id."""
    with open("openapi.json", encoding="utf-8") as file:
        document = json.load(file)
    path = next(path for path in document["paths"] if path.startswith("/v1/workflows/"))
    media = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    body = json.dumps(next(iter(media["examples"].values()))["value"]).encode()
    headers = {"Content-Type": "application/json", **headers}
    with urllib.request.urlopen(urllib.request.Request(base + path, body, headers)) as answer:
        return json.load(answer)["run_id"]


def document(base, path, headers):
    """A document that who sends these headers has put where `path` lists them: its id."""
    body = json.dumps({"documents": [{"text": "Kept."}]}).encode()
    headers = {"Content-Type": "application/json", **headers}
    with urllib.request.urlopen(urllib.request.Request(base + path, body, headers)) as answer:
        return json.load(answer)["documents"][0]["id"]


def proven(case, base):
    """What only who was told can know takes the place of what was made up; what is wrong stays wrong."""
    body = case.body
    if not isinstance(body, dict):
        return
    if case.operation.path == "/auth/token" and all(isinstance(body.get(key), str) and body[key] for key in CLIENT):
        body.update(CLIENT)
    if case.operation.path == "/auth/refresh" and all(isinstance(body.get(key), str) and body[key] for key in ["refresh_token", *CLIENT]):
        body.update(CLIENT, refresh_token=refresh_token(base))


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(callers)
    case.headers["X-Forwarded-For"] = address(number)
    found = case.path_parameters or {}
    may_start = not SECRET or "Authorization" in case.headers
    headers = {name: case.headers[name] for name in ("Authorization", "X-Forwarded-For") if name in case.headers}
    try:
        if 1 <= len(str(found.get("session_id", ""))) <= 128 and "Authorization" in headers:
            found["agent"], found["session_id"] = begun(os.environ["BASE"], headers)
        if may_start and UUID.fullmatch(str(found.get("run_id", ""))):
            found["run_id"] = run(os.environ["BASE"], headers)
        if may_start and DOCUMENT_ID.fullmatch(str(found.get("document", ""))):
            path = case.operation.path.removesuffix("/{document}")
            found["document"] = document(os.environ["BASE"], path, headers)
    except urllib.error.HTTPError as error:
        # Some tokens are invalid on purpose.
        if error.code != 401:
            raise
    # Only a reader of the stream knows which event ids exist.
    if re.fullmatch("[0-9]{1,18}", str(case.headers.get("Last-Event-ID", ""))):
        case.headers["Last-Event-ID"] = "0"
    if SECRET:
        proven(case, os.environ["BASE"])
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and VALID_KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{number}-{key}"[:255]


if SECRET:

    @schemathesis.auth(refresh_interval=None)
    class Tokens:
        def get(self, case, context):
            return token(f"caller-{next(callers)}")

        def set(self, case, data, context):
            case.headers["Authorization"] = f"Bearer {data}"
