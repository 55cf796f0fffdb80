"""Runs a flow now, in this process, with a progress bar fed by the run's stored progress."""

import asyncio
import importlib
import logging
import uuid
from collections.abc import Mapping
from typing import Any

from psycopg_pool import AsyncConnectionPool
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.errors import StoreUnavailable, TouchstoneError
from core.records import Run
from core.settings import Settings, provide_environment
from core.store.pool import open_pool
from core.store.results import results_of_run
from core.store.runs import get_run
from launch.up import database, prefect_environment, running

console = Console()
_LOOK_S = 0.3


async def run_flow(settings: Settings, name: str, parameters: Mapping[str, Any]) -> bool:
    """Whether it completed. Goes to the Prefect server that is configured or up, else to Prefect's
    own ephemeral one."""
    given = {key: value for key, value in parameters.items() if value is not None}
    run_id = given.setdefault("run_id", uuid.uuid4().hex)
    up = running(settings.home)
    api = settings.prefect_api_url or (up["prefect_api_url"] if up else "")
    async with database(settings) as url:
        provide_environment(
            {
                **prefect_environment(settings.home),
                "DATABASE_URL": url,
                "PREFECT_LOGGING_LEVEL": "CRITICAL",
                **({"PREFECT_API_URL": api} if api else {}),
            }
        )
        logging.getLogger("prefect").setLevel(logging.CRITICAL)
        flow = getattr(importlib.import_module(f"flows.{name}"), name)
        pool = await open_pool(url, max_size=1)
        try:
            work = asyncio.create_task(flow(**given))
            await watch(pool, run_id, work, name)
            return await _say_how_it_ended(pool, run_id, work)
        finally:
            await pool.close()


def run_bar(console: Console) -> Progress:
    """A bar for one run: what, how much of it, for how long, and ``now`` at which model."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
        console=console,
    )


async def watch(pool: AsyncConnectionPool, run_id: str, work: asyncio.Task[Any], name: str) -> None:
    """The bar, until the work is done."""
    with run_bar(console) as progress:
        bar = progress.add_task(name.replace("_", " "), total=None, now="starting")
        while True:
            done, _ = await asyncio.wait({work}, timeout=_LOOK_S)
            try:
                run = await get_run(pool, run_id)
            except StoreUnavailable:
                run = None
            if run:
                progress.update(
                    bar, total=run.total or None, completed=run.completed, now=_now(run)
                )
            if done:
                return


def _now(run: Run) -> str:
    failed = f"{run.failed} failed " if run.failed else ""
    return failed + (run.current_model or "")


async def _say_how_it_ended(
    pool: AsyncConnectionPool, run_id: str, work: asyncio.Task[Any]
) -> bool:
    # here, since Prefect reads its settings when it is first imported
    from prefect.exceptions import PrefectException

    try:
        await work
    except TouchstoneError as exc:
        console.print(f"[red]failed:[/] {exc.message}")
        return False
    except (PrefectException, OSError, RuntimeError) as exc:
        console.print(f"[red]Prefect:[/] {exc}", markup=True)
        return False
    run = await get_run(pool, run_id)
    if run is None:
        return False
    failed = f", [red]{run.failed} failed[/]" if run.failed else ""
    console.print(f"{run.state}: {run.completed} of {run.total}{failed}   run {run.id}")
    for row in await results_of_run(pool, run_id):
        if row["status"] != "ok":
            where = f"{row['provider']}/{row['model']} · {row['task_id']}"
            console.print(f"  {where}: {row['status']}: {row['error']}", markup=False)
    return run.state == "completed"
