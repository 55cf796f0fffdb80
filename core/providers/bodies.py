"""What the translations between formats share."""

from collections.abc import Mapping
from typing import Any

from core.errors import BadRequest


def picked(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of ``names`` that are set; null counts as unset, as both APIs have it."""
    return {name: given[name] for name in names if given.get(name) is not None}


def unavailable(what: str, param: str) -> BadRequest:
    """The error for what only OpenAI's own servers do."""
    return BadRequest(f"{what} is not available through a translated model", param=param)


def text_of(value: Any) -> str:
    """The text that ``value`` must be; `TypeError` when it is none."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value
