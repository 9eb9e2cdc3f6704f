"""Runs an agent of the OpenAI Agents SDK whose model is an agent of the service."""

import asyncio
import os

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI


@function_tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


async def main():
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=os.environ["AGENTGEN_URL"] + "/v1", api_key=os.environ["TOKEN"])
    for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
        agent = Agent(name="tenant", tools=[weather], model=kind(model="architect", openai_client=client))
        result = await Runner.run(agent, "weather")
        assert "rain in Bern" in result.final_output, result
        print(kind.__name__)


asyncio.run(main())
