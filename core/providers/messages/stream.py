"""A stream of Messages events as chat chunks, and chat chunks as Messages events.

Pure: events and chunks come as objects. A stream that breaks off, tells an error, or is of an
unknown form is an `UpstreamError`.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import orjson

from core.errors import UpstreamError
from core.ids import new_id
from core.providers.bodies import text_of
from core.providers.messages.blocks import Blocks, Key
from core.providers.messages.parts import reasoning_of, sealed
from core.providers.messages.reply import (
    chat_usage,
    ending_of,
    finish_reason,
    message_id,
    message_usage,
    refusal_of,
    use_id,
)
from core.providers.sse import event

_BROKEN_OFF = "the provider broke off its answer"
_TEXT = {"type": "text", "text": ""}
_THINKING = {"type": "thinking", "thinking": "", "signature": ""}


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as exc:
        raise UpstreamError("the provider streamed something of an unknown form") from exc


def _failure(error: Any) -> UpstreamError:
    said = error.get("message") if isinstance(error, dict) else error
    return UpstreamError(f"the provider failed while it answered: {str(said)[:500]}")


async def to_chat(events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Chat chunks: the role first, what finished it near the end, the usage alone at the end."""
    reader = _Reader()
    async for piece in events:
        with _understood():
            chunks = reader.take(piece)
        for chunk in chunks:
            yield chunk
        if reader.ended:
            return
    raise UpstreamError(_BROKEN_OFF)


