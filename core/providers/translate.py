"""From any of the three wire formats to any other, with OpenAI's chat completions in the middle.

Where both sides speak alike nothing is translated: all fields go through, known or not.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import orjson

from core.errors import BadRequest
from core.providers import messages, responses, sse
from core.records import ProviderType

Object = dict[str, Any]

#: what a body of unknown form raises while it is read
ODD = (LookupError, TypeError, AttributeError, ValueError)
_NAMES: Mapping[ProviderType, str] = {
    "openai-compatible": "OpenAI's chat completions",
    "openai-responses": "OpenAI's Responses",
    "anthropic": "Anthropic's Messages",
}


def request(
    body: Mapping[str, Any], spoken: ProviderType, wanted: ProviderType, max_tokens: int
) -> Object:
    """A client's body in the format of the provider; `BadRequest` for what does not fit into it.

    ``max_tokens``: Anthropic's limit where the client sets none. A chat stream is asked for its
    usage, whoever wants to see it.
    """
    if spoken != wanted:
        body = _written(_as_chat(body, spoken), wanted, max_tokens)
    if wanted == "openai-compatible" and body.get("stream"):
        given = body.get("stream_options")
        options = {**(given if isinstance(given, dict) else {}), "include_usage": True}
        return {**body, "stream_options": options}
    return dict(body)


def _as_chat(body: Mapping[str, Any], spoken: ProviderType) -> Mapping[str, Any]:
    with _fitting(spoken):
        match spoken:
            case "openai-compatible":
                return body
            case "anthropic":
                return messages.request.to_chat(body)
            case "openai-responses":
                return responses.request.to_chat(body)


def _written(chat: Mapping[str, Any], wanted: ProviderType, max_tokens: int) -> Mapping[str, Any]:
    with _fitting("openai-compatible"):
        match wanted:
            case "openai-compatible":
                return chat
            case "anthropic":
                return messages.request.from_chat(chat, max_tokens)
            case "openai-responses":
                return responses.request.from_chat(chat)


@contextlib.contextmanager
def _fitting(spoken: ProviderType) -> Iterator[None]:
    """A body that is not as its format has it is the client's fault."""
    try:
        yield
    except ODD as exc:
        raise BadRequest(
            "the request cannot be put into the format of the model's provider: messages or tools"
            f" are not as {_NAMES[spoken]} have them"
        ) from exc


def reply(
    found: Object, spoken: ProviderType, wanted: ProviderType, asked: Mapping[str, Any]
) -> Object:
    """A provider's whole answer in the client's format; ``asked`` is the client's body."""
    match spoken:
        case "openai-compatible":
            chat = found
        case "anthropic":
            chat = messages.reply.to_chat(found)
        case "openai-responses":
            chat = responses.reply.to_chat(found)
    match wanted:
        case "openai-compatible":
            return chat
        case "anthropic":
            return messages.reply.from_chat(chat)
        case "openai-responses":
            return responses.reply.from_chat(chat, asked)


def stream(
    events: AsyncIterator[bytes],
    spoken: ProviderType,
    wanted: ProviderType,
    asked: Mapping[str, Any],
    done: Callable[[Object], None] | None,
    *,
    usage: bool,
) -> AsyncIterator[bytes]:
    """A provider's events in the client's format; ``done`` gets a Responses client's final object,
    and ``usage`` is whether a chat client wants to see the tokens.

    `UpstreamError` for what is not as the provider's format has it.
    """
    objects = sse.objects(events)
    model = str(asked.get("model") or "")
    match spoken:
        case "openai-compatible":
            chunks = objects
        case "anthropic":
            chunks = messages.stream.to_chat(objects)
        case "openai-responses":
            chunks = responses.stream.to_chat(objects, model)
    match wanted:
        case "openai-compatible":
            return _framed(chunks, usage)
        case "anthropic":
            return messages.stream.from_chat(chunks, model)
        case "openai-responses":
            return responses.stream.from_chat(chunks, asked, model, done)


async def _framed(chunks: AsyncIterator[Object], usage: bool) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if not (usage or chunk["choices"]):
            continue
        yield b"data: " + orjson.dumps(chunk) + b"\n\n"
    yield sse.DONE
