"""`touchstone up`: PostgreSQL, Prefect server, flow runner and web service, watched together."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import httpx

from core.settings import Settings
from core.store.embedded import embedded_url, postmaster_pid, stop_embedded
from core.store.pool import migrate, open_pool
from core.store.tasks import seed_tasks
from core.suite import builtin_tasks
from launch.fleet import GRACE_S, CannotStart, Fleet

logger = logging.getLogger(__name__)

_PREFECT_PORT = 4200
#: seconds that the Prefect server, the slowest part, has to come up
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """All parts, running."""

    url: str
    prefect_api_url: str
    database_url: str
    fleet: Fleet


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """A migrated, seeded database; an embedded one that this call started is stopped after it."""
    if settings.database_url:
        await _prepare(settings.database_url)
        yield settings.database_url
        return
    ours = postmaster_pid(settings.home) is None
    url = await asyncio.to_thread(embedded_url, settings.home)
    try:
        await _prepare(url)
        yield url
    finally:
        if ours:
            await asyncio.to_thread(stop_embedded, settings.home)


async def _prepare(url: str) -> None:
    await migrate(url)
    pool = await open_pool(url, max_size=1)
    try:
        await seed_tasks(pool, builtin_tasks())
    finally:
        await pool.close()


@asynccontextmanager
async def stack(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Stack]:
    """Everything up and answering; all of it stopped at the end, whatever happens."""
    _must_be_free(settings.host, settings.port)
    async with _alone(settings.home), database(settings) as database_url:
        # the service may itself be a fleet of workers, each with its drain
        grace_s = settings.drain_timeout + GRACE_S
        fleet = Fleet(settings.home / "logs", grace_s=grace_s)
        keeping = None
        try:
            api = settings.prefect_api_url or await _prefect(fleet, settings, environment)
            env = {
                **environment,
                **prefect_environment(settings.home),
                "DATABASE_URL": database_url,
                "PREFECT_API_URL": api,
                "TOUCHSTONE_HOME": str(settings.home),
            }
            us = [sys.executable, "-m", "touchstone"]
            await fleet.start("service", [*us, "serve"], env)
            await _answers(f"{api}/health", fleet, "prefect")
            await fleet.start("runner", [*us, "runner"], env)
            url = f"http://{settings.host}:{settings.port}"
            await _answers(f"{url}/healthz", fleet, "service")
            await _served(api, fleet)
            if not settings.database_url:
                keeping = asyncio.create_task(_keep_database(settings.home))
            _note(settings.home, {"prefect_api_url": api, "pid": os.getpid()})
            yield Stack(url=url, prefect_api_url=api, database_url=database_url, fleet=fleet)
        finally:
            if keeping:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
            await fleet.stop()
            (settings.home / "up.json").unlink(missing_ok=True)


def prefect_environment(home: Path) -> dict[str, str]:
    """Prefect's own settings: its files in our home, nothing told to anybody, quick polling."""
    files = home / "prefect"
    files.mkdir(parents=True, exist_ok=True)  # a server within a process does not make it
    return {
        "PREFECT_HOME": str(files),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_CLI_PROMPT": "false",
    }


async def _prefect(fleet: Fleet, settings: Settings, environment: Mapping[str, str]) -> str:
    """Start a Prefect server on loopback; the address of its API."""
    port = _PREFECT_PORT if _free("127.0.0.1", _PREFECT_PORT) else any_port()
    api = f"http://127.0.0.1:{port}/api"
    env = {
        **environment,
        **prefect_environment(settings.home),
        "PREFECT_UI_API_URL": api,
        "PREFECT_API_URL": api,
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    await fleet.start("prefect", [*command, "--port", str(port)], env)
    return api


async def _answers(url: str, fleet: Fleet, part: str) -> None:
    """Wait until ``url`` answers; `CannotStart` with the part's log when it does not."""
    async with httpx.AsyncClient() as client:
        for _ in range(int(_PATIENCE_S / 0.25)):
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(url)).is_success:
                    return
            await asyncio.sleep(0.25)
    raise fleet.fail(part) if part != "prefect" else CannotStart(f"no Prefect server at {url}")


async def _served(api: str, fleet: Fleet) -> None:
    """Wait until the runner has registered its deployments."""
    last = f"{api}/deployments/name/prune-history/prune-history"
    await _answers(last, fleet, "runner")


async def _keep_database(home: Path) -> None:
    """Start the embedded PostgreSQL again when it dies; it keeps its address."""
    while True:
        await asyncio.sleep(1.0)
        if postmaster_pid(home) is None:
            logger.warning("PostgreSQL has died; it is started again")
            await asyncio.to_thread(embedded_url, home)


@asynccontextmanager
async def _alone(home: Path) -> AsyncIterator[None]:
    """Hold the home's lock, which the kernel takes back whatever happens to us."""
    with _opened(home) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise CannotStart(f"Touchstone is up already in {home}: see TOUCHSTONE_HOME") from exc
        yield


def _opened(home: Path) -> TextIO:
    home.mkdir(parents=True, exist_ok=True)
    return (home / "up.lock").open("w")


def running(home: Path) -> dict[str, str] | None:
    """What a running `touchstone up` noted about itself; None when there is none."""
    try:
        found = json.loads((home / "up.json").read_text())
        os.kill(found["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return found


def _note(home: Path, found: Mapping[str, object]) -> None:
    (home / "up.json").write_text(json.dumps(found))


def _free(host: str, port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _must_be_free(host: str, port: int) -> None:
    if not _free(host, port):
        raise CannotStart(f"{host}:{port} is taken or not ours to listen at: set PORT or HOST")


def any_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return probe.getsockname()[1]
