"""``make soak``: ten thousand streams through clients that leave and an upstream that fails.

The service runs as ``touchstone serve`` on a real PostgreSQL, over an upstream in a process of its
own that is killed half-way and comes back two seconds later. Afterwards nothing may be left: file
descriptors, connections, tasks and memory are as before, every stream has ended as it should have,
every decision that was promised is in the journal, and every call that a client left was
cancelled at the upstream. Prints what it found as JSON; the exit code is 1 when something is wrong.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from core.store.embedded import embedded_url, stop_embedded
from tests.acceptance.machine import free_port, metric
from tests.bench import prepare
from tests.soak_checks import (
    cancellations,
    complaints,
    connections,
    growth,
    leaks,
    listens,
    missing,
    percentile,
    resident,
    said,
    verdicts,
)
from tests.soak_parts import ask, plan

ROOT = Path(__file__).parent.parent
AWAY_S = 2.0
#: seconds after the upstream's return in which its outage may still show
AFTERMATH_S = 3.0
SETTLE_S = 40.0
PAUSE_S = 0.3
NO_LIMIT = aiohttp.ClientTimeout(total=None)


@dataclass
class Soak:
    """The service, its upstream, and what was seen of both."""

    home: Path
    url: str
    requests: int
    port: int = field(default_factory=free_port)
    upstream_port: int = field(default_factory=free_port)
    service: asyncio.subprocess.Process | None = None
    upstream: asyncio.subprocess.Process | None = None
    done: int = 0
    #: (requests done, resident bytes)
    memory: list[tuple[int, int]] = field(default_factory=list)
    #: from when to when the upstream's outage may show, by the monotonic clock
    outage: tuple[float, float] = (0.0, 0.0)

    @property
    def notes(self):
        return self.home / "upstream-notes"

    @property
    def log(self):
        return self.home / "service-log"


async def start_upstream(soak):
    with (soak.home / "upstream-log").open("a") as out:
        soak.upstream = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.soak_parts", str(soak.upstream_port), str(soak.notes),
            cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    await until(lambda: listens(soak.upstream_port), 30)


async def start_service(soak):
    providers = [
        {"name": "p", "base_url": f"http://127.0.0.1:{soak.upstream_port}", "timeout": "4s"}
    ]
    (soak.home / "providers.json").write_text(json.dumps(providers))
    environment = os.environ | {  # noqa: TID251 - for the service
        "TOUCHSTONE_HOME": str(soak.home), "DATABASE_URL": soak.url, "PORT": str(soak.port),
        "PROVIDERS_FILE": str(soak.home / "providers.json"), "PYTHONPATH": str(ROOT),
        "MODEL_SELECTION_PROVIDER": "p", "MODEL_SELECTION_MODEL": "meta", "ROUTING_TIMEOUT": "1s",
        "SELECTION_CACHE_TTL": "20s", "COOLDOWN_SECONDS": "1s", "WORKERS": "1",
    }  # fmt: skip
    with soak.log.open("w") as out:
        soak.service = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "touchstone", "serve",
            cwd=soak.home, env=environment, stdout=out, stderr=out,
        )  # fmt: skip
    await until(lambda: listens(soak.port), 60)


async def until(holds, within_s):
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running(soak):
    """Both processes; stopped in the end by their ids."""
    try:
        await start_upstream(soak)
        await start_service(soak)
        yield
    finally:
        for process in (soak.service, soak.upstream):
            if process is not None and process.returncode is None:
                process.terminate()
                await process.wait()


async def holdings(soak):
    """What the service holds just now; tasks are None while it does not tell them."""
    pid = soak.service.pid
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{soak.port}/metrics") as response,
    ):
        text = await response.text()
    return {
        "file_descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "upstream_connections": connections(soak.upstream_port, local=False),
        "client_connections": connections(soak.port, local=True),
        "tasks": metric(text, "touchstone_tasks") if "touchstone_tasks" in text else None,
        "rss_mb": round(resident(pid) / 2**20, 1),
    }


async def settled(soak, like=None):
    """The holdings once no connection is left, and no more than ``like``; else the last seen."""
    for _ in range(int(SETTLE_S)):
        await asyncio.sleep(1)
        now = await holdings(soak)
        if not leaks(now, like or now):
            break
    return now


async def run(soak, calls, concurrency):
    """Make all calls, so many at once, while the memory is watched."""
    queue = iter(calls)
    connector = aiohttp.TCPConnector(limit=0)
    base = f"http://127.0.0.1:{soak.port}"
    async with aiohttp.ClientSession(base, connector=connector, timeout=NO_LIMIT) as session:

        async def work():
            for call in queue:
                await ask(session, call)
                soak.done += 1
                if call.status == 502:  # whoever asks a broken upstream again gives it a moment
                    await asyncio.sleep(PAUSE_S)

        watcher = asyncio.create_task(watch(soak))
        await asyncio.gather(*(work() for _ in range(concurrency)))
        watcher.cancel()


async def watch(soak):
    while True:
        soak.memory.append((soak.done, resident(soak.service.pid)))
        await asyncio.sleep(0.25)


async def interrupt(soak, at):
    """Kill the upstream once ``at`` requests are done, and bring it back."""
    await until(lambda: soak.done >= at, 600)
    killed = time.monotonic()
    soak.upstream.send_signal(signal.SIGKILL)
    await soak.upstream.wait()
    await asyncio.sleep(AWAY_S)
    await start_upstream(soak)
    soak.outage = (killed, time.monotonic() + AFTERMATH_S)


async def soak_through(home, url, requests, *, concurrency=50, within_s=1.0, seed=1):
    """Do all of it; figures, with ``wrong``: in words, all that is not as it must be."""
    soak = Soak(home, url, requests)
    calls = plan(requests, seed)
    await prepare(url, "p")
    async with running(soak):
        warm_up = [call for call in plan(200, seed, first=10**9) if call.do == "ok"]
        await run(soak, warm_up, concurrency)
        before = await settled(soak)
        soak.done, soak.memory = 0, []
        started = time.monotonic()
        interruption = asyncio.create_task(interrupt(soak, requests // 2))
        await run(soak, calls, concurrency)
        took_s = time.monotonic() - started
        await interruption
        after = await settled(soak, before)
        promised = {call.decision_id: call for call in calls if call.decision_id}
        lost = await missing(url, promised)
        lags, uncancelled = cancellations(soak, calls, within_s)
        figures = {"seconds": round(took_s, 1), "before": before, "after": after}
        dead = [] if soak.service.returncode is None else ["the service ended"]
    memory, grown = growth(soak)
    return {
        "requests": requests,
        **figures,
        "outcomes": Counter(outcome(call) for call in calls),
        "decisions_promised": len(promised),
        "decisions_missing": len(lost),
        "calls_cancelled": len(lags),
        "cancelled_after_s": {
            "median": percentile(lags, 0.5), "p99": percentile(lags, 0.99), "most": max(lags),
        },
        "memory_mb": memory,
        "wrong": [
            *dead, *leaks(after, before), *verdicts(soak, calls), *uncancelled, *grown,
            *(f"{said(promised[one])}: no row in decisions" for one in lost),
            *complaints(soak.log.read_text()),
        ],
    }  # fmt: skip


def outcome(call):
    """What a call came to, to be counted."""
    return f"left {call.leaves}" if call.leaves else f"{call.status} {call.ending}".strip()


async def main(options):
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        try:
            async with asyncio.timeout(options.seconds):
                found = await soak_through(
                    home, embedded_url(home), options.requests, concurrency=options.concurrency
                )
        finally:
            stop_embedded(home)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=360, help="the most it may take")
    sys.exit(asyncio.run(main(parser.parse_args())))
