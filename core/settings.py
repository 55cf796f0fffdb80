"""The only reader of the environment and ``.env``.

A wrong value stops the start with one line that names the key, the value and what is allowed.
Variables that are not ours (PiPiMink's ``OAUTH_…``, say) are left alone.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dotenv import dotenv_values

from core.decision import Guardrail, Policy
from core.errors import SettingsError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(text: str) -> float:
    """Seconds in ``90s``, ``2m``, ``1h30m``; a bare number counts seconds. ValueError otherwise."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(text)
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _bool(text: str) -> bool:
    match text.strip().lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
    raise ValueError(text)


def _count(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError(text)
    return number


def _port(text: str) -> int:
    if not 0 < (number := int(text)) < 65536:
        raise ValueError(text)
    return number


_MONTHS = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: minute, hour, day of the month, month, day of the week: first, last, names
_CRON = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 7, _DAYS))


def _cron_entry(entry: str, first: int, last: int, names: tuple[str, ...]) -> None:
    """``*``, ``5``, ``1-5``, ``mon-fri``, each with ``/step``; ValueError otherwise."""
    span, _, step = entry.partition("/")
    if "/" in entry and int(step) < 1:
        raise ValueError(entry)
    if span == "*":
        return
    ends = [names.index(e) + first if e in names else int(e) for e in span.split("-")]
    if len(ends) > 2 or not all(first <= end <= last for end in ends) or ends != sorted(ends):
        raise ValueError(entry)


def _schedule(text: str) -> str:
    """``off``, a duration such as ``24h``, or a cron line of five fields."""
    text = text.strip()
    fields_of = text.split()
    if text.lower() == "off":
        return "off"
    if len(fields_of) == 5:
        for part, (first, last, names) in zip(fields_of, _CRON, strict=True):
            for entry in part.split(","):
                _cron_entry(entry.lower(), first, last, names)
        return text
    if duration_s(text) < 1:
        raise ValueError(text)
    return text


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.strip().lower() not in allowed:
            raise ValueError(text)
        return text.strip().lower()

    return parse


def _setting(default: Any, parse: Callable[[str], Any], allowed: str) -> Any:
    return field(default=default, metadata={"parse": parse, "allowed": allowed})


def _text(default: str = "", allowed: str = "text") -> Any:
    return _setting(default, str.strip, allowed)


def _secret() -> Any:
    return field(default="", repr=False, metadata={"parse": str.strip, "allowed": "text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field is the variable of the same name in capitals."""

    database_url: str = field(
        default="", repr=False, metadata={"parse": str.strip, "allowed": "a postgres:// address"}
    )
    touchstone_home: Path = _setting(Path("~/.touchstone"), Path, "a directory")
    host: str = _text("127.0.0.1", "an address to listen at")
    port: int = _setting(8080, _port, "1 to 65535")
    workers: int = _setting(1, lambda text: max(1, _count(text)), "a whole number from 1")
    admin_api_key: str = _secret()
    require_auth_for_chat: bool = _setting(False, _bool, "true or false")
    providers_file: Path = _setting(Path("providers.json"), Path, "a path")
    model_selection_provider: str = _text(allowed="a provider's name")
    model_selection_model: str = _text(allowed="a model's name")
    embedding_model: str = _text(allowed="a model, as provider/name")
    default_chat_model: str = _text(allowed="a model, as name or provider/name")
    routing_policy: Policy = _setting(
        "meta", _choice(*get_args(Policy)), " or ".join(get_args(Policy))
    )
    routing_guardrail: Guardrail = _setting(
        "on", _choice(*get_args(Guardrail)), " or ".join(get_args(Guardrail))
    )
    routing_timeout: float = _setting(5.0, duration_s, "a duration such as 5s")
    routing_text_max: int = _setting(4000, _count, "a number of characters")
    selection_cache_enabled: bool = _setting(True, _bool, "true or false")
    selection_cache_ttl: float = _setting(120.0, duration_s, "a duration such as 2m")
    selection_cache_max_entries: int = _setting(1000, _count, "a whole number")
    benchmark_judge_provider: str = _text(allowed="a provider's name")
    benchmark_judge_model: str = _text(allowed="a model's name")
    benchmark_concurrency: int = _setting(
        3, lambda text: max(1, _count(text)), "a whole number from 1"
    )
    benchmark_schedule: str = _setting(
        "0 3 * * *", _schedule, "a cron line, a duration such as 24h, or off"
    )
    discovery_schedule: str = _setting(
        "0 * * * *", _schedule, "a cron line, a duration such as 1h, or off"
    )
    interview_schedule: str = _setting(
        "30 2 * * *", _schedule, "a cron line, a duration such as 24h, or off"
    )
    tagging_max_tokens: int = _setting(1024, _count, "a number of tokens")
    benchmark_max_tokens: int = _setting(1024, _count, "a number of tokens")
    anthropic_max_tokens: int = _setting(12800, _count, "a number of tokens")
    expose_models: Literal["router", "all"] = _setting(
        "router", _choice("router", "all"), "router or all"
    )
    unknown_model: Literal["route", "reject"] = _setting(
        "route", _choice("route", "reject"), "route or reject"
    )
    sticky_conversations: bool = _setting(True, _bool, "true or false")
    fallback_attempts: int = _setting(2, _count, "a whole number")
    cooldown_seconds: float = _setting(60.0, duration_s, "a duration such as 60s")
    drain_timeout: float = _setting(30.0, duration_s, "a duration such as 30s")
    store_prompts: Literal["off", "snippet", "full"] = _setting(
        "off", _choice("off", "snippet", "full"), "off, snippet or full"
    )
    prefect_api_url: str = _text(allowed="the address of a Prefect API")
    max_request_size: int = _setting(32 * 1024 * 1024, _count, "a number of bytes")
    prune_schedule: str = _setting("30 4 * * *", _schedule, "a cron line, a duration, or off")
    history_days: int = _setting(180, _count, "a number of days")

    @property
    def home(self) -> Path:
        return self.touchstone_home.expanduser().absolute()


def read_environment(directory: Path | None = None) -> dict[str, str]:
    """``.env`` of ``directory`` (default: here) under the process's own environment."""
    path = (directory or Path.cwd()) / ".env"
    file = {key: value for key, value in dotenv_values(path).items() if value is not None}
    return file | dict(os.environ)  # noqa: TID251 - this is the one reader


def provide_environment(values: Mapping[str, str]) -> None:
    """Set variables for a library that reads the environment by itself (Prefect)."""
    os.environ.update(values)  # noqa: TID251 - beside the one reader


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Parse the variables; empty counts as unset. `SettingsError` names what is wrong."""
    environment = read_environment() if environment is None else environment
    values = {}
    for entry in fields(Settings):
        key = entry.name.upper()
        text = environment.get(key, "").strip()
        if not text:
            continue
        try:
            values[entry.name] = entry.metadata["parse"](text)
        except ValueError as exc:
            shown = "(hidden)" if not entry.repr else repr(text)
            raise SettingsError(f"{key} is {shown}; allowed: {entry.metadata['allowed']}") from exc
    settings = Settings(**values)
    if settings.database_url and not settings.database_url.startswith(
        ("postgres://", "postgresql://")
    ):
        raise SettingsError("DATABASE_URL is (hidden); allowed: a postgres:// address")
    return settings
