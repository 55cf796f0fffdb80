"""openai-python: chat completions, embeddings, models."""

import asyncio
import json

import openai
from openai_errors import refused
from scenarios import (
    CLEVER,
    DEATHS,
    ERRORS,
    FORECAST,
    PARIS,
    PNG,
    QUESTION,
    SYSTEM,
    WEATHER,
    City,
    Scenarios,
    breaks,
    holds,
    options,
    raises,
    same,
    several,
)

given = options()
client = openai.AsyncOpenAI(base_url=f"{given.url}/v1", api_key="unused", max_retries=0)
chat = client.chat.completions
scenario = Scenarios()

USER = [{"role": "user", "content": QUESTION}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]


@scenario("plain")
async def plain():
    answer = await chat.with_raw_response.create(model="touchstone", messages=USER)
    same(answer.headers["x-touchstone-model"], "chat/clever")
    found = answer.parse()
    same(found.model, "clever")
    same((found.usage.prompt_tokens, found.choices[0].finish_reason), (7, "stop"))
    return holds(found.choices[0].message.content, "question 1 was: What is the capital")


@scenario("plain", CLEVER)
async def plain_via(model):
    found = await chat.create(model=model, messages=USER)
    same(found.usage.prompt_tokens, 7)
    return holds(found.choices[0].message.content, "question 1 was: What is the capital")


@scenario("streamed", CLEVER)
async def streamed(model):
    wanted = {"include_usage": True}
    stream = await chat.create(model=model, messages=USER, stream=True, stream_options=wanted)
    chunks = await several(stream)
    same((chunks[-1].choices, chunks[-1].usage.prompt_tokens), ([], 7))
    pieces = [c.choices[0].delta.content for c in chunks if c.choices]
    holds("".join(piece or "" for piece in pieces), f"question 1 was: {QUESTION}")
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
    same([reason for reason in reasons if reason], ["stop"])
    return pieces


@scenario("streamed without usage", CLEVER)
async def streamed_without_usage(model):
    chunks = await several(await chat.create(model=model, messages=USER, stream=True))
    same([c.usage for c in chunks if c.usage], [])
    return same([c for c in chunks if not c.choices], [])


@scenario("conversation", CLEVER)
async def conversation(model):
    first = await chat.create(model=model, messages=USER)
    messages = [
        {"role": "system", "content": SYSTEM},
        *USER,
        first.choices[0].message,
        {"role": "user", "content": "And of Spain?"},
    ]
    found = await chat.create(model=model, messages=messages)
    text = found.choices[0].message.content
    return holds(text, "question 2 was: And of Spain?", f"told to: {SYSTEM}")


@scenario("tools", CLEVER)
async def tools(model):
    first = await chat.create(model=model, messages=USER, tools=TOOLS)
    choice = first.choices[0]
    same((choice.finish_reason, choice.message.tool_calls[0].function.name),
         ("tool_calls", "weather"))  # fmt: skip
    call = choice.message.tool_calls[0]
    same(json.loads(call.function.arguments), {"city": "Paris"})
    result = {"role": "tool", "tool_call_id": call.id, "content": FORECAST}
    messages = [*USER, choice.message, result]
    found = await chat.create(model=model, messages=messages, tools=TOOLS)
    return holds(found.choices[0].message.content, f"the tools say: {FORECAST}")


@scenario("two tools at once", CLEVER)
async def two_tools(model):
    both = [*TOOLS, {"type": "function", "function": {"name": "time", "parameters": WEATHER}}]
    asked = [{"role": "user", "content": "Use every tool."}]
    first = (await chat.create(model=model, messages=asked, tools=both)).choices[0].message
    same([call.function.name for call in first.tool_calls], ["weather", "time"])
    results = [{"role": "tool", "tool_call_id": call.id, "content": call.function.name}
               for call in first.tool_calls]  # fmt: skip
    found = await chat.create(model=model, messages=[*asked, first, *results], tools=both)
    return holds(found.choices[0].message.content, "the tools say: weather and time")


