"""pydantic-ai: agents over chat completions and over Responses."""

import asyncio
import base64

from pydantic_ai import Agent, BinaryContent, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from scenarios import (
    CLEVER,
    DEATHS,
    ERRORS,
    FORECAST,
    PARIS,
    PNG,
    QUESTION,
    SYSTEM,
    City,
    Scenarios,
    holds,
    meant,
    options,
    raises,
    same,
    several,
)

given = options()
scenario = Scenarios()
provider = OpenAIProvider(base_url=f"{given.url}/v1", api_key="unused")
provider.client.max_retries = 0


def agent(kind, model, **more):
    """``kind``: the class that speaks to the service."""
    return Agent(kind(model, provider=provider), **more)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"{FORECAST} in {city}"


@scenario("plain", CLEVER)
async def plain(kind, model):
    found = await agent(kind, model, instructions=SYSTEM).run(QUESTION)
    same(found.usage.input_tokens, 7)
    return holds(found.output, QUESTION, f"told to: {SYSTEM}")


@scenario("streamed", CLEVER)
async def streamed(kind, model):
    async with agent(kind, model).run_stream(QUESTION) as found:
        pieces = await several(found.stream_text(delta=True, debounce_by=None))
    same(found.usage.input_tokens, 7)
    return holds("".join(pieces), QUESTION)


@scenario("conversation", CLEVER)
async def conversation(kind, model):
    first = await agent(kind, model).run(QUESTION)
    found = await agent(kind, model).run("And of Spain?", message_history=first.all_messages())
    return holds(found.output, "question 2 was: And of Spain?")


@scenario("conversation after thinking", CLEVER)
async def conversation_after_thinking(kind, model):
    first = await agent(kind, model.replace("clever", "thinker")).run(QUESTION)
    same([part.content for part in first.response.parts if part.part_kind == "thinking"],
         ["Let me see."])  # fmt: skip
    found = await agent(kind, model).run("And of Spain?", message_history=first.all_messages())
    return holds(found.output, "question 2 was: And of Spain?")


@scenario("tools", CLEVER)
async def tools(kind, model):
    found = await agent(kind, model, tools=[weather]).run(QUESTION)
    same(found.usage.requests, 2)
    return holds(found.output, f"the tools say: {FORECAST} in Paris")


@scenario("tools streamed", CLEVER)
async def tools_streamed(kind, model):
    async with agent(kind, model, tools=[weather]).run_stream(QUESTION) as found:
        text = await found.get_output()
    return holds(text, f"the tools say: {FORECAST} in Paris")


@scenario("structured by tool", CLEVER)
async def structured_by_tool(kind, model):
    asked = agent(kind, model, output_type=ToolOutput(City))
    return same((await asked.run(QUESTION)).output, PARIS)


@scenario("structured by schema", CLEVER)
async def structured_by_schema(kind, model):
    asked = agent(kind, model, output_type=NativeOutput(City))
    return same((await asked.run(QUESTION)).output, PARIS)


@scenario("structured streamed by tool", CLEVER)
async def structured_streamed_by_tool(kind, model):
    async with agent(kind, model, output_type=ToolOutput(City)).run_stream(QUESTION) as found:
        return same(await found.get_output(), PARIS)


@scenario("structured streamed by schema", CLEVER)
async def structured_streamed_by_schema(kind, model):
    async with agent(kind, model, output_type=NativeOutput(City)).run_stream(QUESTION) as found:
        return same(await found.get_output(), PARIS)


@scenario("structured with a tool", CLEVER)
async def structured_with_a_tool(kind, model):
    found = await agent(kind, model, tools=[weather], output_type=City).run(QUESTION)
    same(found.usage.requests, 2)
    return same(found.output, PARIS)


@scenario("image", CLEVER)
async def image(kind, model):
    picture = BinaryContent(base64.b64decode(PNG), media_type="image/png")
    found = await agent(kind, model).run(["What is this?", picture])
    return holds(found.output, "1 images: image/png")


@scenario("error", ERRORS)
async def error(kind, model):
    asking = agent(kind, model).run(QUESTION)
    return await raises(ModelHTTPError, asking, status_code=meant(model))


@scenario("error streamed", ERRORS)
async def error_streamed(kind, model):
    async def drain():
        async with agent(kind, model).run_stream(QUESTION) as found:
            return await found.get_output()

    return await raises(ModelHTTPError, drain(), status_code=meant(model))


@scenario("dies in mid-stream:", DEATHS)
async def dies(kind, model):
    async def drain():
        async with agent(kind, model).run_stream(QUESTION) as found:
            return [piece async for piece in found.stream_text(delta=True, debounce_by=None)]

    return await raises(ModelAPIError, drain())


async def main():
    await scenario.run("pydantic-ai", given.only, OpenAIChatModel)
    await scenario.run("pydantic-ai, responses", given.only, OpenAIResponsesModel)


asyncio.run(main())
