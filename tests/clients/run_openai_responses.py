"""openai-python: the Responses API."""

import asyncio
import json

import openai
from openai.lib.responses_tool_runner import AsyncRegisteredFunction, AsyncResponsesToolRunner
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
responses = client.responses
scenario = Scenarios()

TOOLS = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}]
#: the order in which a stream of one text tells its parts
TEXT_EVENTS = [
    *("response.created", "response.in_progress", "response.output_item.added"),
    *("response.content_part.added", "response.output_text.delta", "response.output_text.done"),
    *("response.content_part.done", "response.output_item.done", "response.completed"),
]


@scenario("plain")
async def plain():
    answer = await responses.with_raw_response.create(model="touchstone", input=QUESTION)
    same(answer.headers["x-touchstone-model"], "chat/clever")
    found = answer.parse()
    same((found.status, found.object, found.error), ("completed", "response", None))
    return holds(found.output_text, "question 1 was: What is the capital")


@scenario("plain", CLEVER)
async def plain_via(model):
    found = await responses.create(model=model, input=QUESTION, instructions=SYSTEM)
    same((found.usage.input_tokens, found.status), (7, "completed"))
    same(found.usage.total_tokens, 7 + found.usage.output_tokens)
    return holds(found.output_text, QUESTION, f"told to: {SYSTEM}")


@scenario("streamed", CLEVER)
async def streamed(model):
    events = await several(await responses.create(model=model, input=QUESTION, stream=True))
    same([event.sequence_number for event in events], list(range(len(events))))
    kinds = [event.type for event in events]
    same(list(dict.fromkeys(kinds)), TEXT_EVENTS)
    same(kinds.count("response.output_text.delta") > 3, True)
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    same(events[-1].response.output_text, text)
    same(events[-1].response.usage.input_tokens, 7)
    return holds(text, QUESTION)


@scenario("streamed by the helper", CLEVER)
async def streamed_by_helper(model):
    async with responses.stream(model=model, input=QUESTION) as stream:
        await several(stream)
        return holds((await stream.get_final_response()).output_text, QUESTION)


@scenario("conversation", CLEVER)
async def conversation(model):
    asked = [{"role": "user", "content": QUESTION}]
    first = await responses.create(model=model, input=asked, store=False)
    items = [
        {"role": "developer", "content": SYSTEM},
        *asked,
        *first.output,
        {"role": "user", "content": [{"type": "input_text", "text": "And of Spain?"}]},
    ]
    found = await responses.create(model=model, input=items, store=False)
    return holds(found.output_text, "question 2 was: And of Spain?", f"told to: {SYSTEM}")


@scenario("conversation in plain messages", CLEVER)
async def conversation_in_messages(model):
    items = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "And of Spain?"},
    ]
    found = await responses.create(model=model, input=items)
    return holds(found.output_text, "question 2 was: And of Spain?")


@scenario("conversation by id", CLEVER)
async def conversation_by_id(model):
    first = await responses.create(model=model, input=QUESTION)
    more = {"input": "And of Spain?", "previous_response_id": first.id}
    found = await responses.create(model=model, **more)
    same(found.previous_response_id, first.id)
    return holds(found.output_text, "question 2 was: And of Spain?")


@scenario("conversation by id streamed", CLEVER)
async def conversation_by_id_streamed(model):
    events = await several(await responses.create(model=model, input=QUESTION, stream=True))
    more = {"input": "And of Spain?", "previous_response_id": events[0].response.id}
    async with responses.stream(model=model, **more) as stream:
        found = await stream.get_final_response()
    return holds(found.output_text, "question 2 was: And of Spain?")


@scenario("conversation by item", CLEVER)
async def conversation_by_item(model):
    asked = {"role": "user", "content": QUESTION}
    first = await responses.create(model=model, input=[asked])
    said = {"type": "item_reference", "id": first.output[-1].id}
    items = [asked, said, {"role": "user", "content": "And of Spain?"}]
    found = await responses.create(model=model, input=items)
    return holds(found.output_text, "question 2 was: And of Spain?")


@scenario("tools by id", CLEVER)
async def tools_by_id(model):
    first = await responses.create(model=model, input=QUESTION, tools=TOOLS)
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": FORECAST}
    found = await responses.create(
        model=model, input=[result], tools=TOOLS, previous_response_id=first.id
    )
    return holds(found.output_text, "question 1 was", f"the tools say: {FORECAST}")


@scenario("tools", CLEVER)
async def tools(model):
    items = [{"role": "user", "content": QUESTION}]
    first = await responses.create(model=model, input=items, tools=TOOLS)
    call = next(item for item in first.output if item.type == "function_call")
    same((call.name, json.loads(call.arguments)), ("weather", {"city": "Paris"}))
    result = {"type": "function_call_output", "call_id": call.call_id, "output": FORECAST}
    found = await responses.create(model=model, input=[*items, *first.output, result], tools=TOOLS)
    return holds(found.output_text, f"the tools say: {FORECAST}")


