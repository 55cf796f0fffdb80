"""Writes decisions in the background, in batches; never in the request's way."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence

from psycopg_pool import AsyncConnectionPool

from core.decision import JournalEntry
from core.errors import BadRequest, StoreUnavailable
from core.providers.quirks import Quirks
from core.store import decisions, quirks

logger = logging.getLogger(__name__)

#: entries held while the store is away; beyond it the oldest are dropped and counted
CAPACITY = 50_000
BATCH = 500
FLUSH_S = 0.5


class Journal:
    """A bounded queue with one writer, who also stores what was learnt of models' quirks."""

    def __init__(
        self, pool: AsyncConnectionPool, learnt: Quirks | None = None, *, capacity: int = CAPACITY
    ) -> None:
        self._pool = pool
        self._learnt = learnt or Quirks()
        self._queue: deque[JournalEntry] = deque()
        self._capacity = capacity
        self.dropped = 0
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, entry: JournalEntry) -> None:
        if len(self._queue) >= self._capacity:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(entry)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Write what is left, for a bounded time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(5):
                await self.flush()
        if self._queue:
            logger.error("%d decisions could not be written", len(self._queue))

    async def flush(self) -> None:
        """Write all there is; what could not be written stays queued."""
        await quirks.save_learnt(self._pool, self._learnt)
        while self._queue:
            batch = [self._queue[i] for i in range(min(BATCH, len(self._queue)))]
            await self._insert(batch)
            for entry in batch:
                # put() may have dropped from the left meanwhile; writing twice is harmless
                if self._queue and self._queue[0] is entry:
                    self._queue.popleft()

    async def _insert(self, batch: Sequence[JournalEntry]) -> None:
        """A batch; where one entry cannot be stored, the others are, and it is counted."""
        try:
            await decisions.insert_decisions(self._pool, batch)
        except BadRequest as exc:
            if len(batch) == 1:
                logger.warning("a decision could not be written: %s", exc.message)
                self.dropped += 1
                return
            for entry in batch:
                await self._insert([entry])

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except StoreUnavailable as exc:
                logger.warning("%d decisions wait: %s", len(self._queue), exc.message)
                await asyncio.sleep(1.0)
            except Exception:  # whatever it is, it must not end the writing
                logger.exception("%d decisions wait", len(self._queue))
                await asyncio.sleep(1.0)
