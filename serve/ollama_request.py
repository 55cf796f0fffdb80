"""A chat body of Ollama's as one of OpenAI's."""

from collections.abc import Mapping
from typing import Any

import orjson

from core.errors import BadRequest

#: Ollama's options and the sampling fields they stand for; what servers do not take they say, and
#: it is left out from then on
_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "num_predict": "max_tokens",
    "repeat_penalty": "repeat_penalty",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
#: how the base64 of an image begins
_MEDIA = {"/9j/": "jpeg", "iVBOR": "png", "R0lGOD": "gif", "UklGR": "webp"}


def to_openai(body: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAI chat body; `BadRequest` for what is not as Ollama has it."""
    found: dict[str, Any] = {"messages": _messages(body["messages"]), **_sampling(body)}
    if body.get("tools"):
        found["tools"] = body["tools"]
    if isinstance(body.get("think"), str):
        found["reasoning_effort"] = body["think"]
    match body.get("format"):
        case "json":
            found["response_format"] = {"type": "json_object"}
        case {} as schema if schema:
            found["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema},
            }
    return found


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise BadRequest("options must be an object", param="options")
    found = {
        ours: options[theirs]
        for theirs, ours in _OPTIONS.items()
        if options.get(theirs) is not None
    }
    limit = found.get("max_tokens", 0)
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise BadRequest("options.num_predict must be a whole number", param="options")
    if limit < 0:
        del found["max_tokens"]
    return found


def _messages(given: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages whose tool results name their calls, which Ollama's own need not."""
    found: list[dict[str, Any]] = []
    waiting: list[tuple[str, str]] = []
    for number, message in enumerate(given):
        turned = _message(message)
        if calls := _list_of(dict, message, "tool_calls"):
            turned["tool_calls"] = [_call(f"call_{number}_{i}", c) for i, c in enumerate(calls)]
            waiting = [(call["id"], call["function"]["name"]) for call in turned["tool_calls"]]
        if message["role"] == "tool":
            turned["tool_call_id"] = message.get("tool_call_id") or _answered(message, waiting)
        found.append(turned)
    return found


def _answered(message: Mapping[str, Any], waiting: list[tuple[str, str]]) -> str:
    """The id of the call that a tool's result belongs to: by its name, else in turn."""
    name = message.get("tool_name") or message.get("name")
    place = next((i for i, (_, called) in enumerate(waiting) if called == name), 0)
    return waiting.pop(place)[0] if waiting else "call_0"


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        raise BadRequest("content of a message must be text", param="messages")
    found: dict[str, Any] = {"role": message["role"], "content": content or ""}
    if images := _list_of(str, message, "images"):
        parts = [{"type": "image_url", "image_url": {"url": _address(i)}} for i in images]
        found["content"] = [{"type": "text", "text": found["content"]}, *parts]
    if isinstance(thinking := message.get("thinking"), str) and thinking:
        found["reasoning_content"] = thinking
    return found


def _address(image: str) -> str:
    """The data URL of an image in base64."""
    if image.startswith("data:"):
        return image
    kind = next((kind for head, kind in _MEDIA.items() if image.startswith(head)), "png")
    return f"data:image/{kind};base64,{image}"


def _list_of(kind: type, message: Mapping[str, Any], name: str) -> list[Any]:
    found = message.get(name) or []
    if not isinstance(found, list) or not all(isinstance(entry, kind) for entry in found):
        raise BadRequest(f"{name} of a message must be a list of {kind.__name__}", param="messages")
    return found


def _call(call_id: str, call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRequest("a tool call must have a function with a name", param="messages")
    given = function.get("arguments") or {}
    return {
        "id": call["id"] if isinstance(call.get("id"), str) else call_id,
        "type": "function",
        "function": {
            "name": function["name"],
            "arguments": given if isinstance(given, str) else orjson.dumps(given).decode(),
        },
    }
