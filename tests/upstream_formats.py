"""Two wire formats: a body becomes `Asked`, `Said` becomes an answer, whole or as events.

Each `Format` refuses, as its owner does, what a careless translation sends.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.upstream_model import Asked, Said, text_of


@dataclass
class Frames:
    """A streamed answer: what opens it, its pieces, what ends it, what tells of a failure."""

    before: list[bytes]
    pieces: list[bytes]
    after: list[bytes]
    failure: bytes
    #: how many pieces come before a stream that breaks off does so
    heard: int = 2


@dataclass
class Format:
    #: ValueError says why the request is refused
    read: Callable[[dict[str, Any]], Asked]
    whole: Callable[[str, Said, dict[str, Any]], dict[str, Any]]
    frames: Callable[[str, Said, dict[str, Any]], Frames]


# What they share


def data(found):
    return b"data: " + json.dumps(found).encode() + b"\n\n"


def event(kind, **more):
    return b"event: " + kind.encode() + b"\n" + data({"type": kind, **more})


def halves(text):
    middle = len(text) // 2
    return text[:middle], text[middle:]


def refuse_unless(fine, message):
    if not fine:
        raise ValueError(message)


# OpenAI's chat completions


def read_chat(body):
    asked = Asked(limit=body.get("max_completion_tokens") or body.get("max_tokens") or 0)
    known = set()
    for message in body["messages"]:
        match message["role"]:
            case "system" | "developer":
                asked.system = text_of(message["content"])
            case "user":
                asked.ask(message["content"])
            case "tool":
                answers = message["tool_call_id"] in known
                refuse_unless(answers, "role 'tool' must follow a message with that tool call")
                asked.answer(message["content"])
            case "assistant":
                calls = message.get("tool_calls") or ()
                asked.called += [call["function"]["name"] for call in calls]
                known |= {call["id"] for call in calls}
    functions = [tool["function"] for tool in body.get("tools") or ()]
    asked.tools = {f["name"]: f.get("parameters") or {} for f in functions}
    choice = body.get("tool_choice") or "auto"
    asked.choice = choice if isinstance(choice, str) else choice["function"]["name"]
    wanted = body.get("response_format") or {}
    if wanted.get("type", "text") != "text":
        asked.schema = wanted.get("json_schema", {}).get("schema", {})
    return asked


def head(model):
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model}


def usage(tokens):
    return {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}


def finish(said):
    return "tool_calls" if said.calls else "length" if said.cut else "stop"


def chat_whole(model, said, body):
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if said.calls:
        calls = [{"id": i, "type": "function", "function": {"name": name, "arguments": arguments}}
                 for i, name, arguments in said.calls]  # fmt: skip
        message |= {"content": None, "tool_calls": calls}
    likely = [{"token": piece, "logprob": -0.5, "bytes": None, "top_logprobs": []}
              for piece in said.pieces]  # fmt: skip
    more = {"logprobs": {"content": likely, "refusal": None}} if body.get("logprobs") else {}
    choices = [{"index": number, "message": message, "finish_reason": finish(said), **more}
               for number in range(body.get("n") or 1)]  # fmt: skip
    return {**head(model), "choices": choices, "usage": usage(said.tokens)}


def chat_frames(model, said, body):
    def frame(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return data({**chunk, "choices": [choice]})

    chunk = {**head(model), "object": "chat.completion.chunk"}
    before = [frame({"role": "assistant", "reasoning_content": said.thinking})]
    role = {"role": "assistant"}
    pieces = [frame({**role, "content": piece}) for piece in said.pieces]
    if said.calls:
        pieces = [frame({**role, "tool_calls": [delta]}) for delta in call_deltas(said.calls)]
    after = [frame({}, finish(said))]
    if (body.get("stream_options") or {}).get("include_usage"):
        after.append(data({**chunk, "choices": [], "usage": usage(said.tokens)}))
    failure = data({"error": {"message": "scripted failure", "type": "server_error"}})
    return Frames(before if said.thinking else [], pieces, [*after, b"data: [DONE]\n\n"], failure)


def call_deltas(calls):
    for index, (identity, name, arguments) in enumerate(calls):
        opening = {"name": name, "arguments": ""}
        yield {"index": index, "id": identity, "type": "function", "function": opening}
        for part in halves(arguments):
            yield {"index": index, "function": {"arguments": part}}


# Anthropic's Messages

_MESSAGES_FIELDS = {
    *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "temperature", "top_p"),
    *("top_k", "stop_sequences", "stream", "metadata", "thinking", "output_config", "service_tier"),
}


def read_messages(body):
    for name in body:
        refuse_unless(name in _MESSAGES_FIELDS, f"{name}: Extra inputs are not permitted")
    refuse_unless(isinstance(body.get("max_tokens"), int), "max_tokens: Field required")
    refuse_unless(body["messages"][0]["role"] == "user", "first message must use the user role")
    asked = Asked(system=text_of(body.get("system")), limit=body["max_tokens"])
    pending: set[str] = set()
    for message in body["messages"]:
        parts = parts_of(message["content"])
        if message["role"] == "assistant":
            calls = [part for part in parts if part["type"] == "tool_use"]
            pending = {call["id"] for call in calls}
            asked.called += [call["name"] for call in calls]
        else:
            pending = read_user(asked, parts, pending)
    asked.tools = {tool["name"]: tool["input_schema"] for tool in body.get("tools") or ()}
    choice = body.get("tool_choice") or {"type": "auto"}
    asked.choice = {"any": "required", "tool": choice.get("name")}.get(
        choice["type"], choice["type"]
    )
    if wanted := (body.get("output_config") or {}).get("format"):
        asked.schema = wanted["schema"]
    refuse_unless(not asked.mislabelled, "the image does not match the provided media type")
    return asked


def parts_of(content):
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    refuse_unless(parts, "all messages must have non-empty content")
    for part in parts:
        fine = part["type"] != "text" or part["text"]
        refuse_unless(fine, "text content blocks must be non-empty")
    return parts


def read_user(asked, parts, pending):
    """Results answer exactly the calls of the turn before; all else is a question."""
    results = [part for part in parts if part["type"] == "tool_result"]
    answered = {part["tool_use_id"] for part in results}
    refuse_unless(answered == pending, "each tool_use must have its tool_result in the next turn")
    for result in results:
        asked.answer(result.get("content"))
    if rest := [part for part in parts if part["type"] != "tool_result"]:
        asked.ask(rest)
    return set()


def blocks(said):
    found: list[dict[str, Any]] = []
    if said.thinking:
        found.append({"type": "thinking", "thinking": said.thinking, "signature": "c2lnbmVk"})
    if said.text:
        found.append({"type": "text", "text": said.text})
    calls = [{"type": "tool_use", "id": i, "name": name, "input": json.loads(arguments)}
             for i, name, arguments in said.calls]  # fmt: skip
    return found + calls


def messages_whole(model, said, _body):
    reason = "tool_use" if said.calls else "max_tokens" if said.cut else "end_turn"
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks(said),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": said.tokens},
    }


def messages_frames(model, said, body):
    whole = messages_whole(model, said, body)
    usage = {"input_tokens": 7, "output_tokens": 1}
    start = {**whole, "content": [], "stop_reason": None, "usage": usage}
    pieces = []
    for index, block in enumerate(blocks(said)):
        empty, deltas = block_deltas(block, said)
        pieces.append(event("content_block_start", index=index, content_block=empty))
        pieces += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        pieces.append(event("content_block_stop", index=index))
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    after = [event("message_delta", delta=end, usage={"output_tokens": said.tokens})]
    before = [event("message_start", message=start), event("ping")]
    failure = event("error", error={"type": "overloaded_error", "message": "scripted failure"})
    return Frames(before, pieces, [*after, event("message_stop")], failure, heard=3)


def block_deltas(block, said):
    """(the block before it has anything, its deltas)"""
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in said.pieces]
            return {**block, "text": ""}, deltas
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [thought, signed]
    parts = halves(json.dumps(block["input"]))
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return {**block, "input": {}}, deltas


CHAT = Format(read_chat, chat_whole, chat_frames)
MESSAGES = Format(read_messages, messages_whole, messages_frames)
