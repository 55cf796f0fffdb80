"""langchain-openai and langchain-ollama; the first by chat completions and by Responses."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ollama
import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai_errors import KINDS
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
openai_only, responses_only, ollama_only = Scenarios(), Scenarios(), Scenarios()


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"{FORECAST} in {city}"


@tool
def time(city: str) -> str:
    """The time in a city."""
    return f"noon in {city}"


@dataclass
class Client:
    """A way to the service; what is raised for a status (0: all others), and in mid-stream."""

    chat: Callable[[str], Any]
    kinds: dict[int, type[Exception]]
    middle: type[Exception]


def by_openai(**more):
    def chat(model):
        url = f"{given.url}/v1"
        return ChatOpenAI(model=model, base_url=url, api_key="unused", max_retries=0, **more)

    return chat


def by_ollama(model):
    return ChatOllama(model=model, base_url=given.url)


@scenario("plain", CLEVER)
async def plain(client, model):
    found = await client.chat(model).ainvoke(QUESTION)
    same(found.usage_metadata["input_tokens"], 7)
    return holds(found.text, "question 1 was: What is the capital")


@scenario("streamed", CLEVER)
async def streamed(client, model):
    chunks = await several(client.chat(model).astream(QUESTION))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    same(whole.usage_metadata["input_tokens"], 7)
    return holds(whole.text, QUESTION)


@scenario("conversation", CLEVER)
async def conversation(client, model):
    first = await client.chat(model).ainvoke(QUESTION)
    asked = [SystemMessage(SYSTEM), HumanMessage(QUESTION), first, HumanMessage("And Spain?")]
    found = await client.chat(model).ainvoke(asked)
    return holds(found.text, "question 2 was: And Spain?", f"told to: {SYSTEM}")


@scenario("conversation after thinking", CLEVER)
async def conversation_after_thinking(client, model):
    first = await client.chat(model.replace("clever", "thinker")).ainvoke(QUESTION)
    asked = [HumanMessage(QUESTION), first, HumanMessage("And Spain?")]
    return holds((await client.chat(model).ainvoke(asked)).text, "question 2 was: And Spain?")


@scenario("tools", CLEVER)
async def tools(client, model):
    bound = client.chat(model).bind_tools([weather, time])
    asked = [HumanMessage("Use every tool.")]
    first = await bound.ainvoke(asked)
    calls = [(call["name"], call["args"]) for call in first.tool_calls]
    same(calls, [("weather", {"city": "Paris"}), ("time", {"city": "Paris"})])
    results = [await weather.ainvoke(first.tool_calls[0]), await time.ainvoke(first.tool_calls[1])]
    found = await bound.ainvoke([*asked, first, *results])
    return holds(found.text, f"the tools say: {FORECAST} in Paris and noon in Paris")


@scenario("tools streamed", CLEVER)
async def tools_streamed(client, model):
    whole = None
    async for chunk in client.chat(model).bind_tools([weather]).astream(QUESTION):
        whole = chunk if whole is None else whole + chunk
    return same([call["args"] for call in whole.tool_calls], [{"city": "Paris"}])


@scenario("structured by schema", CLEVER)
async def structured_by_schema(client, model):
    bound = client.chat(model).with_structured_output(City, method="json_schema")
    return same(await bound.ainvoke(QUESTION), PARIS)


@scenario("structured by tool", CLEVER)
async def structured_by_tool(client, model):
    bound = client.chat(model).with_structured_output(City, method="function_calling")
    return same(await bound.ainvoke(QUESTION), PARIS)


@scenario("image", CLEVER)
async def image(client, model):
    picture = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    content = [{"type": "text", "text": "What is this?"}, picture]
    found = await client.chat(model).ainvoke([HumanMessage(content=content)])
    return holds(found.text, "1 images: image/png")


async def refused(client, model, asking):
    status = meant(model)
    return await raises(client.kinds.get(status, client.kinds[0]), asking)


@scenario("error", ERRORS)
async def error(client, model):
    return await refused(client, model, client.chat(model).ainvoke(QUESTION))


@scenario("error streamed", ERRORS)
async def error_streamed(client, model):
    async def drain():
        return [chunk async for chunk in client.chat(model).astream(QUESTION)]

    return await refused(client, model, drain())


@scenario("dies in mid-stream:", DEATHS)
async def dies(client, model):
    async def opening():
        return client.chat(model).astream(QUESTION)

    return await breaks(client.middle, opening())


@responses_only("conversation by id", CLEVER)
async def conversation_by_id(model):
    talking = by_openai(use_responses_api=True, use_previous_response_id=True)(model)
    first = await talking.ainvoke(QUESTION)
    found = await talking.ainvoke([HumanMessage(QUESTION), first, HumanMessage("And Spain?")])
    return holds(found.text, "question 2 was: And Spain?")


@openai_only("embeddings")
async def openai_embeddings():
    url = f"{given.url}/v1"
    embeddings = OpenAIEmbeddings(
        model="chat/clever", base_url=url, api_key="unused", check_embedding_ctx_length=False
    )
    return same(await embeddings.aembed_query("four"), [4.0, 0.5])


@ollama_only("embeddings")
async def ollama_embeddings():
    embeddings = OllamaEmbeddings(model="chat/clever", base_url=given.url)
    return same(await embeddings.aembed_query("four"), [4.0, 0.5])


@ollama_only("model looked up at the start")
async def looked_up():
    found = ChatOllama(model="touchstone", base_url=given.url, validate_model_on_init=True)
    answer = await found.ainvoke([HumanMessage(QUESTION), AIMessage("Paris."), HumanMessage("Ok?")])
    return holds(answer.text, "question 2 was: Ok?")


@ollama_only("thinking", CLEVER)
async def thinking(model):
    name = model.replace("clever", "thinker")
    thinker = ChatOllama(model=name, base_url=given.url, reasoning=True)
    found = await thinker.ainvoke(QUESTION)
    return same(found.additional_kwargs.get("reasoning_content"), "Let me see.")


OPENAI_KINDS = {**KINDS, 0: openai.InternalServerError}


async def main():
    chat = Client(by_openai(stream_usage=True), OPENAI_KINDS, openai.APIError)
    await scenario.run("langchain-openai", given.only, chat)
    await openai_only.run("langchain-openai", given.only)
    responses = Client(by_openai(use_responses_api=True), OPENAI_KINDS, openai.APIError)
    await scenario.run("langchain-openai, responses", given.only, responses)
    await responses_only.run("langchain-openai, responses", given.only)
    talking = Client(by_ollama, {0: ollama.ResponseError}, ollama.ResponseError)
    await scenario.run("langchain-ollama", given.only, talking)
    await ollama_only.run("langchain-ollama", given.only)


asyncio.run(main())
