"""ollama-python: chat, generate, embed, and what it asks about models."""

import asyncio
import base64

import ollama
from scenarios import (
    CLEVER,
    DEATHS,
    ERRORS,
    FORECAST,
    JPEG,
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
client = ollama.AsyncClient(host=given.url)
scenario = Scenarios()

USER = [{"role": "user", "content": QUESTION}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]


@scenario("plain")
async def plain():
    found = await client.chat(model="touchstone", messages=USER)
    same((found.model, found.done, found.done_reason), ("chat/clever", True, "stop"))
    same((found.prompt_eval_count, found.eval_count > 3), (7, True))
    same(found.total_duration > 0 and found.created_at[:2], "20")
    return holds(found.message.content, "question 1 was: What is the capital")


@scenario("plain with a tag")
async def plain_with_a_tag():
    found = await client.chat(model="touchstone:latest", messages=USER)
    return holds(found.message.content, QUESTION)


@scenario("plain", CLEVER)
async def plain_via(model):
    found = await client.chat(model=model, messages=USER)
    same(found.prompt_eval_count, 7)
    return holds(found.message.content, "question 1 was: What is the capital")


@scenario("streamed", CLEVER)
async def streamed(model):
    records = await several(await client.chat(model=model, messages=USER, stream=True))
    same([record.done for record in records], [False] * (len(records) - 1) + [True])
    same((records[-1].done_reason, records[-1].prompt_eval_count), ("stop", 7))
    return holds("".join(record.message.content for record in records), QUESTION)


@scenario("conversation", CLEVER)
async def conversation(model):
    first = await client.chat(model=model, messages=USER)
    messages = [
        {"role": "system", "content": SYSTEM},
        *USER,
        first.message,
        {"role": "user", "content": "And of Spain?"},
    ]
    found = await client.chat(model=model, messages=messages)
    return holds(found.message.content, "question 2 was: And of Spain?", f"told to: {SYSTEM}")


@scenario("tools", CLEVER)
async def tools(model):
    first = (await client.chat(model=model, messages=USER, tools=TOOLS)).message
    call = first.tool_calls[0].function
    same((call.name, dict(call.arguments)), ("weather", {"city": "Paris"}))
    result = {"role": "tool", "tool_name": "weather", "content": FORECAST}
    found = await client.chat(model=model, messages=[*USER, first, result], tools=TOOLS)
    return holds(found.message.content, f"the tools say: {FORECAST}")


@scenario("two tools at once", CLEVER)
async def two_tools(model):
    both = [*TOOLS, {"type": "function", "function": {"name": "time", "parameters": WEATHER}}]
    asked = [{"role": "user", "content": "Use every tool."}]
    first = (await client.chat(model=model, messages=asked, tools=both)).message
    same([call.function.name for call in first.tool_calls], ["weather", "time"])
    results = [{"role": "tool", "tool_name": name, "content": name} for name in ("weather", "time")]
    found = await client.chat(model=model, messages=[*asked, first, *results], tools=both)
    return holds(found.message.content, "the tools say: weather and time")


@scenario("tools in two rounds", CLEVER)
async def tools_in_two_rounds(model):
    messages = list(USER)
    for _ in range(2):
        first = (await client.chat(model=model, messages=messages, tools=TOOLS)).message
        result = {"role": "tool", "tool_name": "weather", "content": FORECAST}
        messages += [first, result, {"role": "user", "content": "And now?"}]
    found = await client.chat(model=model, messages=messages)
    return holds(found.message.content, "question 3 was: And now?")


@scenario("tools streamed", CLEVER)
async def tools_streamed(model):
    stream = await client.chat(model=model, messages=USER, tools=TOOLS, stream=True)
    calls = [call async for record in stream for call in record.message.tool_calls or ()]
    return same([dict(call.function.arguments) for call in calls], [{"city": "Paris"}])


@scenario("structured", CLEVER)
async def structured(model):
    schema = City.model_json_schema()
    found = await client.chat(model=model, messages=USER, format=schema)
    return same(City.model_validate_json(found.message.content).people, 7)


@scenario("structured without schema")
async def structured_without_schema():
    found = await client.chat(model="chat/clever", messages=USER, format="json")
    return same(found.message.content, '{"answer": "Paris"}')


@scenario("image", CLEVER)
async def image(model):
    pictures = [base64.b64decode(JPEG), base64.b64decode(PNG)]
    asked = [{"role": "user", "content": "What is this?", "images": pictures}]
    found = await client.chat(model=model, messages=asked)
    return holds(found.message.content, "2 images: image/jpeg, image/png")


@scenario("cut off", CLEVER)
async def cut_off(model):
    found = await client.chat(model=model, messages=USER, options={"num_predict": 2})
    same(found.done_reason, "length")
    return same(found.message.content, "question 1")


@scenario("thinking", CLEVER)
async def thinking(model):
    thinker = model.replace("clever", "thinker")
    found = await client.chat(model=thinker, messages=USER, think=True)
    same(found.message.thinking, "Let me see.")
    stream = await client.chat(model=thinker, messages=USER, think=True, stream=True)
    records = [record async for record in stream]
    same("".join(record.message.thinking or "" for record in records), "Let me see.")
    return holds("".join(record.message.content for record in records), "echo")


@scenario("generate", CLEVER)
async def generate(model):
    found = await client.generate(model=model, prompt=QUESTION, system=SYSTEM, images=[PNG])
    same((found.done, found.prompt_eval_count), (True, 7))
    return holds(found.response, QUESTION, f"told to: {SYSTEM}", "1 images: image/png")


@scenario("generate streamed", CLEVER)
async def generate_streamed(model):
    records = await several(await client.generate(model=model, prompt=QUESTION, stream=True))
    same(records[-1].done, True)
    return holds("".join(record.response for record in records), QUESTION)


@scenario("embed")
async def embed():
    found = await client.embed(model="chat/clever", input=["four", "eleven more"])
    same(found.prompt_eval_count, 3)
    return same([list(entry) for entry in found.embeddings], [[4.0, 0.5], [11.0, 0.5]])


@scenario("embeddings, the older call")
async def embeddings():
    found = await client.embeddings(model="chat/clever", prompt="four")
    return same(list(found.embedding), [4.0, 0.5])


@scenario("models")
async def models():
    listed = (await client.list()).models
    names = [entry.model for entry in listed]
    same("touchstone:latest" in names and "blocks/clever" in names, True)
    same(len({entry.digest for entry in listed}), len(listed))
    same(listed[0].modified_at.year > 2000, True)
    shown = await client.show("blocks/clever")
    same("tools" in shown.capabilities, True)
    same((await client.ps()).models[0].model, "touchstone:latest")
    await raises(ollama.ResponseError, client.show("nobody"), status_code=404)
    await raises(ollama.ResponseError, client.pull("touchstone"), status_code=501)
    return names


@scenario("recovers")
async def recovers():
    found = await client.generate(model="chat/flaky-1", prompt=QUESTION)
    return holds(found.response, QUESTION)


@scenario("error", ERRORS)
async def error(model):
    asking = client.chat(model=model, messages=USER)
    return await raises(ollama.ResponseError, asking, status_code=meant(model))


@scenario("error streamed", ERRORS)
async def error_streamed(model):
    async def drain():
        return [record async for record in await asking]

    asking = client.chat(model=model, messages=USER, stream=True)
    return await raises(ollama.ResponseError, drain(), status_code=meant(model))


@scenario("error malformed")
async def malformed():
    asking = client.chat(model="chat/clever", messages=USER, options={"num_predict": "many"})
    return await raises(ollama.ResponseError, asking, status_code=400)


@scenario("dies in mid-stream:", DEATHS)
async def dies(model):
    opening = client.chat(model=model, messages=USER, stream=True)
    return await breaks(ollama.ResponseError, opening)


asyncio.run(scenario.run("ollama-python", given.only))
