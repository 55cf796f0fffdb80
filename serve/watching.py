"""A run seen over time: by looking now and then, so that a watcher holds no connection."""

import asyncio
import time
from collections.abc import AsyncIterator

from core.errors import StoreUnavailable
from core.records import Run
from core.store import runs
from serve.service import Service

LOOK_S = 0.5
#: without a word proxies take a stream for dead
KEEP_ALIVE_S = 15.0


async def changes(service: Service, run_id: str) -> AsyncIterator[Run | None]:
    """The run whenever it has changed, and None after each 15 s in which it has not.

    Ends after the run has ended or was removed, and early when this service drains.
    """
    shown: Run | None = None
    told = time.monotonic()
    while not service.drain.draining:
        try:
            run = await runs.get_run(service.pool, run_id)
        except StoreUnavailable:
            run = shown  # it comes back; whoever watches waits
        else:
            if run is None:
                return
        if run != shown or time.monotonic() - told >= KEEP_ALIVE_S:
            yield run if run != shown else None
            shown, told = run, time.monotonic()
        if run is not None and run.state != "running":
            return
        await asyncio.sleep(LOOK_S)
