"""The blocks of a streamed message as events, one block after another.

Chat streams may deal out the pieces of several tool calls in turn; a Messages client takes one
block at a time. So one block is open, and what belongs to another waits until it can be closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from core.providers.sse import event

#: what block a piece belongs to: its kind, and which of that kind
Key = tuple[str, int]


@dataclass(slots=True)
class _Block:
    key: Key
    start: dict[str, Any]
    #: pieces that wait, while another block is open
    waiting: list[dict[str, Any]] = field(default_factory=list)
    #: what was sent of a call's arguments
    arguments: list[str] = field(default_factory=list)

    def whole(self) -> bool:
        """Whether nothing more can come: any time for words, for a call when its JSON is whole."""
        if self.start["type"] != "tool_use":
            return True
        if not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        try:
            orjson.loads("".join(self.arguments))
        except orjson.JSONDecodeError:
            return False
        return True


class Blocks:
    """Takes pieces in any order and gives events in the order of Messages."""

    def __init__(self) -> None:
        self._count = 0
        self._open: _Block | None = None
        self._queue: dict[Key, _Block] = {}
        self._ended: set[Key] = set()

    def put(self, key: Key, start: dict[str, Any], *pieces: dict[str, Any]) -> bytes:
        """The events that can go out with these pieces of a block, which ``start`` opens."""
        if self._open is not None and self._open.key == key:
            return self._send(self._open, pieces) + self._next()
        if key in self._queue:
            self._queue[key].waiting.extend(pieces)
            return b""
        if key in self._ended and start["type"] == "tool_use":
            return b""  # its JSON was whole
        self._queue[key] = _Block(key, start, [*pieces])
        return self._next()

    def end(self) -> bytes:
        """The events that close the last block, after those that wait."""
        found = b""
        while self._open is not None:
            found += self._close(self._open) + self._begin()
        return found

    def _next(self) -> bytes:
        """Go on to the blocks that wait, as far as those before them are whole."""
        found = b""
        while self._queue and (self._open is None or self._open.whole()):
            found += (self._close(self._open) if self._open else b"") + self._begin()
        return found

    def _begin(self) -> bytes:
        """Open the block that has waited longest."""
        if not self._queue:
            return b""
        block = self._open = self._queue.pop(next(iter(self._queue)))
        found = self._event("content_block_start", content_block=block.start)
        return found + self._send(block, block.waiting)

    def _send(self, block: _Block, pieces: Sequence[dict[str, Any]]) -> bytes:
        block.arguments += [p["partial_json"] for p in pieces if p["type"] == "input_json_delta"]
        return b"".join(self._event("content_block_delta", delta=piece) for piece in pieces)

    def _close(self, block: _Block) -> bytes:
        found = self._event("content_block_stop")
        self._ended.add(block.key)
        self._open = None
        self._count += 1
        return found

    def _event(self, name: str, **told: Any) -> bytes:
        return event({"type": name, "index": self._count, **told}, name)
