"""Server-sent events: bytes in whatever pieces they come, whole events out, and back.

Format: the WHATWG HTML standard, section "Server-sent events".
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from core.errors import UpstreamError
from core.providers.http import lenient

DONE = b"data: [DONE]\n\n"
#: what ends an event
_BLANK = (b"\n\n", b"\r\n\r\n")
#: where one event ends and the next begins
_BETWEEN = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


class Whole:
    """Makes runs of whole events out of pieces; a piece that ends with an event passes as it is."""

    __slots__ = ("rest",)

    def __init__(self) -> None:
        #: the beginning of an event, whose end has not come yet
        self.rest = b""

    def add(self, piece: bytes) -> bytes:
        """All events that are whole by now, each with its blank line; empty while there is none."""
        run = self.rest + piece if self.rest else piece
        if run.endswith(_BLANK):
            self.rest = b""
            return run
        end = max(_after(run, blank) for blank in _BLANK)
        self.rest = run[end:]
        return run[:end]


def _after(text: bytes, blank: bytes) -> int:
    """Where the last ``blank`` ends; 0 without one."""
    at = text.rfind(blank)
    return at + len(blank) if at >= 0 else 0


def split(run: bytes) -> list[bytes]:
    """The events of a run of whole events, each with its blank line; joined they are the run."""
    return [event for event in _BETWEEN.split(run) if event]


async def objects(pieces: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The JSON object of each event's data; ``[DONE]``, comments and keep-alives are left out.

    `UpstreamError` for data that is no JSON object.
    """
    whole = Whole()
    async for piece in pieces:
        for found in data_of(whole.add(piece)):
            yield found
    for found in data_of(whole.rest):
        yield found


def data_of(run: bytes) -> list[dict[str, Any]]:
    """The JSON objects in a run of whole events."""
    lines = (line[5:].strip() for line in run.splitlines() if line.startswith(b"data:"))
    return [_object(data) for data in lines if data and data != b"[DONE]"]


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = lenient(data)
    except (ValueError, RecursionError) as exc:
        raise UpstreamError("the provider sent a piece of its answer that is not JSON") from exc
    if not isinstance(found, dict):
        raise UpstreamError("the provider sent a piece of its answer that is no object")
    return found


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """One event, with its name where the format has names."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"
