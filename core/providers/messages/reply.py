"""A Messages answer as a chat completion, and back.

Pure. Input of an unknown form raises `LookupError`, `TypeError`, `AttributeError` or `ValueError`.
"""

import time
from collections.abc import Mapping
from typing import Any

from core.ids import new_id
from core.providers.bodies import text_of
from core.providers.messages.parts import (
    blocks_of,
    chat_call,
    reasoning_of,
    sealed,
    thought_in,
    tool_use,
)

_FINISH = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_STOP = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_REFUSED = "The model refused to answer."


def to_chat(message: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion; what Anthropic's own servers did on the way is left out."""
    blocks = [*message["content"]]
    text = "".join(text_of(block["text"]) for block in blocks if block["type"] == "text")
    calls = [chat_call(block) for block in blocks if block["type"] == "tool_use"]
    said = {"role": "assistant", "content": text or (None if calls else "")} | thought_in(blocks)
    if calls:
        said["tool_calls"] = calls
    if refusal := refusal_of(message):
        said["refusal"] = refusal
    reason = finish_reason(message.get("stop_reason"))
    return {
        "id": message.get("id") or new_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": message.get("model") or "",
        "choices": [{"index": 0, "message": said, "finish_reason": reason}],
        "usage": chat_usage(message.get("usage") or {}),
    }


def from_chat(completion: Mapping[str, Any]) -> dict[str, Any]:
    """A Messages answer of the completion's first choice."""
    choice = completion["choices"][0]
    said = choice["message"]
    calls = [tool_use(call, use_id(call)) for call in said.get("tool_calls") or ()]
    words = said.get("content")
    content = [*_thinking(said), *([] if words is None else blocks_of(words)), *calls]
    ending = ending_of(choice.get("finish_reason"), bool(calls), said.get("refusal"))
    return {
        "id": message_id(completion.get("id")),
        "type": "message",
        "role": "assistant",
        "model": completion.get("model") or "",
        "content": content,
        **ending,
        "usage": message_usage(completion.get("usage") or {}),
    }


def _thinking(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sealed blocks, else the reasoning of another model, which has no signature."""
    if kept := sealed(said.get("thinking_blocks") or ()):
        return kept
    text = reasoning_of(said)
    return [{"type": "thinking", "thinking": text, "signature": ""}] if text else []


def refusal_of(message: Mapping[str, Any]) -> str | None:
    """Why Anthropic's classifiers stopped the answer, in words; None when they did not."""
    if message.get("stop_reason") != "refusal":
        return None
    return text_of((message.get("stop_details") or {}).get("explanation") or _REFUSED)


def finish_reason(stop: str | None) -> str:
    """Chat's reason for Anthropic's; one that is not known is an end like others."""
    return _FINISH.get(stop or "", "stop")


def ending_of(finish: str | None, called: bool, refusal: str | None) -> dict[str, Any]:
    """How a message ended.

    Clients go by ``tool_use``: some servers say that they stopped when they called a tool.
    """
    stop = _STOP.get(finish or "", "tool_use" if called else "end_turn")
    if not refusal:
        return {"stop_reason": stop, "stop_sequence": None}
    details = {"type": "refusal", "category": None, "explanation": text_of(refusal)}
    return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


def message_id(completion_id: str | None) -> str:
    """The completion's id, marked as Anthropic's are."""
    return f"msg_{(completion_id or new_id()).removeprefix('msg_').removeprefix('chatcmpl-')}"


def use_id(call: Mapping[str, Any]) -> str:
    """A call's id; a new one where the server gave none, for results are told apart by it."""
    return text_of(call.get("id") or f"toolu_{new_id()}")


def chat_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens as chat counts them: what was read from the cache or put there is of the prompt."""
    read, written = (_count(usage, f"cache_{name}_input_tokens") for name in ("read", "creation"))
    prompt = _count(usage, "input_tokens") + read + written
    completion = _count(usage, "output_tokens")
    thought = _count(usage.get("output_tokens_details") or {}, "thinking_tokens")
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def message_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens as Anthropic counts them: the cached ones apart from the rest of the prompt."""
    details = usage.get("prompt_tokens_details") or {}
    read, written = _count(details, "cached_tokens"), _count(details, "cache_write_tokens")
    thought = _count(usage.get("completion_tokens_details") or {}, "reasoning_tokens")
    return {
        "input_tokens": max(0, _count(usage, "prompt_tokens") - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": _count(usage, "completion_tokens"),
        "output_tokens_details": {"thinking_tokens": thought},
    }


def _count(usage: Mapping[str, Any], name: str) -> int:
    return int(usage.get(name) or 0)
