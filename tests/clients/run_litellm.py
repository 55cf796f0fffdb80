"""LiteLLM's library: the service as OpenAI, as Ollama and as Anthropic."""

import asyncio
import json
import os

# before the import: LiteLLM would fetch a list of prices when it is loaded
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # noqa: TID251 - a setting of the client's own

import litellm
from scenarios import (
    CLEVER,
    DEATHS,
    ERRORS,
    FORECAST,
    PNG,
    QUESTION,
    SYSTEM,
    WEATHER,
    City,
    Scenarios,
    breaks,
    holds,
    meant,
    options,
    raises,
    same,
    several,
)

given = options()
scenario = Scenarios()
litellm.suppress_debug_info = True
litellm.telemetry = False
#: LiteLLM's word for a dialect → the address it wants
DIALECTS = {"openai": f"{given.url}/v1", "ollama_chat": given.url, "anthropic": given.url}

USER = [{"role": "user", "content": QUESTION}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "of a city",
                                           "parameters": WEATHER}}]  # fmt: skip


def ask(dialect, model, messages=USER, **more):
    return litellm.acompletion(
        model=f"{dialect}/{model}",
        messages=messages,
        api_base=DIALECTS[dialect],
        api_key="unused",
        num_retries=0,
        max_retries=0,
        **more,
    )


@scenario("plain", CLEVER)
async def plain(dialect, model):
    found = await ask(dialect, model)
    same((found.usage.prompt_tokens, found.choices[0].finish_reason), (7, "stop"))
    return holds(found.choices[0].message.content, "question 1 was: What is the capital")


@scenario("streamed", CLEVER)
async def streamed(dialect, model):
    chunks = await several(await ask(dialect, model, stream=True))
    pieces = [c.choices[0].delta.content for c in chunks if c.choices]
    return holds("".join(piece or "" for piece in pieces), QUESTION)


@scenario("conversation", CLEVER)
async def conversation(dialect, model):
    first = (await ask(dialect, model)).choices[0].message
    asked = [
        {"role": "system", "content": SYSTEM},
        *USER,
        first.model_dump(),
        {"role": "user", "content": "And of Spain?"},
    ]
    found = await ask(dialect, model, asked)
    text = found.choices[0].message.content
    return holds(text, "question 2 was: And of Spain?", f"told to: {SYSTEM}")


@scenario("tools", CLEVER)
async def tools(dialect, model):
    first = (await ask(dialect, model, tools=TOOLS)).choices[0].message
    call = first.tool_calls[0]
    asked = (call.function.name, json.loads(call.function.arguments))
    same(asked, ("weather", {"city": "Paris"}))
    result = {"role": "tool", "tool_call_id": call.id, "name": "weather", "content": FORECAST}
    found = await ask(dialect, model, [*USER, first.model_dump(), result], tools=TOOLS)
    return holds(found.choices[0].message.content, f"the tools say: {FORECAST}")


@scenario("tools streamed", CLEVER)
async def tools_streamed(dialect, model):
    chunks = [chunk async for chunk in await ask(dialect, model, tools=TOOLS, stream=True)]
    whole = litellm.stream_chunk_builder(chunks)
    call = whole.choices[0].message.tool_calls[0].function
    return same((call.name, json.loads(call.arguments)), ("weather", {"city": "Paris"}))


@scenario("structured", CLEVER)
async def structured(dialect, model):
    found = await ask(dialect, model, response_format=City)
    return same(City.model_validate_json(found.choices[0].message.content).people, 7)


@scenario("image", CLEVER)
async def image(dialect, model):
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    content = [{"type": "text", "text": "What is this?"}, part]
    found = await ask(dialect, model, [{"role": "user", "content": content}])
    return holds(found.choices[0].message.content, "1 images: image/png")


#: status → what LiteLLM makes of it; it has no class for the others
KINDS = {
    400: litellm.BadRequestError,
    404: litellm.NotFoundError,
    429: litellm.RateLimitError,
    502: litellm.BadGatewayError,
}


async def refused(dialect, model, asking):
    # of what Ollama says LiteLLM keeps the text and not always the class
    kind = Exception if dialect == "ollama_chat" else KINDS.get(meant(model), Exception)
    return await raises(kind, asking)


@scenario("error", ERRORS)
async def error(dialect, model):
    return await refused(dialect, model, ask(dialect, model))


@scenario("error streamed", ERRORS)
async def error_streamed(dialect, model):
    async def drain():
        return [chunk async for chunk in await ask(dialect, model, stream=True)]

    return await refused(dialect, model, drain())


@scenario("dies in mid-stream:", DEATHS)
async def dies(dialect, model):
    asking = ask(dialect, model, stream=True)
    if (dialect, model) != ("anthropic", "blocks/no-done"):
        return await breaks(Exception, asking)
    # LiteLLM reads no further once it knows why the model stopped: then nothing may be missing
    chunks = await several(await asking)
    return holds("".join(c.choices[0].delta.content or "" for c in chunks), QUESTION)


async def main():
    for dialect in DIALECTS:
        await scenario.run(f"litellm, {dialect}", given.only, dialect)


asyncio.run(main())
