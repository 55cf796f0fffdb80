"""Holds one provider's calls apart in time and bounded in number, within a process or across all
that share a directory.

Across processes each slot is a locked file: the kernel frees it with the process that dies.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.records import Provider

#: seconds between two looks at slots that other processes hold
_LOOK_S = 0.02
_MOMENT = struct.Struct("d")


class Pace:
    """One provider's limits; ``shared`` is the directory of all processes that keep them together.

    Those that wait within a process go in the order they came.
    """

    def __init__(self, provider: Provider, shared: Path | None = None) -> None:
        self._limit = provider.max_concurrency
        self._gap_s = provider.rate_limit_seconds
        self.free = not self._limit and not self._gap_s
        self._slots = asyncio.Semaphore(self._limit) if self._limit else None
        self._next = 0.0
        name = hashlib.sha256(provider.name.encode()).hexdigest()[:16]
        self._files = shared / f"pace-{name}" if shared and not self.free else None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot and for the moment; the slot is held until the end."""
        if self.free:
            yield
            return
        async with self._slots or contextlib.nullcontext():
            slot = await self._shared_slot()
            try:
                if self._gap_s:
                    await asyncio.sleep(self._reserve() - time.monotonic())
                yield
            finally:
                if slot is not None:
                    os.close(slot)

    async def _shared_slot(self) -> int | None:
        """The locked file of a slot, to be closed; None where there is nothing to share."""
        if self._files is None or not self._limit:
            return None
        while True:
            for number in range(self._limit):
                if (found := _locked(self._files.with_suffix(f".{number}"))) is not None:
                    return found
            await asyncio.sleep(_LOOK_S)

    def _reserve(self) -> float:
        """The moment of this call, on the machine's monotonic clock; the next comes after it."""
        if self._files is None:
            at = max(time.monotonic(), self._next)
            self._next = at + self._gap_s
            return at
        file = os.open(self._files.with_suffix(".next"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # held for two system calls, by whoever has it
            known = os.pread(file, _MOMENT.size, 0)
            last = _MOMENT.unpack(known)[0] if len(known) == _MOMENT.size else 0.0
            at = max(time.monotonic(), last)
            os.pwrite(file, _MOMENT.pack(at + self._gap_s), 0)
        finally:
            os.close(file)
        return at


def _locked(path: Path) -> int | None:
    """The file, locked for us alone; None while another has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file
