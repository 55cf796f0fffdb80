"""Serves the deployments of prefect.yaml on this machine, and reaps runs that died unheard."""

import asyncio
import contextlib
import importlib
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.runner import Runner
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType
from psycopg_pool import AsyncConnectionPool

from core.errors import StoreUnavailable
from core.settings import Settings, duration_s
from core.store.pool import open_pool
from core.store.runs import reap_runs
from flows.resources import HEARTBEAT_S

logger = logging.getLogger(__name__)

_FILE = Path(__file__).parent.parent / "prefect.yaml"
#: a run that has been silent for so long is dead
SILENT_S = 12 * HEARTBEAT_S
#: flow runs at a time on this machine
_LIMIT = 5


async def deployments(settings: Settings) -> list[RunnerDeployment]:
    """Those of prefect.yaml, on the schedules of the settings."""
    entries = yaml.safe_load(_FILE.read_text())["deployments"]
    schedules = {
        "discover-models": settings.discovery_schedule,
        "interview-models": settings.interview_schedule,
        "run-benchmarks": settings.benchmark_schedule,
        "prune-history": settings.prune_schedule,
    }
    return [await _deployment(entry, schedules.get(entry["name"], "off")) for entry in entries]


async def _deployment(entry: dict[str, Any], schedule: str) -> RunnerDeployment:
    module, _, name = entry["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    return await flow.ato_deployment(
        name=entry["name"],
        description=entry["description"],
        tags=entry["tags"],
        parameters=entry["parameters"],
        entrypoint_type=EntrypointType.MODULE_PATH,
        **schedule_of(schedule),
    )


def schedule_of(text: str) -> dict[str, Any]:
    """The words of a schedule setting as Prefect's arguments: cron, interval, or none."""
    if text == "off":
        return {}
    if len(text.split()) == 5:
        return {"cron": text}
    return {"interval": timedelta(seconds=duration_s(text))}


async def run(settings: Settings, database_url: str) -> None:
    """Serve until cancelled; a run that is cut short by that can be gone on with."""
    pool = await open_pool(database_url, max_size=2)
    runner = Runner(name="touchstone", limit=_LIMIT, pause_on_shutdown=False)
    reaping = asyncio.create_task(_reap(pool))
    try:
        for deployment in await deployments(settings):
            await runner.aadd_deployment(deployment)
            logger.info("serving %s", deployment.name)
        await runner.start()
    finally:
        reaping.cancel()
        await asyncio.gather(reaping, return_exceptions=True)
        await pool.close()


async def _reap(pool: AsyncConnectionPool) -> None:
    """Fail what has died: in our table, and in Prefect, which may think that it still runs."""
    while True:
        await asyncio.sleep(SILENT_S / 4)
        with contextlib.suppress(StoreUnavailable):
            for dead in await reap_runs(pool, SILENT_S):
                logger.warning("run %s of %s ended without a word", dead.id, dead.flow)
                if dead.prefect_flow_run_id:
                    await _crash(dead.prefect_flow_run_id)


async def _crash(flow_run_id: str) -> None:
    try:
        async with get_client() as client:
            found = await client.read_flow_run(flow_run_id)  # type: ignore[arg-type]
            if found.state and found.state.is_running():
                state = Crashed(message="its process ended without a word")
                await client.set_flow_run_state(found.id, state, force=True)
    except (ObjectNotFound, PrefectException, OSError) as exc:
        logger.warning("Prefect was not told: %s", type(exc).__name__)
