"""OpenAI's chat completions, passed through as they are."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from core.errors import UpstreamError
from core.providers.http import (
    Client,
    chat_url,
    embeddings_url,
    message_of,
    models_url,
    object_of,
    read_bytes,
    read_json,
    translated,
)
from core.records import Provider

#: parts of names that no chat model carries
_NOT_CHAT = (
    *("embed", "whisper", "tts", "dall-e", "moderation", "rerank", "transcri", "speech"),
    *("image", "sora", "audio-preview", "realtime", "bge-", "davinci-002", "babbage-002"),
)
_DONE = b"data: [DONE]"
#: how a line of an event stream may begin; cut short, for the first piece may be
_FIELDS = (b"da", b"ev", b"id", b"re", b":")


async def forward(client: Client, provider: Provider, payload: bytes) -> bytes:
    """The completion's bytes as the provider sent them, once they are seen to hold an answer."""
    async with client.send(provider, chat_url(provider), payload) as response:
        raw = await read_bytes(response)
    message_of(provider, object_of(provider, raw))
    return raw


async def embed(client: Client, provider: Provider, payload: bytes) -> bytes:
    """The embeddings' bytes as the provider sent them."""
    async with client.send(provider, embeddings_url(provider), payload) as response:
        raw = await read_bytes(response)
    object_of(provider, raw)
    return raw


@asynccontextmanager
async def stream(
    client: Client, provider: Provider, payload: bytes
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The event stream's bytes as they come; one that ends without its end is an error."""
    async with client.send(provider, chat_url(provider), payload) as response:
        yield _whole(provider, response)


async def _whole(provider: Provider, response: httpx.Response) -> AsyncIterator[bytes]:
    tail = b""
    with translated(provider):
        async for piece in response.aiter_raw():
            if not tail and not piece.lstrip().startswith(_FIELDS):
                raise UpstreamError(f"{provider.name} answered something that is no event stream")
            tail = (tail + piece)[-64:]
            yield piece
    if _DONE not in tail:
        raise UpstreamError(f"{provider.name} ended its stream before the end of the answer")


async def list_models(client: Client, provider: Provider) -> dict[str, dict[str, Any]]:
    """Name → what the provider tells of each of its chat models."""
    async with client.send(provider, models_url(provider)) as response:
        body = await read_json(provider, response)
    entries = body.get("data")
    if not isinstance(entries, list):
        raise UpstreamError(f"{provider.name} lists its models in an unknown form")
    return {
        str(entry["id"]).removeprefix("models/"): _told(entry)
        for entry in entries
        if isinstance(entry, dict) and entry.get("id") and _chats(entry)
    }


def _chats(entry: Mapping[str, Any]) -> bool:
    name = str(entry["id"]).lower()
    outputs = (entry.get("architecture") or {}).get("output_modalities")
    if isinstance(outputs, list) and "text" not in outputs:
        return False
    return not any(part in name for part in _NOT_CHAT)


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Abilities from the metadata that OpenRouter, vLLM and llama.cpp send along."""
    found: dict[str, Any] = {}
    meta = entry.get("meta") or {}
    for context in (
        entry.get("context_length"),
        entry.get("max_model_len"),
        entry.get("context_window"),
        meta.get("n_ctx") if isinstance(meta, dict) else None,
    ):
        if isinstance(context, int):
            found["context"] = context
            break
    inputs = (entry.get("architecture") or {}).get("input_modalities")
    if isinstance(inputs, list):
        found["vision"] = "image" in inputs
    supported = entry.get("supported_parameters")
    if isinstance(supported, list):
        found["tools"] = "tools" in supported
        found["json_schema"] = "structured_outputs" in supported
    return found
