"""The parts of `touchstone up`, each as a process of its own."""

import functools
import logging
from pathlib import Path

from rich.console import Console
from sanic import Sanic
from sanic.worker.loader import AppLoader

from core import providers
from core.providers.http import Client
from core.settings import Settings
from core.store.embedded import embedded_url
from dashboards import export
from launch.up import database

logger = logging.getLogger(__name__)
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def serve_web(settings: Settings) -> None:
    """The web service, in as many workers as WORKERS says; returns when it is stopped."""
    import asyncio

    from serve.app import create_app

    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    url = settings.database_url or embedded_url(settings.home)

    async def found() -> providers.Providers:
        async with Client() as client:
            return await providers.configured(client, settings)

    factory = functools.partial(create_app, settings, asyncio.run(found()), url)
    if settings.workers == 1:
        factory().run(
            host=settings.host, port=settings.port, single_process=True, access_log=False,
            motd=False,
        )  # fmt: skip
        return
    loader = AppLoader(factory=factory)
    app = loader.load()
    app.prepare(
        host=settings.host, port=settings.port, workers=settings.workers, access_log=False,
        motd=False,
    )  # fmt: skip
    Sanic.serve(primary=app, app_loader=loader)


async def serve_flows(settings: Settings) -> None:
    """The flow runner."""
    from flows import runner

    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    async with database(settings) as url:
        await runner.run(settings, url)


async def migrate_database(settings: Settings) -> None:
    async with database(settings):
        Console().print("the database is up to date")


async def export_scores(settings: Settings, output: str) -> None:
    """To a file by its ending; ``-`` prints CSV."""
    async with database(settings) as url:
        count = await export.scores(url, None if output == "-" else Path(output))
    Console(stderr=True).print(f"{count} rows")
