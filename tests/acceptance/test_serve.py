"""The web service alone, with two workers and a database that it starts itself."""

import asyncio
import json
import signal

import httpx
import pytest

from core.store.models import upsert_discovered
from tests.acceptance.machine import metric, start
from tests.upstream import run_upstream


async def test_two_workers_answer_and_stop_with_their_database(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps([{"name": "p", "base_url": "http://127.0.0.1:9"}]))
    async with start("serve", tmp_path / "home", WORKERS="2", PROVIDERS_FILE=str(file)) as machine:

        async def up():
            return (await machine.http.get("/healthz")).status_code == 200

        await machine.until(up, 60)
        assert machine.postmaster() in machine.processes()
        for _ in range(8):
            # a connection of its own each: whichever worker accepts first
            async with httpx.AsyncClient(base_url=machine.url) as http:
                assert (await http.get("/models")).status_code == 200
        for _ in range(4):
            async with httpx.AsyncClient(base_url=machine.url) as http:
                text = (await http.get("/metrics")).text
            asked = metric(text, "touchstone_http_requests_total", route="/models")
            assert asked == 8, "whoever is scraped tells of both"
        assert await machine.stop() == 0
        assert machine.processes() == set()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_at_sigterm_open_streams_finish_and_new_requests_go_elsewhere(
    pool, url, tmp_path, workers
):
    async with run_upstream(["slow"]) as upstream:
        file = tmp_path / "mine.json"
        file.write_text(json.dumps([{"name": "p", "base_url": upstream.url}]))
        await upsert_discovered(pool, "p", {"slow": {}})
        given = {"WORKERS": workers, "PROVIDERS_FILE": str(file), "DATABASE_URL": url}
        async with start("serve", tmp_path / "home", **given) as machine:

            async def ask(**more):
                body = {"model": "slow", "messages": [{"role": "user", "content": "word " * 30}]}
                return await machine.http.post("/v1/chat/completions", json=body | more)

            async def refused():
                answer = await ask()
                return answer if answer.status_code == 503 else None

            await machine.until(lambda: machine.http.get("/readyz"), 60)
            streams = [asyncio.create_task(ask(stream=True)) for _ in range(6)]
            await machine.until(lambda: len(upstream.asked("slow")) == 6, 10)
            machine.process.send_signal(signal.SIGTERM)
            answer = await machine.until(refused, 10)
            assert answer.headers["retry-after"] == "5"
            for stream in await asyncio.gather(*streams):
                assert stream.text.endswith("data: [DONE]\n\n")
            async with asyncio.timeout(20):
                assert await machine.process.wait() == 0
