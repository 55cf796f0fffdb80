"""Request bodies as models with known quirks take them; see `quirks` for the words."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from core.errors import BadRequest

Body = dict[str, Any]

#: the two names of the limit of tokens
OTHER_LIMIT = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
#: what translations leave in chat messages, for servers that know it; strict ones refuse it
EXTENSIONS = frozenset({"cache_control", "thinking_blocks", "reasoning_content"})
#: most tokens of a budget, and the effort that stands for it
_EFFORTS = ((1024, "low"), (4096, "medium"))


def mended(body: Mapping[str, Any], quirks: Iterable[str]) -> Body:
    """The body, in whichever of the three formats, as a model with these quirks takes it."""
    found = dict(body)
    try:
        for quirk in sorted(quirks):
            kind, _, name = quirk.partition(":")
            if kind in _MENDS:
                found = _MENDS[kind](found, name)
    except (LookupError, TypeError, AttributeError, ValueError) as exc:
        raise BadRequest("messages are not as their format has them", param="messages") from exc
    return found


def _without(body: Body, name: str) -> Body:
    return {key: value for key, value in body.items() if key != name}


def _renamed(body: Body, name: str) -> Body:
    if name not in body:
        return body
    return {**_without(body, name), OTHER_LIMIT[name]: body[name]}


def _not_both(body: Body, _name: str) -> Body:
    return _without(body, "top_p") if "temperature" in body else body


def _with_messages(change: Callable[[list[Body]], list[Body]]) -> Callable[[Body, str], Body]:
    def changed(body: Body, _name: str) -> Body:
        return {**body, "messages": change(body["messages"])} if "messages" in body else body

    return changed


def _adaptive(body: Body, _name: str) -> Body:
    """Thinking as much as the model finds right, with an effort for the budget that was set."""
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return body
    budget = thinking.get("budget_tokens") or 0
    effort = next((word for most, word in _EFFORTS if budget <= most), "high")
    config = body.get("output_config")
    config = {"effort": effort, **(config if isinstance(config, dict) else {})}
    return {**body, "thinking": {"type": "adaptive"}, "output_config": config}


def _plain(message: Body) -> Body:
    found = {name: value for name, value in message.items() if name not in EXTENSIONS}
    if isinstance(content := found.get("content"), list):
        found["content"] = [
            {k: v for k, v in part.items() if k not in EXTENSIONS} for part in content
        ]
    return found


def _told(body: Body, _name: str) -> Body:
    """The body with its wish for JSON put into words, at the end of what the user says."""
    wanted = wish_of(body)
    if wanted is None:
        return body
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
    parts = [*parts_of(last.get("content")), {"type": "text", "text": words}]
    return [*turns[:-1], {**last, "content": _joined(parts)}]


def _as_system(message: Body) -> Body:
    return {**message, "role": "system"} if message.get("role") == "developer" else message


def _without_system(messages: list[Body]) -> list[Body]:
    """The system's words at the head of the first user message."""
    system = [m for m in messages if m.get("role") in ("system", "developer")]
    rest = [m for m in messages if m.get("role") not in ("system", "developer")]
    if not system or not rest:
        return messages
    parts = [part for m in [*system, rest[0]] for part in parts_of(m.get("content"))]
    return [{**rest[0], "content": _joined(parts)}, *rest[1:]]


def _joined(parts: list[Body]) -> Any:
    """Parts as content: a text where they are nothing else, which every server takes."""
    if all(part.get("type") == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def wish_of(body: Mapping[str, Any]) -> Any:
    """The format an answer is to have, wherever the body's own format keeps it; None without."""
    if wanted := body.get("response_format"):
        return wanted
    outer = body.get("output_config") or body.get("text")
    return outer.get("format") if isinstance(outer, dict) else None


def parts_of(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


_MENDS: Mapping[str, Callable[[Body, str], Body]] = {
    "drop": _without,
    "rename": _renamed,
    "not-both": _not_both,
    "adaptive": _adaptive,
    "schema": _told,
    "plain": _with_messages(lambda messages: [_plain(m) for m in messages]),
    "no-developer": _with_messages(lambda messages: [_as_system(m) for m in messages]),
    "no-system": _with_messages(_without_system),
}
