"""anthropic-python: the Messages API."""

import asyncio

import anthropic
from scenarios import (
    CLEVER,
    DEATHS,
    ERRORS,
    FORECAST,
    JPEG,
    PARIS,
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
client = anthropic.AsyncAnthropic(base_url=given.url, api_key="unused", max_retries=0)
messages = client.messages
scenario = Scenarios()

USER = [{"role": "user", "content": QUESTION}]
TOOLS = [{"name": "weather", "description": "of a city", "input_schema": WEATHER}]


def ask(model, asked=USER, **more):
    return messages.create(**{"model": model, "max_tokens": 100, "messages": asked, **more})


@scenario("plain")
async def plain():
    answer = await messages.with_raw_response.create(
        model="touchstone", max_tokens=100, messages=USER
    )
    same(answer.headers["x-touchstone-model"], "chat/clever")
    found = await answer.parse()
    same((found.type, found.role, found.stop_reason), ("message", "assistant", "end_turn"))
    return holds(found.content[0].text, "question 1 was: What is the capital")


@scenario("plain", CLEVER)
async def plain_via(model):
    found = await ask(model, system=SYSTEM)
    same((found.usage.input_tokens, found.usage.output_tokens > 3), (7, True))
    return holds(found.content[0].text, QUESTION, f"told to: {SYSTEM}")


@scenario("plain with a token")
async def plain_with_a_token():
    async with anthropic.AsyncAnthropic(base_url=given.url, auth_token="unused") as other:
        found = await other.messages.create(model="chat/clever", max_tokens=100, messages=USER)
    return holds(found.content[0].text, QUESTION)


@scenario("streamed", CLEVER)
async def streamed(model):
    events = await several(await ask(model, stream=True))
    kinds = [event.type for event in events]
    same(list(dict.fromkeys(kinds)),
         ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
          "message_delta", "message_stop"])  # fmt: skip
    same(kinds.count("content_block_delta") > 3, True)
    end = next(event for event in events if event.type == "message_delta")
    same((end.delta.stop_reason, end.usage.output_tokens > 3), ("end_turn", True))
    return kinds


@scenario("streamed by the helper", CLEVER)
async def streamed_by_helper(model):
    async with messages.stream(model=model, max_tokens=100, messages=USER) as stream:
        text = "".join(await several(stream.text_stream))
        found = await stream.get_final_message()
    same((found.content[0].text, found.usage.output_tokens > 3), (text, True))
    return holds(text, QUESTION)


@scenario("conversation", CLEVER)
async def conversation(model):
    first = await ask(model)
    asked = [
        *USER,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "text", "text": "And of Spain?"}]},
    ]
    parts = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    found = await ask(model, asked, system=parts)
    text = found.content[0].text
    return holds(text, "question 2 was: And of Spain?", f"told to: {SYSTEM}")


@scenario("tools", CLEVER)
async def tools(model):
    first = await ask(model, tools=TOOLS)
    call = next(block for block in first.content if block.type == "tool_use")
    same((first.stop_reason, call.name, call.input), ("tool_use", "weather", {"city": "Paris"}))
    result = {"type": "tool_result", "tool_use_id": call.id, "content": FORECAST}
    asked = [
        *USER,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    found = await ask(model, asked, tools=TOOLS)
    return holds(found.content[0].text, f"the tools say: {FORECAST}")


@scenario("two tools at once", CLEVER)
async def two_tools(model):
    both = [*TOOLS, {"name": "time", "input_schema": WEATHER}]
    asked = [{"role": "user", "content": "Use every tool."}]
    first = await ask(model, asked, tools=both)
    calls = [block for block in first.content if block.type == "tool_use"]
    same([call.name for call in calls], ["weather", "time"])
    results = [{"type": "tool_result", "tool_use_id": call.id,
                "content": [{"type": "text", "text": call.name}]} for call in calls]  # fmt: skip
    asked += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results},
    ]
    found = await ask(model, asked, tools=both)
    return holds(found.content[0].text, "the tools say: weather and time")


@scenario("tools streamed", CLEVER)
async def tools_streamed(model):
    asking = messages.stream(model=model, max_tokens=100, messages=USER, tools=TOOLS)
    async with asking as stream:
        events = await several(stream)
        found = await stream.get_final_message()
    same([e.content_block.input for e in events if e.type == "content_block_stop"],
         [{"city": "Paris"}])  # fmt: skip
    return same((found.stop_reason, found.content[0].name), ("tool_use", "weather"))


@scenario("tools by the runner", CLEVER)
async def tools_by_the_runner(model):
    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        """The weather in a city."""
        return f"{FORECAST} in {city}"

    runner = client.beta.messages.tool_runner(
        model=model, max_tokens=100, messages=USER, tools=[weather]
    )
    found = await runner.until_done()
    return holds(found.content[0].text, f"the tools say: {FORECAST} in Paris")


