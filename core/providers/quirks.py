"""What single models do not take, learnt from their own refusals and mended before they are asked.

A quirk is a word: ``drop:temperature``, ``rename:max_tokens``, ``schema``, ``no-system``,
``no-developer``. `complaint_of` reads one from a 400, `mended` rewrites a body, in whichever of the
three formats it is sent, by those that are known. Which models have which is kept by `Quirks`;
storing them is the caller's.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from core.errors import BadRequest, UpstreamRejected

#: repairs of one request: each refusal is repaired and asked again once, whatever comes next
MOST_REPAIRS = 3
_OTHER_LIMIT = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
_REFUSES = re.compile(
    r"unsupported|not supported|n.t support|does not (accept|allow|take)"
    r"|not (allowed|permitted|valid)"
    r"|unknown|unrecogni[sz]ed|unexpected|extra (inputs|fields)|deprecated|incompatible"
    r"|only the default|cannot be (set|used|specified)|no longer",
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
    if _wish(body) is not None and _SCHEMA.search(f"{message} {param or ''}"):
        return "schema"
    if (name := _named(body, message, param)) is not None:
        return f"rename:{name}" if name in _OTHER_LIMIT else f"drop:{name}"
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
    return next((word for word in known if word in _DROPPABLE or word in _OTHER_LIMIT), None)


def mended(body: Mapping[str, Any], quirks: Iterable[str]) -> dict[str, Any]:
    """The body as a model with these quirks takes it."""
    try:
        return _mended(dict(body), quirks)
    except (LookupError, TypeError, AttributeError, ValueError) as exc:
        raise BadRequest("messages are not as their format has them", param="messages") from exc


def _mended(found: dict[str, Any], quirks: Iterable[str]) -> dict[str, Any]:
    for quirk in sorted(quirks):
        kind, _, name = quirk.partition(":")
        match kind:
            case "drop":
                found.pop(name, None)
            case "rename" if name in found:
                found[_OTHER_LIMIT[name]] = found.pop(name)
            case "schema" if (wanted := _wish(found)) is not None:
                found = _told(found, wanted)
            case "no-developer":
                found["messages"] = [_as_system(m) for m in found["messages"]]
            case "no-system":
                found["messages"] = _without_system(found["messages"])
            case _:
                pass
    return found


def _wish(body: Mapping[str, Any]) -> Any:
    """The format an answer is to have, wherever the body's own format keeps it; None without."""
    if wanted := body.get("response_format"):
        return wanted
    outer = body.get("output_config") or body.get("text")
    return outer.get("format") if isinstance(outer, dict) else None


def _told(body: dict[str, Any], wanted: Any) -> dict[str, Any]:
    """The body with its wish for JSON put into words, at the end of what the user says."""
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if isinstance(wanted, dict) and isinstance(nested := wanted.get("json_schema"), dict):
        schema = nested.get("schema")
    words = "Answer with one JSON object and nothing else."
    if schema:
        words += f" It must fit this JSON schema: {orjson.dumps(schema).decode()}"
    found = {name: value for name, value in body.items() if name != "response_format"}
    for name in ("output_config", "text"):
        if isinstance(outer := found.get(name), dict):
            rest = {key: value for key, value in outer.items() if key != "format"}
            found = {**found, name: rest} if rest else {k: v for k, v in found.items() if k != name}
    turns = "messages" if "messages" in found else "input"
    return {**found, turns: _saying(found.get(turns), words, turns)}


def _saying(turns: Any, words: str, name: str) -> Any:
    if isinstance(turns, str):
        return f"{turns}\n\n{words}"
    last = turns[-1]
    if name == "input" or last.get("role") != "user":
        return [*turns, {"role": "user", "content": words}]
    parts = [*_parts(last.get("content")), {"type": "text", "text": words}]
    return [*turns[:-1], {**last, "content": _joined(parts)}]


def _as_system(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "role": "system"} if message.get("role") == "developer" else message


def _without_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The system's words at the head of the first user message."""
    system = [m for m in messages if m.get("role") in ("system", "developer")]
    rest = [m for m in messages if m.get("role") not in ("system", "developer")]
    if not system or not rest:
        return messages
    parts = [part for m in [*system, rest[0]] for part in _parts(m.get("content"))]
    return [{**rest[0], "content": _joined(parts)}, *rest[1:]]


def _joined(parts: list[dict[str, Any]]) -> Any:
    """Parts as content: a text where they are nothing else, which every server takes."""
    if all(part.get("type") == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())
