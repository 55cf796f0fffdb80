"""Child processes that belong together: each has a log, is restarted when it dies, and all stop."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import TouchstoneError

logger = logging.getLogger(__name__)

#: seconds a child has to stop by itself
GRACE_S = 20.0
#: a child that dies sooner than this after its start was not well
_YOUNG_S = 20.0
_LONGEST_PAUSE_S = 30.0
_LOG_TAIL = 12


class CannotStart(TouchstoneError):
    """A part did not come up; says which, and what its log says."""


@dataclass(slots=True, kw_only=True)
class Child:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    #: None: it writes where we write
    log: Path | None
    #: file descriptors that it inherits
    sockets: Sequence[int] = ()
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0
    #: early deaths in a row
    deaths: int = 0


class Fleet:
    """Starts children in sessions of their own, so that a Ctrl-C reaches the parent alone."""

    def __init__(self, logs: Path | None = None, *, grace_s: float = GRACE_S) -> None:
        """``grace_s``: what a child has to stop by itself before it is killed."""
        self._logs, self._grace_s = logs, grace_s
        self._children: dict[str, Child] = {}
        self._watchers: list[asyncio.Task[None]] = []
        if logs:
            logs.mkdir(parents=True, exist_ok=True)

    async def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        sockets: Sequence[int] = (),
    ) -> None:
        """Start it now; it is restarted when it dies, until `stop`."""
        child = Child(
            name=name,
            command=command,
            environment=environment,
            log=self._logs / f"{name}.log" if self._logs else None,
            sockets=sockets,
        )
        self._children[name] = child
        await _spawn(child, fresh=True)
        self._watchers.append(asyncio.create_task(self._watch(child)))

    def alive(self, name: str) -> bool:
        process = self._children[name].process
        return process is not None and process.returncode is None

    def fail(self, name: str) -> CannotStart:
        """What to raise when a part does not come up, with the end of its log."""
        child = self._children[name]
        if child.log is None:
            return CannotStart(f"{name} does not come up")
        lines = child.log.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
        return CannotStart(f"{name} does not come up; {child.log} ends:\n" + "\n".join(lines))

    async def _watch(self, child: Child) -> None:
        while True:
            assert child.process is not None
            code = await child.process.wait()
            young = time.monotonic() - child.started < _YOUNG_S
            child.deaths = child.deaths + 1 if young else 0
            pause = min(_LONGEST_PAUSE_S, 2.0**child.deaths - 1)
            logger.warning("%s ended with %s; again in %.0f s", child.name, code, pause)
            await asyncio.sleep(pause)
            await _spawn(child, fresh=False)

    async def stop(self) -> None:
        """Stop all, the last first; whoever does not go in time is killed."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        children = reversed(self._children.values())
        await asyncio.gather(*(_end(child, self._grace_s) for child in children))


async def _spawn(child: Child, *, fresh: bool) -> None:
    with child.log.open("wb" if fresh else "ab") if child.log else contextlib.nullcontext() as log:
        child.process = await asyncio.create_subprocess_exec(
            *child.command,
            env=dict(child.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT if log else None,
            start_new_session=True,
            pass_fds=child.sockets,
        )
    child.started = time.monotonic()


async def _end(child: Child, grace_s: float) -> None:
    """Its whole group: a runner's flow processes go with it."""
    process = child.process
    if process is None:
        return
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
