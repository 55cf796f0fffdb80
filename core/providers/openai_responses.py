"""OpenAI's Responses: a chat body there, a chat completion back."""

from collections.abc import Mapping
from typing import Any

import orjson

from core.errors import UpstreamError
from core.providers.http import Client, chat_url, read_json, reading, writing
from core.records import Provider

_SAME = ("model", "temperature", "top_p", "user", "metadata", "parallel_tool_calls", "seed")


async def complete(client: Client, provider: Provider, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as an OpenAI chat completion."""
    with writing(provider):
        payload = orjson.dumps(to_request(body))
    async with client.send(provider, chat_url(provider), payload) as response:
        found = await read_json(provider, response)
    if not isinstance(found.get("output"), list):
        raise UpstreamError(f"{provider.name} answered without output")
    if isinstance(error := found.get("error"), dict):
        raise UpstreamError(f"{provider.name} failed: {str(error.get('message', ''))[:300]}")
    with reading(provider):
        return from_response(found)


def to_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A Responses request; nothing is stored at the provider."""
    request: dict[str, Any] = {name: body[name] for name in _SAME if body.get(name) is not None}
    request["store"] = False
    request["input"] = [item for message in body["messages"] for item in _items(message)]
    if limit := body.get("max_completion_tokens") or body.get("max_tokens"):
        request["max_output_tokens"] = limit
    if effort := body.get("reasoning_effort"):
        request["reasoning"] = {"effort": effort}
    if wanted := body.get("response_format"):
        schema = wanted.get("json_schema") or {}
        request["text"] = {"format": {**schema, "type": wanted["type"]}}
    if tools := body.get("tools"):
        request["tools"] = [
            {"type": "function", **tool["function"]} for tool in tools if "function" in tool
        ]
        choice = body.get("tool_choice")
        if isinstance(choice, dict):
            choice = {"type": "function", "name": choice["function"]["name"]}
        if choice:
            request["tool_choice"] = choice
    return request


def _items(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    role = message["role"]
    content = message.get("content")
    if role == "tool":
        output = content if isinstance(content, str) else orjson.dumps(content).decode()
        call = message.get("tool_call_id", "")
        return [{"type": "function_call_output", "call_id": call, "output": output}]
    items: list[dict[str, Any]] = []
    if content:
        kind = "output_text" if role == "assistant" else "input_text"
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        items.append({"role": role, "content": [_part(part, kind) for part in parts]})
    items += [
        {
            "type": "function_call",
            "call_id": call.get("id", ""),
            "name": call["function"]["name"],
            "arguments": call["function"].get("arguments") or "{}",
        }
        for call in message.get("tool_calls") or ()
    ]
    return items


def _part(part: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if part.get("type") == "image_url":
        return {"type": "input_image", "image_url": part["image_url"]["url"]}
    return {"type": kind, "text": part.get("text", "")}


def from_response(found: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAI chat completion from a Responses answer."""
    items = found["output"]
    parts = [
        part for item in items if item.get("type") == "message" for part in item.get("content", ())
    ]
    text = "".join(part.get("text", "") for part in parts if part.get("type") == "output_text")
    refusal = "".join(part.get("refusal", "") for part in parts if part.get("type") == "refusal")
    calls = [
        {
            "id": item.get("call_id", ""),
            "type": "function",
            "function": {"name": item["name"], "arguments": item.get("arguments", "{}")},
        }
        for item in items
        if item.get("type") == "function_call"
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text}
    if refusal:
        message["refusal"] = refusal
    if calls:
        message["tool_calls"] = calls
    usage = found.get("usage") or {}
    return {
        "id": found.get("id", ""),
        "object": "chat.completion",
        "created": int(found.get("created_at") or 0),
        "model": found.get("model", ""),
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(found, calls)}],
        "usage": {
            "prompt_tokens": usage.get("input_tokens", 0),
            "completion_tokens": usage.get("output_tokens", 0),
            "total_tokens": usage.get("total_tokens", 0),
        },
    }


def _finish(found: Mapping[str, Any], calls: list[Any]) -> str:
    if found.get("status") == "incomplete":
        reason = (found.get("incomplete_details") or {}).get("reason")
        return "content_filter" if reason == "content_filter" else "length"
    return "tool_calls" if calls else "stop"
