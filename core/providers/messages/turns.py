"""A chat's messages as Anthropic's turns, and back.

Anthropic has two roles. What tools answered stands in the user's turn, before what the user says;
chat has a message of its own for each answer. Chat's answers of tools hold text alone: an image
or a file in one moves into the user's message after it, and that it is an error is said in words.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from core.providers.bodies import picked, text_of, unavailable
from core.providers.messages.parts import (
    blocks_of,
    chat_call,
    chat_part,
    chat_parts,
    content_of,
    safe_id,
    sealed,
    thought_in,
    tool_use,
)

_ERROR = "Tool error:"
_THOUGHT = ("thinking", "redacted_thinking")


def turns_of(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The turns of a chat's messages, those of the system left out; neighbours of one role joined.

    The results of tools stand first in their turn. A last turn of the assistant, which the model
    goes on with, does not end in whitespace: Anthropic refuses that.
    """
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, blocks = _turn(message)
        if not blocks:
            continue
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += blocks
    for turn in turns:
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if turns and turns[-1]["role"] == "assistant":
        _trim(turns[-1]["content"][-1])
    return turns


def _turn(message: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    match message["role"]:
        case "user":
            return "user", blocks_of(message["content"])
        case "tool":
            return "user", [_result(message)]
        case "assistant":
            return "assistant", _said(message)
    raise ValueError("a message has an unknown role")


def _trim(block: dict[str, Any]) -> None:
    if block["type"] == "text":
        block["text"] = block["text"].rstrip()


def _said(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An assistant's message as blocks; thinking alone makes no turn.

    Reasoning that is not signed by Anthropic is left out, for it would be refused.
    """
    if message.get("function_call") or message.get("audio"):
        raise ValueError("function_call and audio have no counterpart in Messages")
    found: list[dict[str, Any]] = []
    for said in (message.get("content"), message.get("refusal")):
        found += [] if said is None else blocks_of(said)
    calls = message.get("tool_calls") or ()
    found += [tool_use(call, safe_id(call["id"])) for call in calls]
    return [*sealed(message.get("thinking_blocks") or ()), *found] if found else []


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's answer as a block; a mark for the cache may stand on the block alone."""
    found: dict[str, Any] = {"type": "tool_result", "tool_use_id": safe_id(message["tool_call_id"])}
    blocks = blocks_of(message["content"])
    marks = [mark for block in blocks if (mark := block.pop("cache_control", None))]
    if blocks and (text := blocks[0].get("text", "")).startswith(_ERROR):
        found["is_error"] = True
        blocks[:1] = blocks_of(text.removeprefix(_ERROR).removeprefix(" "))
    if blocks:
        found["content"] = content_of(blocks)
    return found | ({"cache_control": marks[-1]} if marks else {})


def messages_of(turns: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A chat's messages for Anthropic's turns; `BadRequest` for what chat cannot hold."""
    return [message for turn in turns for message in _messages(turn)]


def _messages(turn: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = turn["content"]
    match turn["role"]:
        case "system":
            return [{"role": "system", "content": content_of(chat_parts(content))}]
        case "user":
            return _user(_blocks(content))
        case "assistant":
            return [_assistant(_blocks(content))]
    raise ValueError("a message has an unknown role")


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    """Content as blocks, where the API also takes a text."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else [*content]


def _user(blocks: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages of the tools, then the user's own."""
    messages: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for block in blocks:
        if block["type"] == "tool_result":
            message, moved = _tool(block)
            messages.append(message)
            parts += moved
    parts += [chat_part(block) for block in blocks if block["type"] != "tool_result"]
    if parts or not messages:
        messages.append({"role": "user", "content": content_of(parts)})
    return messages


def _tool(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A result as a chat message, and what of it only a user's message may hold."""
    call_id = text_of(block["tool_use_id"])
    parts = chat_parts(block.get("content") or ())
    texts = [part for part in parts if part["type"] == "text"]
    moved = [part for part in parts if part["type"] != "text"]
    if block.get("is_error"):
        first, *rest = texts or [{"type": "text", "text": ""}]
        texts = [{**first, "text": f"{_ERROR} {first['text']}"}, *rest]
    if texts:
        texts[-1] |= picked(block, "cache_control")
    if moved:
        moved.insert(0, {"type": "text", "text": f"From the result of the tool call {call_id}:"})
    return {"role": "tool", "tool_call_id": call_id, "content": content_of(texts)}, moved


def _assistant(blocks: list[Mapping[str, Any]]) -> dict[str, Any]:
    calls = [chat_call(block) for block in blocks if block["type"] == "tool_use"]
    said = [_spoken(block) for block in blocks if block["type"] not in ("tool_use", *_THOUGHT)]
    content = None if calls and not said else content_of(said)
    message = {"role": "assistant", "content": content, **thought_in(blocks)}
    return message | ({"tool_calls": calls} if calls else {})


def _spoken(block: Mapping[str, Any]) -> dict[str, Any]:
    if block["type"] != "text":
        raise unavailable(f"a block {text_of(block['type'])} of the assistant", "messages")
    return chat_part(block)
