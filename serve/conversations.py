"""Which model a conversation is with, remembered by what was said in it before."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from core.routing_text import said

#: seconds without a turn after which a conversation counts as over
TTL_S = 3600.0
CAPACITY = 20_000
_SAID = ("user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands: the model that answered, for which category it was chosen, and
    what the human had said by then."""

    target: str
    category: str | None
    human_turns: int
    #: by the clock
    since: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One request as a turn of a conversation."""

    #: of all that was said before the last answer; None where nothing was answered yet
    earlier: str | None
    #: of all that is said now, by which the next request will look
    now: str
    human_turns: int


def turn_of(messages: Sequence[Mapping[str, Any]]) -> Turn:
    """The turn that a conversation's messages make; system texts, which carry clocks, are no part
    of it."""
    digest = hashlib.blake2b(digest_size=16)
    earlier = None
    human_turns = 0
    before = None
    for message in messages:
        role = message.get("role")
        if role not in _SAID:
            continue
        if role == "assistant" and before != "assistant":
            earlier = digest.hexdigest()
        before = role
        text = said(message)
        human_turns += role == "user" and bool(text)
        digest.update(f"{role}\0{text}\0".encode("utf-8", "surrogatepass"))
    return Turn(earlier=earlier, now=digest.hexdigest(), human_turns=human_turns)


class Conversations:
    """Of this worker, for an hour each; those that nobody went on with for longest go first."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: LRUCache[str, Standing] = LRUCache(CAPACITY)
        self._clock = clock

    def __len__(self) -> int:
        return len(self._known)

    def of(self, turn: Turn) -> Standing | None:
        found = self._known.get(turn.earlier) if turn.earlier else None
        return found if found and found.since + TTL_S > self._clock() else None

    def answered(self, turn: Turn, target: str, category: str | None) -> None:
        """The turn was answered by ``target``, as ``provider/name``."""
        self._known[turn.now] = Standing(target, category, turn.human_turns, self._clock())
