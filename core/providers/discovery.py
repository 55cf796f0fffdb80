"""What there is to ask: providers from the configuration or this machine, and their models."""

import asyncio
from collections.abc import Mapping
from typing import Any

from core.errors import UpstreamError
from core.providers.addresses import models_url
from core.providers.http import Client, object_of
from core.providers_file import LOOPBACK, Providers, known_providers, load_providers
from core.records import Provider
from core.settings import Settings, read_environment

#: seconds a server on this machine has to answer
_LOCAL_S = 1.5
#: parts of names that no chat model carries
_NOT_CHAT = (
    *("embed", "whisper", "tts", "dall-e", "moderation", "rerank", "transcri", "speech"),
    *("image", "sora", "audio-preview", "realtime", "bge-", "davinci-002", "babbage-002"),
)


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
    listed = await _listed(client, provider)
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
                await _listed(client, Provider(name=name, base_url=url))
        except (UpstreamError, TimeoutError):
            return False
        return True

    found = await asyncio.gather(*(ask(name, url) for name, url in servers.items()))
    return {name: url for (name, url), there in zip(servers.items(), found, strict=True) if there}


async def _listed(client: Client, provider: Provider) -> dict[str, dict[str, Any]]:
    """Name → what the provider tells of each of its chat models."""
    body = object_of(provider, await client.read(provider, models_url(provider)))
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
