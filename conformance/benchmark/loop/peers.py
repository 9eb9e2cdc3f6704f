"""peers.py FRAMEWORK URL RUNS CONCURRENT: an agent with one tool in another framework, in this process, against the model server at URL.

Prints runs per second, CPU milliseconds of a run, median and 99th percentile of a run in ms, and peak memory in MiB.
"""

import asyncio
import resource
import sys
import time

FRAMEWORK, URL, RUNS, CONCURRENT = sys.argv[1], sys.argv[2] + "/v1", int(sys.argv[3]), int(sys.argv[4])
PROMPT = "You say where things are."
QUESTION = "Where are the maps of the harbour?"


def shelf(number: int) -> str:
    """Says what is on a shelf."""
    return f"Shelf {number}: maps and tides."


def agno():
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat

    model = OpenAIChat(id="mock", base_url=URL, api_key="none")
    agent = Agent(model=model, tools=[shelf], instructions=PROMPT, telemetry=False)

    async def run():
        return (await agent.arun(QUESTION)).content

    return run


def pydantic_ai():
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("mock", provider=OpenAIProvider(base_url=URL, api_key="none"))
    agent = Agent(model, tools=[shelf], instructions=PROMPT)

    async def run():
        return (await agent.run(QUESTION)).output

    return run


def langgraph():
    import warnings

    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    warnings.simplefilter("ignore")
    from langgraph.prebuilt import create_react_agent

    model = ChatOpenAI(model="mock", base_url=URL, api_key="none")
    agent = create_react_agent(model, [tool(shelf)], prompt=PROMPT)

    async def run():
        answer = await agent.ainvoke({"messages": [("user", QUESTION)]})
        return answer["messages"][-1].content

    return run


async def main():
    run = {"agno": agno, "pydantic-ai": pydantic_ai, "langgraph": langgraph}[FRAMEWORK]()
    free = asyncio.Semaphore(CONCURRENT)
    times = []

    async def one():
        async with free:
            began = time.perf_counter()
            answer = await run()
            times.append((time.perf_counter() - began) * 1000)
            assert answer == "The maps are on shelf 4.", answer

    await asyncio.gather(*(one() for _ in range(CONCURRENT)))
    times.clear()
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(RUNS)))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    times.sort()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    middle, late = times[RUNS // 2], times[RUNS * 99 // 100]
    print(f"{RUNS / took:.0f} {cpu * 1000 / RUNS:.2f} {middle:.1f} {late:.1f} {memory:.0f}")


asyncio.run(main())