class _Reader:
    """What is known of a message while its events come."""

    def __init__(self) -> None:
        self.ended = False
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._ending: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._calls = 0

    def take(self, piece: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks for one event."""
        match piece["type"]:
            case "message_start":
                return [self._start(piece["message"])]
            case "content_block_start":
                deltas = self._block_start(piece["index"], piece["content_block"])
            case "content_block_delta":
                deltas = self._block_delta(self._blocks[piece["index"]], piece["delta"])
            case "content_block_stop":
                deltas = self._block_stop(self._blocks.pop(piece["index"]))
            case "message_delta":
                self._ending |= piece["delta"]
                self._count(piece.get("usage"))
                deltas = []
            case "message_stop":
                return self._end()
            case "error":
                raise _failure(piece["error"])
            case _:  # pings, and what later versions bring
                deltas = []
        return [self._chunk(delta) for delta in deltas]

    def _start(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self._head = {
            "id": message.get("id") or new_id(),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": message.get("model") or "",
        }
        self._count(message.get("usage"))
        return self._chunk({"role": "assistant", "content": ""})

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        """Later counts replace the earlier: they are of the whole so far."""
        told = usage or {}
        self._usage |= {name: count for name, count in told.items() if count is not None}

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**self._head, "choices": [choice]}

    def _end(self) -> list[dict[str, Any]]:
        self.ended = True
        refusal = refusal_of(self._ending)
        finish = finish_reason(self._ending.get("stop_reason"))
        last = self._chunk({"refusal": refusal} if refusal else {}, finish)
        return [last, {**self._head, "choices": [], "usage": chat_usage(self._usage)}]

    def _block_start(self, index: int, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        block = self._blocks[index] = {**given}
        match block:
            case {"type": "text", "text": str(text)} if text:
                return [{"content": text}]
            case {"type": "thinking", "thinking": str(text)} if text:
                return [{"reasoning_content": text}]
            case {"type": "tool_use"}:
                block["call"], block["told"] = self._calls, False
                self._calls += 1
                function = {"name": text_of(block["name"]), "arguments": ""}
                return [_call(block, id=text_of(block["id"]), type="function", function=function)]
        return []

    def _block_delta(self, block: dict[str, Any], delta: Mapping[str, Any]) -> list[dict[str, Any]]:
        match delta:
            case {"type": "text_delta", "text": str(text)} if block["type"] == "text":
                return [{"content": text}]
            case {"type": "thinking_delta", "thinking": str(text)}:
                block["thinking"] = block.get("thinking", "") + text
                return [{"reasoning_content": text}]
            case {"type": "signature_delta", "signature": str(signature)}:
                block["signature"] = signature
            case {"type": "input_json_delta", "partial_json": str(text)} if "call" in block:
                block["told"] = block["told"] or bool(text)
                return [_call(block, function={"arguments": text})]
        return []

    def _block_stop(self, block: dict[str, Any]) -> list[dict[str, Any]]:
        """What is known of a block at its end alone: its seal; the input that no delta told."""
        if block["type"] in ("thinking", "redacted_thinking"):
            kept = sealed([block])
            return [{"thinking_blocks": kept}] if kept else []
        if "call" in block and not block["told"]:
            arguments = orjson.dumps({**block["input"]}).decode()
            return [_call(block, function={"arguments": arguments})]
        return []


def _call(block: Mapping[str, Any], **told: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": block["call"], **told}]}


async def from_chat(chunks: AsyncIterator[dict[str, Any]], model: str) -> AsyncIterator[bytes]:
    """Server-sent events as Messages names them; ``message_start`` goes out with the first chunk.

    Its counts of tokens are those the first chunk tells, mostly none: the whole usage stands in
    ``message_delta``.
    """
    writer = _Writer(model)
    async for chunk in chunks:
        with _understood():
            found = writer.take(chunk)
        if found:
            yield found
    with _understood():
        found = writer.end()
    yield found


class _Writer:
    """What is known of an answer while its chunks come."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._started = False
        self._usage: Mapping[str, Any] = {}
        self._finish: str | None = None
        self._refusal = ""
        self._blocks = Blocks()
        #: index in chat → which call it is now, and its block
        self._calls: dict[int, tuple[Key, dict[str, Any]]] = {}
        self._called = 0
        #: sealed blocks of thinking so far; whether the one at hand was told as reasoning
        self._seals = 0
        self._thought = False

    def take(self, chunk: Mapping[str, Any]) -> bytes:
        """The events for one chunk."""
        if (error := chunk.get("error")) is not None:
            raise _failure(error)
        self._usage = chunk.get("usage") or self._usage
        found = [] if self._started else [self._start(chunk.get("id"))]
        self._started = True
        for choice in chunk.get("choices") or ():
            if not choice.get("index"):  # a message has one choice
                found += self._delta(choice.get("delta") or {})
                self._finish = choice.get("finish_reason") or self._finish
        return b"".join(found)

    def _start(self, chunk_id: str | None) -> bytes:
        message = {
            "id": message_id(chunk_id),
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": message_usage(self._usage),
        }
        return event({"type": "message_start", "message": message}, "message_start")

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[bytes]:
        if thought := reasoning_of(delta):
            yield self._think(thought)
        for block in sealed(delta.get("thinking_blocks") or ()):
            yield self._seal(block)
        if text := delta.get("content"):
            piece = {"type": "text_delta", "text": text_of(text)}
            yield self._blocks.put(("text", 0), _TEXT, piece)
        self._refusal += text_of(delta.get("refusal") or "")
        for call in delta.get("tool_calls") or ():
            yield self._call(call)

    def _think(self, text: str) -> bytes:
        self._thought = True
        piece = {"type": "thinking_delta", "thinking": text}
        return self._blocks.put(("thinking", self._seals), _THINKING, piece)

    def _seal(self, block: dict[str, Any]) -> bytes:
        """A block that is signed ends there; its text goes first where no reasoning told it."""
        if block["type"] != "thinking":
            self._seals += 1
            return self._blocks.put(("redacted", self._seals), block)
        told = self._thought or not block["thinking"]
        found = b"" if told else self._think(block["thinking"])
        piece = {"type": "signature_delta", "signature": block["signature"]}
        found += self._blocks.put(("thinking", self._seals), _THINKING, piece)
        self._seals += 1
        self._thought = False
        return found

    def _call(self, call: Mapping[str, Any]) -> bytes:
        """A piece of a call. A new id and name are a new call, for some servers count none."""
        index = call.get("index") or 0
        function = call.get("function") or {}
        known = self._calls.get(index)
        renamed = function.get("name") and call.get("id")
        if known is None or (renamed and call["id"] != known[1]["id"]):
            named = {"id": use_id(call), "name": text_of(function["name"])}
            known = ("tool_use", self._called), {"type": "tool_use", **named, "input": {}}
            self._calls[index] = known
            self._called += 1
        text = text_of(function.get("arguments") or "")
        piece = {"type": "input_json_delta", "partial_json": text}
        return self._blocks.put(*known, *([piece] if text else []))

    def end(self) -> bytes:
        """The last events; `UpstreamError` when the answer has no end."""
        if self._finish is None:
            raise UpstreamError(_BROKEN_OFF)
        ending = {
            "type": "message_delta",
            "delta": ending_of(self._finish, bool(self._called), self._refusal),
            "usage": message_usage(self._usage),
        }
        stop = event({"type": "message_stop"}, "message_stop")
        return self._blocks.end() + event(ending, "message_delta") + stop
