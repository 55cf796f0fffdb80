"""Anthropic's Messages: an OpenAI chat body there, an OpenAI completion back."""

from collections.abc import Mapping
from typing import Any

import orjson

from core.errors import UpstreamError
from core.providers.http import Client, chat_url, read_json, reading, writing
from core.records import Provider

_STOP = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_SAME = ("model", "temperature", "top_p", "top_k", "metadata")


async def complete(
    client: Client, provider: Provider, body: Mapping[str, Any], max_tokens: int
) -> dict[str, Any]:
    """The answer as an OpenAI chat completion."""
    with writing(provider):
        payload = orjson.dumps(to_request(body, max_tokens))
    async with client.send(provider, chat_url(provider), payload) as response:
        found = await read_json(provider, response)
    if not isinstance(found.get("content"), list):
        raise UpstreamError(f"{provider.name} answered without content")
    with reading(provider):
        return from_response(found)


def to_request(body: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
    """A Messages request; ``max_tokens`` stands in where the client set none."""
    messages = body["messages"]
    system = [_text(m) for m in messages if m["role"] in ("system", "developer")]
    request: dict[str, Any] = {name: body[name] for name in _SAME if body.get(name) is not None}
    request["max_tokens"] = (
        body.get("max_completion_tokens") or body.get("max_tokens") or max_tokens
    )
    if system:
        request["system"] = "\n\n".join(system)
    request["messages"] = _merged(
        [_turn(m) for m in messages if m["role"] not in ("system", "developer")]
    )
    if stop := body.get("stop"):
        request["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if tools := body.get("tools"):
        request["tools"] = [_tool(tool["function"]) for tool in tools if "function" in tool]
        if choice := _tool_choice(body.get("tool_choice")):
            request["tool_choice"] = choice
    return request


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or () if isinstance(part, dict))


def _turn(message: Mapping[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        result = {
            "type": "tool_result",
            "tool_use_id": message.get("tool_call_id", ""),
            "content": _text(message),
        }
        return {"role": "user", "content": [result]}
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
    if isinstance(content, list):
        parts = [_part(part) for part in content if isinstance(part, dict)]
    for call in message.get("tool_calls") or ():
        function = call["function"]
        parts.append(
            {
                "type": "tool_use",
                "id": call.get("id", ""),
                "name": function["name"],
                "input": orjson.loads(function.get("arguments") or "{}"),
            }
        )
    return {"role": "assistant" if message["role"] == "assistant" else "user", "content": parts}


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") != "image_url":
        return {"type": "text", "text": part.get("text", "")}
    url = part["image_url"]["url"]
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}


def _merged(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring turns of one role joined: two tool results make one user turn."""
    merged: list[dict[str, Any]] = []
    for turn in turns:
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1] = {**turn, "content": [*merged[-1]["content"], *turn["content"]]}
        else:
            merged.append(turn)
    return merged


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": function["name"],
        "description": function.get("description", ""),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }


def _tool_choice(choice: Any) -> dict[str, Any] | None:
    match choice:
        case "required":
            return {"type": "any"}
        case "none":
            return {"type": "none"}
        case {"function": {"name": name}}:
            return {"type": "tool", "name": name}
    return None


def from_response(found: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAI chat completion from a Messages answer."""
    parts = found["content"]
    text = "".join(part.get("text", "") for part in parts if part.get("type") == "text")
    calls = [
        {
            "id": part["id"],
            "type": "function",
            "function": {
                "name": part["name"],
                "arguments": orjson.dumps(part.get("input") or {}).decode(),
            },
        }
        for part in parts
        if part.get("type") == "tool_use"
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text}
    if calls:
        message["tool_calls"] = calls
    usage = found.get("usage") or {}
    tokens_in, tokens_out = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    return {
        "id": found.get("id", ""),
        "object": "chat.completion",
        "created": 0,
        "model": found.get("model", ""),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": _STOP.get(found.get("stop_reason") or "", "stop"),
            }
        ],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        },
    }
