"""Clients that leave, money that runs out, a service that is told to go."""

import asyncio
import json

import httpx
import pytest
from aiohttp import web

from core.store.decisions import list_decisions
from serve.drain import Drain
from tests.door import open_door


async def until(true, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9}),
        ("/v1/responses", {"input": "x"}),
        ("/api/chat", {"messages": [{"role": "user", "content": "x"}]}),
    ],
)
@pytest.mark.parametrize(("model", "streaming"), [("hang", False), ("hang", True), ("slow", True)])
async def test_a_client_that_leaves_cancels_the_upstream_call(
    pool, url, path, body, model, streaming
):
    body = {**body, "model": model, "stream": streaming}
    if model == "slow":
        body = json.loads(json.dumps(body).replace('"x"', json.dumps("word " * 300)))
    async with open_door(pool, url, others=(model,)) as door:

        async def visit():
            async with (
                httpx.AsyncClient(base_url=door.url, timeout=20) as client,
                client.stream("POST", path, json=body) as answer,
            ):
                async for _ in answer.aiter_raw():
                    pass

        visit_of = asyncio.create_task(visit())
        await until(lambda: door.upstream.asked(model))
        await asyncio.sleep(0.3)
        visit_of.cancel()
        await asyncio.gather(visit_of, return_exceptions=True)
        await until(lambda: door.upstream.cancelled == 1, seconds=1.0)
        await until(lambda: door.service.drain.open == 0)
        await door.service.journal.flush()
        assert [(d["status"], d["error"]) for d in await list_decisions(pool)] == [(499, None)]


@pytest.mark.parametrize(
    ("status", "message", "rests"),
    [
        (402, "Payment Required", True),
        (400, "Your credit balance is too low to access the API.", True),
        (429, "You exceeded your current quota, please check your plan and billing.", True),
        (400, "messages: at least one message is required", False),
    ],
)
async def test_a_model_without_money_rests_and_another_answers(pool, url, status, message, rests):
    async with open_door(pool, url, enabled=("good", "fast")) as door:
        door.upstream.script["good"] = lambda _: web.json_response(
            {"error": {"message": message, "type": "billing"}}, status=status
        )
        answers = [await door.ask(f"question {number}") for number in range(2)]
        assert {a.status_code for a in answers} == ({200} if rests else {400})
        assert len(door.upstream.asked("good")) == (1 if rests else 2)
        assert door.service.health.cooling() == ({"p/good"} if rests else frozenset())


async def test_a_model_rests_as_long_as_its_provider_says(pool, url):
    async with open_door(pool, url, enabled=("good", "status-429"), cooldown_seconds=60) as door:
        door.service.health.rest("p/status-429", 0.3)
        assert door.service.health.cooling() == {"p/status-429"}
        await asyncio.sleep(0.4)
        assert not door.service.health.cooling()


async def test_while_it_drains_new_requests_are_sent_elsewhere(door):
    door.service.drain.draining = True
    for path, key in (("/v1/chat/completions", "error"), ("/v1/messages", "error"),
                      ("/api/chat", "error")):  # fmt: skip
        answer = await door.http.post(path, json={})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()[key]
    assert (await door.http.get("/healthz")).status_code == 200
    ready = await door.http.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["accepting"]) == (503, False)
    assert (await door.http.get("/metrics")).status_code == 200


class Stopped:
    """Stands where Sanic's application would, and counts how often it is stopped."""

    stops = 0

    def stop(self, *, terminate):
        assert terminate is False
        self.stops += 1


async def test_a_drain_waits_for_what_is_open_and_no_longer_than_set():
    app, drain = Stopped(), Drain(timeout_s=60)
    drain.begin()
    drain.order(app)
    await asyncio.sleep(0.05)
    assert (app.stops, drain.draining) == (0, True)
    drain.end()
    await until(lambda: app.stops == 1, seconds=1.0)

    app, drain = Stopped(), Drain(timeout_s=0.05)
    drain.begin()
    drain.order(app)
    await until(lambda: app.stops == 1, seconds=1.0)


async def test_the_second_order_stops_at_once():
    app, drain = Stopped(), Drain(timeout_s=60)
    drain.begin()
    drain.order(app)
    drain.order(app)
    assert app.stops == 1
    drain.end()
