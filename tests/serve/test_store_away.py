"""PostgreSQL killed with -9 under load: chat goes on, and all recovers by itself."""

import asyncio
import os
import signal

from core.store.decisions import list_decisions
from core.store.embedded import embedded_url, postmaster_pid, stop_embedded
from core.store.pool import migrate, open_pool
from tests.door import open_door


async def test_chat_goes_on_while_the_database_is_away(tmp_path):
    url = await asyncio.to_thread(embedded_url, tmp_path)
    await migrate(url)
    pool = await open_pool(url)
    try:
        async with open_door(pool, url) as door:
            statuses = []
            stop = asyncio.Event()

            async def load():
                number = 0
                while not stop.is_set():
                    number += 1
                    statuses.append((await door.ask(f"prompt {number}")).status_code)

            clients = [asyncio.create_task(load()) for _ in range(4)]
            await asyncio.sleep(0.5)
            os.kill(postmaster_pid(tmp_path), signal.SIGKILL)
            before = len(statuses)
            await until(lambda: not door.service.registry.healthy)
            assert (await door.http.get("/readyz")).status_code == 503
            assert (await door.http.get("/healthz")).status_code == 200
            answer = await door.http.get("/runs")
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "database_unavailable"
            assert len(statuses) > before

            assert await asyncio.to_thread(embedded_url, tmp_path) == url
            await until(lambda: door.service.registry.healthy)
            assert (await door.http.get("/readyz")).status_code == 200
            stop.set()
            await asyncio.gather(*clients)
            assert set(statuses) == {200}
            await until(lambda: not len(door.service.journal))
            rows = await list_decisions(pool, limit=len(statuses) + 10)
            assert len(rows) == len(statuses)
    finally:
        await pool.close()
        await asyncio.to_thread(stop_embedded, tmp_path)


async def until(holds, within_s=30.0):
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.1)
