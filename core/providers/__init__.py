"""Speaks to providers: `forward` and `stream` for clients, `chat` for our own questions."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import orjson

from core.errors import BadRequest, UpstreamError, UpstreamRejected
from core.providers import quirks, translate
from core.providers.addresses import chat_url, embeddings_url, wire_format
from core.providers.discovery import answering, configured, list_models
from core.providers.http import Client, Incoming, message_of, object_of, reading
from core.providers.mending import mended
from core.providers.watch import Watch, usage_of
from core.records import Provider, ProviderType, Question, Reply, Usage

__all__ = [
    "Answer",
    "Asked",
    "Streaming",
    "answering",
    "chat",
    "configured",
    "embed",
    "forward",
    "list_models",
    "stream",
]

#: what Anthropic is told where nobody set a limit; see ANTHROPIC_MAX_TOKENS
DEFAULT_MAX_TOKENS = 12800
#: for a provider without limits; making a turn costs more than waiting for none
_NO_TURN = nullcontext()
#: where the answer stands in a body of each format
_ANSWER: Mapping[ProviderType, str] = {"anthropic": "content", "openai-responses": "output"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a model, in the format the client speaks."""

    body: Mapping[str, Any]
    spoken: ProviderType = "openai-compatible"
    #: sent along where the provider speaks that format too
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Anthropic's limit where the client set none
    max_tokens: int = DEFAULT_MAX_TOKENS
    #: told of the final object of a streamed Response, before the client is given it
    heard: Callable[[dict[str, Any]], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer in the client's format, as bytes and as what they say."""

    raw: bytes
    found: dict[str, Any]
    usage: Usage
    #: milliseconds around the call alone, never with waiting for a rate limit
    latency_ms: float


@dataclass(slots=True, kw_only=True)
class Streaming:
    """An answer on its way, as an event stream in the client's format."""

    frames: AsyncIterator[bytes]
    #: knows the tokens once the frames have passed
    watch: Watch


async def forward(client: Client, provider: Provider, model: str, asked: Asked) -> Answer:
    """The whole answer of ``model``; where both sides speak alike its bytes are the provider's."""
    wanted = wire_format(provider)
    body = translate.request({**asked.body, "model": model}, asked.spoken, wanted, asked.max_tokens)
    pace = client.pace(provider)
    async with _NO_TURN if pace.free else pace.turn():
        started = time.perf_counter()
        incoming = await _opened(client, provider, model, body, asked)
        try:
            raw = await incoming.read()
        finally:
            await incoming.aclose()
        latency_ms = (time.perf_counter() - started) * 1000
    found = _checked(provider, wanted, object_of(provider, raw))
    usage = usage_of(found)
    if wanted != asked.spoken:
        with reading(provider):
            found = translate.reply(found, wanted, asked.spoken, asked.body)
        raw = orjson.dumps(found)
    return Answer(raw=raw, found=found, usage=usage, latency_ms=latency_ms)


def _checked(provider: Provider, spoken: ProviderType, found: dict[str, Any]) -> dict[str, Any]:
    """The answer once it is seen to be one."""
    if spoken == "openai-compatible":
        message_of(provider, found)
    elif not isinstance(found.get(_ANSWER[spoken]), list):
        raise UpstreamError(f"{provider.name} answered without {_ANSWER[spoken]}")
    return found


@asynccontextmanager
async def stream(
    client: Client, provider: Provider, model: str, asked: Asked
) -> AsyncIterator[Streaming]:
    """An answer whose events come as they are made; one that ends without its end is an error."""
    wanted = wire_format(provider)
    given = {**asked.body, "model": model}
    body = translate.request(given, asked.spoken, wanted, asked.max_tokens)
    async with client.pace(provider).turn():
        incoming = await _opened(client, provider, model, body, asked)
        try:
            alike = wanted == asked.spoken
            hidden = wanted == "openai-compatible" and alike and not _wants_usage(asked.body)
            watch = Watch(wanted, asked.heard if alike else None, hides_usage=hidden)
            frames = watch.events(incoming)
            if not alike:
                frames = _translated(provider, frames, asked, given)
            yield Streaming(frames=frames, watch=watch)
        finally:
            await incoming.aclose()


async def _translated(
    provider: Provider,
    events: AsyncIterator[bytes],
    asked: Asked,
    given: Mapping[str, Any],
) -> AsyncIterator[bytes]:
    """``events`` of the provider in the client's format; ``given``: the client's body."""
    wanted, usage = wire_format(provider), _wants_usage(asked.body)
    with reading(provider):
        async for frame in translate.stream(
            events, wanted, asked.spoken, given, asked.heard, usage=usage
        ):
            yield frame


def _wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


async def _opened(
    client: Client, provider: Provider, model: str, body: Mapping[str, Any], asked: Asked
) -> Incoming:
    """The answer, begun. A refusal that tells what the model does not take is remembered, the
    request mended, and asked again."""
    target = f"{provider.name}/{model}"
    more = asked.headers if wire_format(provider) == asked.spoken else {}
    url = chat_url(provider)
    for repairs in range(quirks.MOST_REPAIRS + 1):
        known = client.quirks.of(target)
        sent = mended(body, known) if known else body
        try:
            return await client.open(provider, url, orjson.dumps(sent), more)
        except UpstreamRejected as exc:
            quirk = quirks.told_by(exc, sent)
            if quirk is None or quirk in known or repairs == quirks.MOST_REPAIRS:
                raise
            client.quirks.learn(target, quirk)
    raise AssertionError("the last try returns or raises")


async def embed(client: Client, provider: Provider, payload: bytes) -> bytes:
    """An OpenAI embeddings body (bytes) to its answer (bytes), as they are."""
    if provider.type == "anthropic":
        raise BadRequest(f"{provider.name} has no embeddings", param="model")
    async with client.pace(provider).turn():
        raw = await client.read(provider, embeddings_url(provider), payload)
    object_of(provider, raw)
    return raw


async def chat(
    client: Client,
    provider: Provider,
    model: str,
    question: Question,
    *,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
) -> Reply:
    """Ask ``model`` one of our own questions and time the call alone."""
    asked = Asked(body=question_body(model, question), max_tokens=default_max_tokens)
    answer = await forward(client, provider, model, asked)
    text = message_of(provider, answer.found).get("content")
    return Reply(
        text=text if isinstance(text, str) else "",
        finish_reason=answer.found["choices"][0].get("finish_reason") or "stop",
        usage=answer.usage,
        latency_ms=answer.latency_ms,
        body=answer.found,
    )


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
