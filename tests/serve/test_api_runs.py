"""The progress of a run as server-sent events: as it changes, to its end, and never in the way."""

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import httpx
import orjson
import pytest

from core.errors import StoreUnavailable
from core.records import Run
from core.store import runs
from serve import watching

RUN = Run(id="r1", flow="run_benchmarks", state="running")


@pytest.fixture
async def running(door, pool):
    await runs.start_run(pool, RUN)
    return door


@asynccontextmanager
async def watch(door):
    """The events of the run, each as its name and its data; a comment as None and its text."""
    async with (
        httpx.AsyncClient(base_url=door.url, timeout=20) as client,
        client.stream("GET", "/runs/r1/events") as answer,
    ):
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = read(answer)
        async with aclosing(events):
            yield events


async def read(answer):
    rest = ""
    async for piece in answer.aiter_text():
        rest += piece
        while "\n\n" in rest:
            event, _, rest = rest.partition("\n\n")
            if event.startswith(":"):
                yield None, event
            else:
                name, data = event.split("\n")
                yield name.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))


async def test_progress_comes_as_it_changes_and_ends_with_the_run(running, pool):
    async with watch(running) as events:
        name, first = await anext(events)
        assert (name, first) == ("progress", (await running.http.get("/runs/r1")).json())
        await runs.progress(pool, "r1", total=8, completed=3, failed=1, current_model="p/good")
        name, second = await anext(events)
        assert (name, second["completed"], second["current_model"]) == ("progress", 3, "p/good")
        await runs.finish_run(pool, "r1", "completed")
        told = [(name, run["state"]) async for name, run in events]
        assert told == [("progress", "completed"), ("end", "completed")]


async def test_a_run_that_has_ended_is_told_at_once(running, pool):
    await runs.finish_run(pool, "r1", "failed", "boom")
    async with watch(running) as events:
        told = [(name, run["error"]) async for name, run in events]
    assert told == [("progress", "boom"), ("end", "boom")]


async def test_an_unknown_run_has_no_events(door):
    answer = await door.http.get("/runs/none/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_a_silent_run_is_kept_alive_by_comments(running, monkeypatch):
    monkeypatch.setattr(watching, "KEEP_ALIVE_S", 0.0)
    async with watch(running) as events:
        assert (await anext(events))[0] == "progress"
        assert await anext(events) == (None, ": still running")


async def test_a_watcher_that_leaves_is_forgotten(running):
    async with watch(running) as events:
        await anext(events)
        assert running.service.drain.open == 1
    async with asyncio.timeout(5):
        while running.service.drain.open:
            await asyncio.sleep(0.02)


async def test_watchers_hold_no_connection_to_the_database(running, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_S", 60.0)
    async with AsyncExitStack() as watchers:
        for _ in range(running.service.pool.max_size + 4):
            events = await watchers.enter_async_context(watch(running))
            await anext(events)
        assert (await running.http.get("/runs")).status_code == 200


async def test_a_drain_does_not_wait_for_watchers(running):
    async with watch(running) as events:
        await anext(events)
        running.service.drain.draining = True
        assert await anext(events) == (None, ": this service is going down\nretry: 5000")
        assert [event async for event in events] == []
    async with asyncio.timeout(5):
        while running.service.drain.open:
            await asyncio.sleep(0.02)


async def test_a_run_that_is_removed_ends_its_events_without_an_end(running, pool):
    async with watch(running) as events:
        await anext(events)
        async with pool.connection() as conn:
            await conn.execute("DELETE FROM runs")
        assert [event async for event in events] == []


async def test_a_watcher_waits_for_a_database_that_is_away(running, pool, monkeypatch):
    looks = []

    async def look(pool, run_id):
        looks.append(run_id)
        if len(looks) == 2:
            raise StoreUnavailable("away")
        return await get_run(pool, run_id)

    get_run = runs.get_run
    monkeypatch.setattr(watching, "LOOK_S", 0.01)
    async with aclosing(watching.changes(running.service, "r1")) as changes:
        monkeypatch.setattr(watching.runs, "get_run", look)
        assert (await anext(changes)).state == "running"
        following = asyncio.ensure_future(anext(changes))
        async with asyncio.timeout(5):
            while len(looks) < 3:
                await asyncio.sleep(0.01)
        await runs.finish_run(pool, "r1", "completed")
        assert (await following).state == "completed"
