"""Remembers routing decisions: TTL + LRU, one flight per key, stale copies for hard times."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

from cachetools import LRUCache, TLRUCache

from core.decision import Decision

#: seconds that a fallback is kept: long enough to spare a sick meta-model, short enough to heal
FALLBACK_TTL_S = 5.0


def cache_key(text: str, snapshot_id: str, *, constraints: Iterable[str] = ()) -> str:
    """SHA-256 over the text with its white space folded, the snapshot and what narrows the choice.

    ``constraints`` are order-free words such as ``model=a/b``, ``policy=meta``.
    """
    parts = [" ".join(text.split()), snapshot_id, *sorted(constraints)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


class DecisionCache:
    """Holds at most ``max_entries`` decisions for ``ttl_s`` seconds; counts hits and misses."""

    def __init__(
        self,
        ttl_s: float,
        max_entries: int,
        *,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.enabled = enabled and ttl_s > 0 and max_entries > 0
        self.hits = self.misses = 0
        size = max(1, max_entries)

        def expires(_key: str, decision: Decision, now: float) -> float:
            return now + (min(ttl_s, FALLBACK_TTL_S) if decision.outcome == "fallback" else ttl_s)

        self._fresh: TLRUCache[str, Decision] = TLRUCache(size, expires, timer=clock)
        self._stale: LRUCache[str, Decision] = LRUCache(size)
        self._flights: dict[str, asyncio.Task[Decision]] = {}

    def __len__(self) -> int:
        return len(self._fresh)

    def get(self, key: str) -> Decision | None:
        """The fresh decision under ``key``, counted as a hit or a miss."""
        found = self._fresh.get(key) if self.enabled else None
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def put(self, key: str, text: str, decision: Decision) -> None:
        """Keep a fresh copy, and, if it is no fallback, one for when everything else fails."""
        if not self.enabled:
            return
        self._fresh[key] = decision
        if decision.outcome != "fallback":
            self._stale[cache_key(text, "")] = decision

    def stale(self, text: str) -> Decision | None:
        """The last good decision for this text, however old and under whatever snapshot."""
        return self._stale.get(cache_key(text, ""))

    def clear(self) -> None:
        self._fresh.clear()
        self._stale.clear()

    async def once(
        self, key: str, make: Callable[[], Awaitable[Decision]]
    ) -> tuple[Decision, Literal["led", "joined"]]:
        """Run ``make`` once for all who ask for ``key`` at the same time.

        A caller who leaves does not take the flight down with them: it ends for the others.
        """
        flight = self._flights.get(key)
        if flight is not None:
            return await asyncio.shield(flight), "joined"

        async def fly() -> Decision:
            return await make()

        flight = asyncio.create_task(fly())
        self._flights[key] = flight
        flight.add_done_callback(lambda task: self._landed(key, task))
        return await asyncio.shield(flight), "led"

    def _landed(self, key: str, task: asyncio.Task[Any]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, even when every caller has left
