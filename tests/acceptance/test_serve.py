"""The web service alone, with two workers and a database that it starts itself."""

import json

import httpx

from tests.acceptance.machine import metric, start


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
