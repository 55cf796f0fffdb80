"""Speaks to providers: `chat`, `forward`, `stream` and `list_models` pick the wire format."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from core.errors import BadRequest, UpstreamError, UpstreamRejected
from core.providers import anthropic, openai_chat, openai_responses
from core.providers.http import Client, message_of, object_of, wire_format
from core.providers_file import LOOPBACK, Providers, known_providers, load_providers
from core.records import Provider, Question, Reply, Usage
from core.settings import Settings, read_environment

#: seconds a server on this machine has to answer
_LOCAL_S = 1.5
#: what Anthropic is told where nobody set a limit; see ANTHROPIC_MAX_TOKENS
DEFAULT_MAX_TOKENS = 12800


async def forward(
    client: Client,
    provider: Provider,
    model: str,
    payload: bytes,
    *,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
) -> bytes:
    """An OpenAI chat body (bytes, naming ``model``) to an OpenAI completion (bytes)."""
    async with client.pace(provider).turn():
        match wire_format(provider):
            case "openai-compatible":
                return await openai_chat.forward(client, provider, payload)
            case "anthropic":
                body = orjson.loads(payload)
                found = await anthropic.complete(client, provider, body, default_max_tokens)
            case "openai-responses":
                found = await openai_responses.complete(client, provider, orjson.loads(payload))
    return orjson.dumps(found)


@asynccontextmanager
async def stream(
    client: Client,
    provider: Provider,
    model: str,
    payload: bytes,
    *,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """An OpenAI event stream, forwarded as it comes.

    The other two formats are answered whole and then framed; their streaming follows.
    """
    if wire_format(provider) == "openai-compatible":
        async with (
            client.pace(provider).turn(),
            openai_chat.stream(client, provider, payload) as frames,
        ):
            yield frames
        return
    body = await forward(client, provider, model, payload, default_max_tokens=default_max_tokens)
    yield _framed(orjson.loads(body))


async def _framed(completion: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """A whole completion as chunks: the message, the reason it ended, its usage, the end."""
    choice = completion["choices"][0]
    head = {name: completion[name] for name in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    delta = dict(choice["message"])
    calls = delta.get("tool_calls") or ()
    if calls:
        delta["tool_calls"] = [{"index": i, **call} for i, call in enumerate(calls)]
    for piece, reason in ((delta, None), ({}, choice["finish_reason"])):
        chunk = {**head, "choices": [{"index": 0, "delta": piece, "finish_reason": reason}]}
        yield b"data: " + orjson.dumps(chunk) + b"\n\n"
    usage = {**head, "choices": [], "usage": completion.get("usage")}
    yield b"data: " + orjson.dumps(usage) + b"\n\ndata: [DONE]\n\n"


async def embed(client: Client, provider: Provider, payload: bytes) -> bytes:
    """An OpenAI embeddings body (bytes) to its answer (bytes), as they are."""
    if provider.type == "anthropic":
        raise BadRequest(f"{provider.name} has no embeddings", param="model")
    async with client.pace(provider).turn():
        return await openai_chat.embed(client, provider, payload)


async def list_models(client: Client, provider: Provider) -> dict[str, dict[str, Any]]:
    """Name → known abilities: the configured models, else what the provider lists."""
    if provider.model_configs:
        return {
            config.name: {**provider.capabilities, **config.capabilities}
            for config in provider.model_configs
            if config.enabled
        }
    if provider.models:
        return {name: dict(provider.capabilities) for name in provider.models}
    listed = await openai_chat.list_models(client, provider)
    return {name: {**told, **provider.capabilities} for name, told in listed.items()}


async def configured(client: Client, settings: Settings) -> Providers:
    """The providers of ``providers.json``, else those that keys and this machine's servers name."""
    found = load_providers(settings)
    if found is not None:
        return found
    return known_providers(read_environment(), await answering(client))


async def answering(client: Client, servers: Mapping[str, str] = LOOPBACK) -> dict[str, str]:
    """Those of ``servers`` (name → address) that list models now; asked at once, and briefly."""

    async def ask(name: str, url: str) -> bool:
        try:
            async with asyncio.timeout(_LOCAL_S):
                await openai_chat.list_models(client, Provider(name=name, base_url=url))
        except (UpstreamError, TimeoutError):
            return False
        return True

    found = await asyncio.gather(*(ask(name, url) for name, url in servers.items()))
    return {name: url for (name, url), there in zip(servers.items(), found, strict=True) if there}


async def chat(
    client: Client,
    provider: Provider,
    model: str,
    question: Question,
    *,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
) -> Reply:
    """Ask ``model`` and time the call alone.

    A 400 that names a parameter the model does not take is repaired, and the call made again once.
    """
    body = question_body(model, question)
    async with client.pace(provider).turn():
        try:
            return await _timed(client, provider, body, default_max_tokens)
        except UpstreamRejected as exc:
            if exc.status != 400 or (repaired := repair(body, exc.message)) is None:
                raise
        return await _timed(client, provider, repaired, default_max_tokens)


def question_body(model: str, question: Question) -> dict[str, Any]:
    """An OpenAI chat body that asks ``question``."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in question.messages],
    }
    if question.max_tokens:
        body["max_tokens"] = question.max_tokens
    if question.temperature is not None:
        body["temperature"] = question.temperature
    if question.schema:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": dict(question.schema)},
        }
    return body


def repair(body: Mapping[str, Any], complaint: str) -> dict[str, Any] | None:
    """The body without what the complaint names; None when it names nothing we sent."""
    repaired = dict(body)
    if "max_completion_tokens" in complaint and "max_tokens" in repaired:
        repaired["max_completion_tokens"] = repaired.pop("max_tokens")
        return repaired
    if re.search(r"response_format|json_schema|structured|grammar", complaint, re.IGNORECASE):
        return repaired if repaired.pop("response_format", None) else None
    if "temperature" in complaint and "temperature" in repaired:
        del repaired["temperature"]
        return repaired
    if re.search(r"system (role|message)", complaint, re.IGNORECASE):
        repaired["messages"] = _without_system(body["messages"])
        return repaired if repaired["messages"] != body["messages"] else None
    return None


def _without_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The system's words at the head of the first user message."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [m for m in messages if m["role"] != "system"]
    if not system or not rest:
        return messages
    return [{**rest[0], "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]


async def _timed(
    client: Client, provider: Provider, body: Mapping[str, Any], default_max_tokens: int
) -> Reply:
    started = time.perf_counter()
    match wire_format(provider):
        case "openai-compatible":
            raw = await openai_chat.forward(client, provider, orjson.dumps(body))
            found = object_of(provider, raw)
        case "anthropic":
            found = await anthropic.complete(client, provider, body, default_max_tokens)
        case "openai-responses":
            found = await openai_responses.complete(client, provider, body)
    return _reply(provider, found, (time.perf_counter() - started) * 1000)


def _reply(provider: Provider, found: dict[str, Any], latency_ms: float) -> Reply:
    text = message_of(provider, found).get("content") or ""
    usage = found.get("usage") or {}
    return Reply(
        text=text if isinstance(text, str) else "",
        finish_reason=found["choices"][0].get("finish_reason") or "stop",
        usage=Usage(
            tokens_in=usage.get("prompt_tokens"), tokens_out=usage.get("completion_tokens")
        ),
        latency_ms=latency_ms,
        body=found,
    )