@scenario("a tool demanded", CLEVER)
async def tool_demanded(model):
    both = [*TOOLS, {"name": "time", "input_schema": WEATHER}]
    found = await ask(model, tools=both, tool_choice={"type": "tool", "name": "time"})
    return same([block.name for block in found.content if block.type == "tool_use"], ["time"])


@scenario("structured", CLEVER)
async def structured(model):
    found = await messages.parse(model=model, max_tokens=100, messages=USER, output_format=City)
    return same(found.parsed_output, PARIS)


@scenario("image", CLEVER)
async def image(model):
    source = {"type": "base64", "media_type": "image/jpeg", "data": JPEG}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    found = await ask(model, [{"role": "user", "content": content}])
    return holds(found.content[0].text, "1 images: image/jpeg")


@scenario("cut off", CLEVER)
async def cut_off(model):
    found = await ask(model, max_tokens=2)
    same(found.stop_reason, "max_tokens")
    return same(found.content[0].text, "question 1")


@scenario("thinking", CLEVER)
async def thinking(model):
    thinker = model.replace("clever", "thinker")
    wanted = {"type": "enabled", "budget_tokens": 1024}
    found = await ask(thinker, max_tokens=2048, thinking=wanted)
    return same([b.thinking for b in found.content if b.type == "thinking"], ["Let me see."])


@scenario("thinking in a conversation", CLEVER)
async def thinking_in_a_conversation(model):
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}
    asked = [
        *USER,
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Paris."}]},
        {"role": "user", "content": "And of Spain?"},
    ]
    found = await ask(model, asked)
    return holds(found.content[0].text, "question 2 was: And of Spain?")


@scenario("history for a strict provider")
async def history_for_a_strict_provider():
    cached = {"cache_control": {"type": "ephemeral"}}
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}
    asked = [
        {"role": "user", "content": [{"type": "text", "text": QUESTION, **cached}]},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Paris."}]},
        {"role": "user", "content": [{"type": "text", "text": "And of Spain?", **cached}]},
    ]
    system = [{"type": "text", "text": SYSTEM, **cached}]
    found = await ask("chat/strict", asked, system=system)
    return holds(found.content[0].text, "question 2 was: And of Spain?", f"told to: {SYSTEM}")


@scenario("thinking streamed", CLEVER)
async def thinking_streamed(model):
    thinker = model.replace("clever", "thinker")
    async with messages.stream(model=thinker, max_tokens=100, messages=USER) as stream:
        await several(stream)
        found = await stream.get_final_message()
    return same([block.type for block in found.content], ["thinking", "text"])


@scenario("a picture in a tool's result", CLEVER)
async def picture_in_a_result(model):
    source = {"type": "base64", "media_type": "image/jpeg", "data": JPEG}
    content = [{"type": "text", "text": FORECAST}, {"type": "image", "source": source}]
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": content}
    said = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    found = await ask(model, [*USER, *said])
    return holds(found.content[0].text, "1 images: image/jpeg")


@scenario("tokens counted")
async def tokens_counted():
    found = await messages.count_tokens(model="chat/clever", messages=USER)
    return same(found.input_tokens > 0, True)


#: status → what is raised, and the word for it in the body
KINDS = {
    400: (anthropic.BadRequestError, "invalid_request_error"),
    404: (anthropic.NotFoundError, "not_found_error"),
    409: (anthropic.ConflictError, "invalid_request_error"),
    429: (anthropic.RateLimitError, "rate_limit_error"),
    504: (anthropic.InternalServerError, "timeout_error"),
    502: (anthropic.InternalServerError, "api_error"),
}


async def refused(model, asking):
    kind, word = KINDS[meant(model)]
    try:
        found = await asking
    except kind as exc:
        same((exc.status_code, exc.body["type"]), (meant(model), "error"))
        same(exc.body["error"]["type"], word)
        return exc.body["error"]["message"]
    raise AssertionError(f"nothing raised, but {found!r}")


@scenario("error", ERRORS)
async def error(model):
    return await refused(model, ask(model))


@scenario("error streamed", ERRORS)
async def error_streamed(model):
    return await refused(model, ask(model, stream=True))


@scenario("error retry-after")
async def retry_after():
    try:
        await ask("chat/status-429")
    except anthropic.RateLimitError as exc:
        return same(exc.response.headers["retry-after"], "1")
    raise AssertionError("nothing raised")


@scenario("error malformed")
async def malformed():
    return await raises(anthropic.BadRequestError, ask("chat/clever", []), status_code=400)


@scenario("dies in mid-stream:", DEATHS)
async def dies(model):
    return await breaks(anthropic.APIError, ask(model, stream=True))


asyncio.run(scenario.run("anthropic-python", given.only))
