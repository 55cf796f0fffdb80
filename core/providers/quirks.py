"""What single models do not take, learnt from their own refusals.

A quirk is a word: ``drop:temperature``, ``rename:max_tokens``, ``not-both`` (temperature and
top_p), ``schema``, ``adaptive`` (thinking without a budget), ``plain`` (messages without what other
formats left in them), ``no-system``, ``no-developer``. `told_by` reads one from a refusal, and
`mending` rewrites bodies by those that are known. Which models have which is kept by `Quirks`;
storing them is the caller's.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from core.errors import UpstreamRejected
from core.providers.mending import EXTENSIONS, OTHER_LIMIT, wish_of

#: repairs of one request: each refusal is repaired and asked again once, whatever comes next
MOST_REPAIRS = 3
_REFUSES = re.compile(
    r"unsupported|not supported|n.t support|does not (accept|allow|take)"
    r"|not (allowed|permitted|valid)"
    r"|unknown|unrecogni[sz]ed|unexpected|extra (inputs|fields)|deprecated|incompatible"
    r"|cannot both|only the default|cannot be (set|used|specified)|no longer",
    re.IGNORECASE,
)
#: the field is taken, but not with this value
_CHOICES = re.compile(
    r"(supported|valid|allowed|permitted) values? (is|are)\b|(must be|expected) one of",
    re.IGNORECASE,
)
_SCHEMA = re.compile(
    r"response_format|json_schema|json_object|structured output|grammar|output_config",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"\bsystem\b[\w '\"`]*\b(role|message|instruction|prompt)|role\W+system", re.IGNORECASE
)
_DEVELOPER = re.compile(r"\bdeveloper\b", re.IGNORECASE)
#: what shapes an answer without being missed in it; a refusal of anything else is the client's to
#: see. The set also bounds what strangers can make us learn.
_DROPPABLE = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "typical_p", "repeat_penalty", "seed", "stop"}
    | {"stop_sequences", "presence_penalty", "frequency_penalty", "logit_bias", "prediction"}
    | {"parallel_tool_calls", "reasoning_effort", "reasoning", "thinking", "verbosity", "store"}
    | {"stream_options", "metadata", "user", "safety_identifier", "service_tier", "include"}
    | {"prompt_cache_key", "prompt_cache_retention", "truncation", "context_management"}
)


class Quirks:
    """Model (``provider/name``) → its quirks; what was learnt here and is not stored yet."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}
        self._unsaved: list[tuple[str, str]] = []

    def of(self, target: str) -> frozenset[str]:
        return self._known.get(target, frozenset())

    def learn(self, target: str, quirk: str) -> None:
        if quirk not in self.of(target):
            self._known[target] = self.of(target) | {quirk}
            self._unsaved.append((target, quirk))

    def take_unsaved(self) -> list[tuple[str, str]]:
        """What is to be stored; whoever cannot store it gives it back."""
        found, self._unsaved = self._unsaved, []
        return found

    def give_back(self, entries: Iterable[tuple[str, str]]) -> None:
        self._unsaved.extend(entries)

    def loaded(self, stored: Mapping[str, Iterable[str]]) -> None:
        """Take what the store knows; what is not stored yet stays known."""
        known = {target: frozenset(quirks) for target, quirks in stored.items()}
        for target, quirk in self._unsaved:
            known[target] = known.get(target, frozenset()) | {quirk}
        self._known = known


def told_by(refusal: UpstreamRejected, body: Mapping[str, Any]) -> str | None:
    """The quirk that a provider's refusal of ``body`` tells of; None for another fault."""
    if refusal.status not in (400, 422):
        return None
    error = refusal.error
    return complaint_of(body, refusal.message, error.get("param"))


def complaint_of(body: Mapping[str, Any], message: str, param: str | None) -> str | None:
    """The quirk that a provider's 400 tells of (its words, the field it names); None for another
    fault, such as a value out of range."""
    if not _REFUSES.search(message) or _CHOICES.search(message):
        return None
    for quirk, tells, has in _SPECIAL:
        if tells.search(message) and has(body):
            return quirk
    if wish_of(body) is not None and _SCHEMA.search(f"{message} {param or ''}"):
        return "schema"
    if (name := _named(body, message, param)) is not None:
        return f"rename:{name}" if name in OTHER_LIMIT else f"drop:{name}"
    roles = {m.get("role") for m in body.get("messages") or () if isinstance(m, dict)}
    if "developer" in roles and _DEVELOPER.search(message):
        return "no-developer"
    if "system" in roles and _SYSTEM.search(message):
        return "no-system"
    return None


def _named(body: Mapping[str, Any], message: str, param: str | None) -> str | None:
    """The field of ours that is refused: what the error names, else the first it mentions."""
    words = [(param or "").partition(".")[0], *re.findall(r"[a-z][a-z0-9_]+", message)]
    known = (word for word in words if word in body)
    return next((word for word in known if word in _DROPPABLE or word in OTHER_LIMIT), None)


def _extended(body: Mapping[str, Any]) -> bool:
    """Whether a message carries what is no part of chat completions."""
    messages = [m for m in body.get("messages") or () if isinstance(m, dict)]
    contents = [m.get("content") for m in messages]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    found = [part for part in (*messages, *parts) if isinstance(part, dict)]
    return any(EXTENSIONS & part.keys() for part in found)


#: quirk, how its refusal reads, whether the body has what is refused
_SPECIAL: tuple[tuple[str, re.Pattern[str], Callable[[Mapping[str, Any]], bool]], ...] = (
    ("not-both", re.compile(r"cannot both", re.IGNORECASE), lambda b: "top_p" in b),
    ("adaptive", re.compile(r"\badaptive\b", re.IGNORECASE), lambda b: "thinking" in b),
    ("plain", re.compile("|".join(EXTENSIONS)), _extended),
)