@scenario("tools streamed", CLEVER)
async def tools_streamed(model):
    async with chat.stream(model=model, messages=USER, tools=TOOLS) as stream:
        events = await several(stream)
        found = await stream.get_final_completion()
    same([e.type for e in events if e.type.endswith("arguments.done")],
         ["tool_calls.function.arguments.done"])  # fmt: skip
    call = found.choices[0].message.tool_calls[0].function
    same(found.choices[0].finish_reason, "tool_calls")
    return same((call.name, json.loads(call.arguments)), ("weather", {"city": "Paris"}))


@scenario("a tool demanded", CLEVER)
async def tool_demanded(model):
    wanted = {"type": "function", "function": {"name": "time"}}
    both = [*TOOLS, {"type": "function", "function": {"name": "time", "parameters": WEATHER}}]
    found = await chat.create(model=model, messages=USER, tools=both, tool_choice=wanted)
    return same(found.choices[0].message.tool_calls[0].function.name, "time")


@scenario("structured", CLEVER)
async def structured(model):
    found = await chat.parse(model=model, messages=USER, response_format=City)
    return same(found.choices[0].message.parsed, PARIS)


@scenario("structured streamed", CLEVER)
async def structured_streamed(model):
    async with chat.stream(model=model, messages=USER, response_format=City) as stream:
        found = await stream.get_final_completion()
    return same(found.choices[0].message.parsed, PARIS)


@scenario("image", CLEVER)
async def image(model):
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    content = [{"type": "text", "text": "What is this?"}, part, part]
    found = await chat.create(model=model, messages=[{"role": "user", "content": content}])
    return holds(found.choices[0].message.content, "2 images: image/png, image/png")


@scenario("cut off", CLEVER)
async def cut_off(model):
    found = await chat.create(model=model, messages=USER, max_completion_tokens=2)
    same(found.choices[0].finish_reason, "length")
    return same(found.choices[0].message.content, "question 1")


@scenario("several answers")
async def several_answers():
    found = await chat.create(model="chat/clever", messages=USER, n=2)
    return same([choice.index for choice in found.choices], [0, 1])


@scenario("log probabilities")
async def log_probabilities():
    found = await chat.create(model="chat/clever", messages=USER, logprobs=True)
    return same(found.choices[0].logprobs.content[0].logprob, -0.5)


@scenario("embeddings")
async def embeddings():
    found = await client.embeddings.create(
        model="chat/clever", input=["four", "eleven more"], encoding_format="float"
    )
    same(found.usage.prompt_tokens, 3)
    return same([entry.embedding for entry in found.data], [[4.0, 0.5], [11.0, 0.5]])


@scenario("models")
async def models():
    found = [model.id async for model in client.models.list()]
    same("touchstone" in found and "blocks/clever" in found, True)
    same((await client.models.retrieve("blocks/clever")).owned_by, "blocks")
    await raises(openai.NotFoundError, client.models.retrieve("nobody"), code="model_not_found")
    return found


@scenario("recovers")
async def recovers():
    found = await chat.create(model="chat/flaky-1", messages=USER)
    return holds(found.choices[0].message.content, QUESTION)


@scenario("error", ERRORS)
async def error(model):
    return await refused(model, chat.create(model=model, messages=USER))


@scenario("error streamed", ERRORS)
async def error_streamed(model):
    return await refused(model, chat.create(model=model, messages=USER, stream=True))


@scenario("error retry-after")
async def retry_after():
    try:
        await chat.create(model="chat/status-429", messages=USER)
    except openai.RateLimitError as exc:
        return same(exc.response.headers["retry-after"], "1")
    raise AssertionError("nothing raised")


@scenario("dies in mid-stream:", DEATHS)
async def dies(model):
    return await breaks(openai.APIError, chat.create(model=model, messages=USER, stream=True))


asyncio.run(scenario.run("openai-python", given.only))
