"""What the checks of protocols share: a service with a scripted model, the pinned clients, and tokens.

AGENTGEN is the binary (target/debug/agentgen).
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
AGENTGEN = os.environ.get("AGENTGEN", str(ROOT / "target/debug/agentgen"))
SECRET = "a-secret-of-thirty-two-bytes-12345678"
AGENT = """---
name: architect
description: Draws plans of houses.
service:
  tools:
    ask_user: true
---
Draw.
"""
SETTINGS = """
[models]
default = "m:m"
[providers.m]
kind = "openai"
base_url = "http://127.0.0.1:{model}/v1"
[workflows]
lease = "1s"
[store]
url = "sqlite:store.db"
"""
AUTH = f"""
[auth]
hs256_secret = "{SECRET}"
"""


class Model(http.server.BaseHTTPRequestHandler):
    """Chat Completions, streamed: repeats what it is told. It asks if it is told to `ask`, calls a tool of the client for `weather`,
    answers JSON to `plan`, and never ends if it is told to `wait`."""

    def do_POST(self):
        messages = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"]
        said = [m["content"] for m in messages if m["role"] == "user"][-1]
        results = [m["content"] for m in messages if m["role"] == "tool"]
        called = None
        if not results:
            called = {"ask": ("ask_user", {"question": "How many floors?"}), "weather": ("weather", {"city": "Bern"})}.get(said)
        reason = "stop"
        if called:
            function = {"name": called[0], "arguments": json.dumps(called[1])}
            deltas, reason = [{"tool_calls": [{"index": 0, "id": "call_0", "type": "function", "function": function}]}], "tool_calls"
        elif said == "plan":
            deltas = [{"content": json.dumps({"rooms": 3})}]
        else:
            deltas = [{"content": word + " "} for word in ["You", "said", (results or [said])[-1]]]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        if said == "wait":
            self.wfile.flush()
            time.sleep(600)
        for choice in (*({"delta": delta} for delta in deltas), {"delta": {}, "finish_reason": reason}):
            chunk = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, **choice}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        chunk = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": usage}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


def install(name):
    """The folder with the pinned clients of the protocol `name`, which are installed unless they are there."""
    tools, packages = ROOT / f"conformance/.tools/protocols-{name}", HERE / name
    files = [packages / "package-lock.json", HERE / f"requirements-{name}.txt"]
    want = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    installed = tools / "installed"
    if installed.exists() and installed.read_text() == want:
        return tools
    shutil.rmtree(tools, ignore_errors=True)
    tools.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(packages / file, tools)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=tools, check=True)
    subprocess.run([sys.executable, "-m", "venv", tools / "python"], check=True)
    pip = [tools / "python/bin/pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "-r", files[1]], check=True)
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
    installed.write_text(want)
    return tools


def token(subject):
    def encode(part):
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    claims = {"sub": subject, "exp": int(time.time()) + 3600, "roles": ["user"]}
    signed = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def start_service(work, port="0"):
    with (work / "log").open("a") as log:
        service = subprocess.Popen([AGENTGEN, "serve", "agents", "--port", port], cwd=work, stdout=subprocess.PIPE, stderr=log, text=True)
    line = service.stdout.readline()
    assert "listening on " in line, (work / "log").read_text()
    return service, line.strip().split()[-1]


def run_client(work, command, url, *arguments):
    environment = {**os.environ, "AGENTGEN": AGENTGEN, "AGENTGEN_URL": url, "TOKEN": token("ann"), "OTHER_TOKEN": token("eve"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([*command, *arguments], cwd=work, env=environment, stdout=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0, (arguments, done.stdout, (work / "log").read_text()[-4000:])
    return done.stdout.strip()


def example(work, page):
    """The Python example of a page of the book, as a file."""
    text = (ROOT / "docs/src" / page).read_text()
    (work / "example.py").write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1])
    return "example.py"


def with_service(check, settings=SETTINGS + AUTH, agent=AGENT):
    """Calls `check` with a folder that has an agent and the settings of a service."""
    model = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    model.daemon_threads = True
    threading.Thread(target=model.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "agents").mkdir()
        (work / "agents/architect.md").write_text(agent)
        (work / "service.toml").write_text(settings.replace("{model}", str(model.server_port)))
        check(work)
