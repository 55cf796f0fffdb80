"""Reads ``providers.json``, or finds providers from the usual key variables when there is none."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from core.errors import SettingsError
from core.records import ModelConfig, Provider, ProviderType
from core.settings import Settings, duration_s, read_environment


@dataclass(frozen=True, slots=True)
class Providers:
    """All configured providers by name."""

    by_name: Mapping[str, Provider]

    def __iter__(self) -> Iterator[Provider]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def for_model(self, provider: str, model: str) -> Provider:
        """A copy of the provider with that model's overrides; KeyError when it is not there."""
        found = self.by_name[provider]
        for config in found.model_configs:
            if config.name == model:
                return replace(
                    found,
                    type=config.type or found.type,
                    base_url=config.base_url or found.base_url,
                    chat_path=config.chat_path or found.chat_path,
                    api_key=config.api_key if config.api_key_env else found.api_key,
                    api_key_env=config.api_key_env or found.api_key_env,
                    capabilities={**found.capabilities, **config.capabilities},
                )
        return found


#: the usual key variables, with where their providers answer
_KNOWN: dict[str, tuple[ProviderType, str, str]] = {
    "openai": ("openai-compatible", "https://api.openai.com", "OPENAI_API_KEY"),
    "anthropic": ("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    "gemini": (
        "openai-compatible",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
    ),
    "openrouter": ("openai-compatible", "https://openrouter.ai/api", "OPENROUTER_API_KEY"),
    "mistral": ("openai-compatible", "https://api.mistral.ai", "MISTRAL_API_KEY"),
    "groq": ("openai-compatible", "https://api.groq.com/openai", "GROQ_API_KEY"),
    "deepseek": ("openai-compatible", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    "xai": ("openai-compatible", "https://api.x.ai", "XAI_API_KEY"),
    "together": ("openai-compatible", "https://api.together.xyz", "TOGETHER_API_KEY"),
}
#: servers people run on their own machine; asked, never assumed
LOOPBACK = {
    "ollama": "http://127.0.0.1:11434",
    "lmstudio": "http://127.0.0.1:1234",
    "llamacpp": "http://127.0.0.1:8081",
    "vllm": "http://127.0.0.1:8000",
}


def load_providers(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> Providers | None:
    """Read ``providers.json``; None when there is no such file (see `known_providers`)."""
    environment = read_environment() if environment is None else environment
    path = settings.providers_file.expanduser()
    if not path.exists():
        if environment.get("PROVIDERS_FILE", "").strip():
            raise SettingsError(f"PROVIDERS_FILE is {str(path)!r}; allowed: a file that exists")
        return None
    try:
        entries = json.loads(path.read_text())
    except (ValueError, OSError) as exc:
        raise SettingsError(f"{path}: not readable as JSON: {exc}") from exc
    if not isinstance(entries, list):
        raise SettingsError(f"{path}: must be an array of providers")
    return parse_providers(entries, environment, source=str(path))


def known_providers(
    environment: Mapping[str, str], answering: Mapping[str, str] = LOOPBACK
) -> Providers:
    """Zero configuration: a provider for each key variable that is set, and for each server of
    ``answering`` (name → address), which the caller has asked."""
    found = {
        name: Provider(
            name=name, type=kind, base_url=url, api_key_env=variable, api_key=environment[variable]
        )
        for name, (kind, url, variable) in _KNOWN.items()
        if environment.get(variable, "").strip()
    }
    local = {
        name: Provider(name=name, base_url=url, timeout_s=300) for name, url in answering.items()
    }
    return Providers(found | local)


def parse_providers(
    entries: list[Any], environment: Mapping[str, str], *, source: str = "providers.json"
) -> Providers:
    """Records from the array of ``providers.json``; `SettingsError` names entry, key and value."""
    found: dict[str, Provider] = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise SettingsError(f"{source}: entry {number} is {entry!r}; allowed: an object")
        provider = _provider(entry, environment, f"{source}: provider {entry.get('name', number)}")
        if provider.name in found:
            raise SettingsError(f"{source}: two providers are named {provider.name!r}")
        found[provider.name] = provider
    return Providers(found)


def _provider(entry: dict[str, Any], environment: Mapping[str, str], where: str) -> Provider:
    name, base_url = entry.get("name"), entry.get("base_url", "")
    if not isinstance(name, str) or not name or "/" in name:
        raise SettingsError(f"{where}: name is {name!r}; allowed: text without a slash")
    variable = _string(entry, "api_key_env", where)
    configs = tuple(
        _model_config(config, environment, where) for config in _list(entry, "model_configs", where)
    )
    return Provider(
        name=name,
        type=_type(entry, where) or "openai-compatible",
        base_url=_base_url(base_url, where),
        api_key_env=variable,
        api_key=environment.get(variable, "").strip() if variable else "",
        timeout_s=_timeout(entry, where),
        rate_limit_seconds=_number(entry, "rate_limit_seconds", where),
        max_concurrency=int(_number(entry, "max_concurrency", where)),
        models=tuple(str(model) for model in _list(entry, "models", where)),
        chat_path=_string(entry, "chat_path", where),
        enabled=entry.get("enabled", True) is not False,
        model_configs=configs,
        capabilities=entry.get("capabilities") or {},
    )


def _model_config(config: Any, environment: Mapping[str, str], where: str) -> ModelConfig:
    if not isinstance(config, dict) or not config.get("name"):
        raise SettingsError(f"{where}: a model_configs entry has no name")
    where = f"{where}, model {config['name']}"
    variable = _string(config, "api_key_env", where)
    url = config.get("base_url")
    return ModelConfig(
        name=str(config["name"]),
        type=_type(config, where),
        base_url=_base_url(url, where) if url else None,
        chat_path=config.get("chat_path"),
        api_key_env=variable or None,
        api_key=environment.get(variable, "").strip() if variable else "",
        enabled=config.get("enabled", True) is not False,
        capabilities=config.get("capabilities") or {},
    )


def _type(entry: dict[str, Any], where: str) -> ProviderType | None:
    kind = entry.get("type") or None
    if kind is not None and kind not in get_args(ProviderType):
        allowed = ", ".join(get_args(ProviderType))
        raise SettingsError(f"{where}: type is {kind!r}; allowed: {allowed}")
    return kind


def _base_url(url: Any, where: str) -> str:
    if not isinstance(url, str) or not re.match(r"https?://[^/]", url):
        raise SettingsError(f"{where}: base_url is {url!r}; allowed: an http(s) address")
    return url.rstrip("/")


def _timeout(entry: dict[str, Any], where: str) -> float:
    text = str(entry.get("timeout") or "2m")
    try:
        return duration_s(text)
    except ValueError as exc:
        raise SettingsError(
            f"{where}: timeout is {text!r}; allowed: a duration such as 90s, 2m, 1h"
        ) from exc


def _number(entry: dict[str, Any], key: str, where: str) -> float:
    value = entry.get(key) or 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise SettingsError(f"{where}: {key} is {value!r}; allowed: a number from 0")
    return float(value)


def _string(entry: dict[str, Any], key: str, where: str) -> str:
    value = entry.get(key) or ""
    if not isinstance(value, str):
        raise SettingsError(f"{where}: {key} is {value!r}; allowed: text")
    return value


def _list(entry: dict[str, Any], key: str, where: str) -> list[Any]:
    value = entry.get(key) or []
    if not isinstance(value, list):
        raise SettingsError(f"{where}: {key} is {value!r}; allowed: a list")
    return value