@scenario("two tools at once", CLEVER)
async def two_tools(model):
    both = [*TOOLS, {"type": "function", "name": "time", "parameters": WEATHER, "strict": True}]
    items = [{"role": "user", "content": "Use every tool."}]
    first = await responses.create(model=model, input=items, tools=both)
    calls = [item for item in first.output if item.type == "function_call"]
    same([call.name for call in calls], ["weather", "time"])
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": call.name}
               for call in calls]  # fmt: skip
    found = await responses.create(model=model, input=[*items, *first.output, *results], tools=both)
    return holds(found.output_text, "the tools say: weather and time")


@scenario("tools streamed", CLEVER)
async def tools_streamed(model):
    async with responses.stream(model=model, input=QUESTION, tools=TOOLS) as stream:
        events = await several(stream)
        found = await stream.get_final_response()
    done = [e for e in events if e.type == "response.function_call_arguments.done"]
    same([json.loads(event.arguments) for event in done], [{"city": "Paris"}])
    call = next(item for item in found.output if item.type == "function_call")
    return same((call.name, call.status), ("weather", "completed"))


async def weather(arguments):
    return f"{FORECAST} in {arguments['city']}"


@scenario("tools by the runner", CLEVER)
async def tools_by_the_runner(model):
    runner = AsyncResponsesToolRunner(functions=[AsyncRegisteredFunction(TOOLS[0], weather)])
    asked = {"model": model, "input": QUESTION}
    for stream in (False, True):
        found = await runner.run(client, asked, stream=stream)
        holds(found.output_text, f"the tools say: {FORECAST} in Paris")
    return found.output_text


@scenario("a tool demanded", CLEVER)
async def tool_demanded(model):
    both = [*TOOLS, {"type": "function", "name": "time", "parameters": WEATHER, "strict": True}]
    wanted = {"type": "function", "name": "time"}
    found = await responses.create(model=model, input=QUESTION, tools=both, tool_choice=wanted)
    return same([item.name for item in found.output if item.type == "function_call"], ["time"])


@scenario("structured", CLEVER)
async def structured(model):
    found = await responses.parse(model=model, input=QUESTION, text_format=City)
    return same(found.output_parsed, PARIS)


@scenario("structured streamed", CLEVER)
async def structured_streamed(model):
    async with responses.stream(model=model, input=QUESTION, text_format=City) as stream:
        return same((await stream.get_final_response()).output_parsed, PARIS)


@scenario("image", CLEVER)
async def image(model):
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    content = [{"type": "input_text", "text": "What is this?"}, part]
    found = await responses.create(model=model, input=[{"role": "user", "content": content}])
    return holds(found.output_text, "1 images: image/png")


@scenario("cut off", CLEVER)
async def cut_off(model):
    found = await responses.create(model=model, input=QUESTION, max_output_tokens=2)
    same((found.status, found.incomplete_details.reason), ("incomplete", "max_output_tokens"))
    return same(found.output_text, "question 1")


@scenario("cut off streamed", CLEVER)
async def cut_off_streamed(model):
    asking = responses.create(model=model, input=QUESTION, max_output_tokens=2, stream=True)
    last = (await several(await asking))[-1]
    return same((last.type, last.response.status), ("response.incomplete", "incomplete"))


@scenario("thinking", CLEVER)
async def thinking(model):
    thinker = model.replace("clever", "thinker")
    found = await responses.create(model=thinker, input=QUESTION, reasoning={"summary": "auto"})
    thoughts = [item for item in found.output if item.type == "reasoning"]
    return same([part.text for item in thoughts for part in item.summary], ["Let me see."])


@scenario("error", ERRORS)
async def error(model):
    return await refused(model, responses.create(model=model, input=QUESTION))


@scenario("error streamed", ERRORS)
async def error_streamed(model):
    return await refused(model, responses.create(model=model, input=QUESTION, stream=True))


@scenario("error malformed")
async def malformed():
    asking = responses.create(model="chat/clever", input=[{"role": "nobody", "content": 1}])
    return await raises(openai.BadRequestError, asking)


@scenario("error unknown item")
async def unknown_item():
    items = [{"type": "item_reference", "id": "msg_nobody"}, {"role": "user", "content": "?"}]
    asking = responses.create(model="chat/clever", input=items)
    return await raises((openai.BadRequestError, openai.NotFoundError), asking)


@scenario("error not stored")
async def not_stored():
    first = await responses.create(model="chat/clever", input=QUESTION, store=False)
    asking = responses.create(model="chat/clever", input="And?", previous_response_id=first.id)
    return await raises((openai.BadRequestError, openai.NotFoundError), asking)


@scenario("dies in mid-stream:", DEATHS)
async def dies(model):
    opening = responses.create(model=model, input=QUESTION, stream=True)
    return await breaks(openai.APIError, opening)


asyncio.run(scenario.run("openai-python, responses", given.only))
