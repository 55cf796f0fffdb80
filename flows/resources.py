"""What every flow run needs: one context with settings, pool and client; and its stored progress.

The only place in this room that builds things.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from psycopg_pool import AsyncConnectionPool

from core import providers
from core.errors import StoreUnavailable, TouchstoneError, UpstreamError
from core.providers.http import Client
from core.providers_file import Providers
from core.records import Chat, Provider, Question, Reply, Run
from core.settings import Settings, load_settings
from core.store import quirks, runs
from core.store.embedded import embedded_url
from core.store.pool import migrate, open_pool

T = TypeVar("T")

#: seconds between two signs of life of a run; the reaper waits for several of them
HEARTBEAT_S = 5.0
#: least seconds between two writes of the progress
_PROGRESS_S = 0.25
#: retries of a model call, and the seconds before each
RETRIES = 3
RETRY_DELAYS_S = [1.0, 3.0, 9.0]
#: a provider's Retry-After is obeyed up to here
_LONGEST_WAIT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    settings: Settings
    providers: Providers
    pool: AsyncConnectionPool
    client: Client


@asynccontextmanager
async def open_resources() -> AsyncIterator[Resources]:
    """Everything from the environment, as this machine and moment have it."""
    settings = load_settings()
    url = settings.database_url or await asyncio.to_thread(embedded_url, settings.home)
    await migrate(url)
    pool = await open_pool(url)
    try:
        async with Client() as client:
            client.quirks.loaded(await quirks.list_quirks(pool))
            yield Resources(
                settings=settings,
                providers=await providers.configured(client, settings),
                pool=pool,
                client=client,
            )
            await quirks.save_learnt(pool, client.quirks)
    finally:
        await pool.close()


def provider_of(resources: Resources, name: str, model: str) -> Provider:
    try:
        return resources.providers.for_model(name, model)
    except KeyError as exc:
        error = UpstreamError(f"the provider {name!r} is not in the configuration")
        error.transient = False
        raise error from exc


def chat_of(resources: Resources, provider_name: str, model: str) -> Chat:
    """Asks that model. `Retry-After` is waited out here, before Prefect's own delay."""

    async def chat(question: Question) -> Reply:
        provider = provider_of(resources, provider_name, model)
        try:
            return await providers.chat(
                resources.client,
                provider,
                model,
                question,
                default_max_tokens=resources.settings.anthropic_max_tokens,
            )
        except UpstreamError as exc:
            if exc.transient and exc.retry_after_s:
                await asyncio.sleep(min(exc.retry_after_s, _LONGEST_WAIT_S))
            raise

    return chat


def passing(_task: Any, _task_run: Any, state: Any) -> bool:
    """Prefect's retry condition: only what may pass by itself is tried again."""
    exc = state.data
    return isinstance(exc, UpstreamError) and exc.transient


@task(
    name="call",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_jitter_factor=0.5,
    retry_condition_fn=passing,
    cache_policy=NO_CACHE,
)
async def _call(ask: Callable[[], Awaitable[Any]]) -> Any:
    return await ask()


async def as_task(kind: str, label: str, ask: Callable[[], Awaitable[T]]) -> T:
    """``ask`` as a task run of its own, retried while its failure may pass by itself.

    ``kind`` names the task in the Prefect UI, ``label`` this run of it.
    """
    return await _call.with_options(name=kind, task_run_name=label)(ask)


@dataclass(slots=True, kw_only=True)
class Progress:
    """A run's counters, written to the store as they change, and by a heartbeat when they don't."""

    pool: AsyncConnectionPool
    run_id: str
    #: the parameters in force: given now, or stored with a run that is resumed
    params: Mapping[str, Any]
    total: int = 0
    completed: int = 0
    failed: int = 0
    current_model: str | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, total: int, completed: int = 0) -> None:
        self.total, self.completed = total, completed
        self._changed.set()

    def working_on(self, model_id: str) -> None:
        self.current_model = model_id
        self._changed.set()

    def ended(self, *, failed: bool) -> None:
        self.completed += 1
        self.failed += failed
        self._changed.set()

    async def save(self) -> None:
        await runs.progress(
            self.pool,
            self.run_id,
            total=self.total,
            completed=self.completed,
            failed=self.failed,
            current_model=self.current_model,
        )

    async def keep_saved(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._changed.wait()
            self._changed.clear()
            with contextlib.suppress(StoreUnavailable):
                await self.save()
            await asyncio.sleep(_PROGRESS_S)


@asynccontextmanager
async def stored_run(
    pool: AsyncConnectionPool, flow: str, run_id: str | None, params: Mapping[str, Any]
) -> AsyncIterator[Progress]:
    """A run with stored progress, begun or gone on with; how it ended is written down.

    Without ``run_id`` Prefect's own id is taken, so that a flow run which Prefect tries again goes
    on where it stopped. A run that exists keeps its parameters unless new ones are given.
    """
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    prefect_id = str(flow_run.id) if flow_run else None
    run_id = run_id or prefect_id
    assert run_id is not None, "a flow runs inside Prefect"
    given = {name: value for name, value in params.items() if value is not None}
    earlier = await runs.get_run(pool, run_id)
    stored = {k: v for k, v in earlier.params.items() if k != "run_id"} if earlier else {}
    trigger = "schedule" if flow_run and flow_run.auto_scheduled else "manual"
    run = Run(
        id=run_id, flow=flow, state="running", trigger=trigger, params={**stored, **given},
        prefect_flow_run_id=prefect_id,
    )  # fmt: skip
    await runs.start_run(pool, run)
    progress = Progress(pool=pool, run_id=run_id, params=run.params)
    saving = asyncio.create_task(progress.keep_saved())
    try:
        yield progress
        await _finish(progress, "completed", None)
    except TouchstoneError as exc:
        await _finish(progress, "failed", exc.message)
        raise
    except asyncio.CancelledError:
        await _finish(progress, "cancelled", None)
        raise
    except BaseException as exc:
        await _finish(progress, "failed", f"unforeseen: {type(exc).__name__}; see the flow's log")
        raise
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)


async def _finish(progress: Progress, state: Any, error: str | None) -> None:
    try:
        progress.current_model = None
        await progress.save()
        await runs.finish_run(progress.pool, progress.run_id, state, error)
    except StoreUnavailable as exc:
        get_run_logger().error("how the run ended could not be stored: %s", exc.message)


def run_page(settings: Settings, run_id: str) -> str:
    """The address of the run's page in the admin."""
    return f"http://{settings.host}:{settings.port}/admin/runs/{run_id}"
