"""Touchstone's own doors: /chat, /route, /models, /runs, and what watches over them."""

import asyncio
from dataclasses import replace

import psycopg
import pytest
from aiohttp import web

from core.records import Result, Run
from core.store.decisions import list_decisions
from core.store.results import save_result
from core.store.runs import cancel_run, finish_run, get_run, start_run
from tests.door import meta_says, open_door


async def store_scores(pool, scores, category="reasoning"):
    await start_run(pool, Run(id="r", flow="run_benchmarks", state="running"))
    async with pool.connection() as conn:
        for number in range(3):
            await conn.execute(
                "INSERT INTO tasks (id) VALUES (%s) ON CONFLICT DO NOTHING", [f"t{number}"]
            )
    for name, value in scores.items():
        for number in range(3):
            await save_result(pool, Result(
                run_id="r", provider="p", model=name, task_id=f"t{number}", task_version=1,
                category=category, score=value, answer="x", latency_ms=100.0,
            ))  # fmt: skip


async def test_chat_answers_with_the_decision_behind_it(door):
    answer = (await door.http.post("/chat", json={"message": "hello"})).json()
    assert answer["response"] == "echo: hello"
    assert answer["model"] == "p/good"
    assert answer["decision"]["outcome"] == "meta"
    assert answer["decision"]["matching_tags"] == ["math"]


async def test_route_decides_without_asking_the_model(door):
    found = (await door.http.post("/route", json={"message": "hello"})).json()
    assert found["target"] == "p/good"
    assert {c["model"] for c in found["candidates"]} == {"p/good", "p/fast"}
    assert not door.upstream.asked("good")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "give message"),
        ({"message": ""}, "give message"),
        ({"message": 3}, "give message"),
        ({"message": "x", "policy": "vibes"}, "policy must be one of"),
        ({"message": "x", "models": "good"}, "models must be a list"),
        ({"message": "x", "category": 3}, "category must be text"),
    ],
)
async def test_route_says_what_is_wrong(door, body, says):
    answer = await door.http.post("/route", json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]


async def test_a_request_may_narrow_the_candidates(door):
    found = (await door.http.post("/route", json={"message": "hi", "models": ["fast"]})).json()
    assert (found["target"], found["outcome"]) == ("p/fast", "single")
    assert not door.upstream.asked("meta")
    unknown = await door.http.post("/route", json={"message": "hi", "models": ["nope"]})
    assert unknown.status_code == 404


async def test_models_show_tags_scores_with_n_and_latency(door, pool):
    await store_scores(pool, {"good": 10.0, "fast": 0.0})
    await door.service.registry.refresh()
    found = (await door.http.get("/models")).json()
    assert found["count"] == 2
    good = next(m for m in found["models"] if m["name"] == "good")
    assert good["tags"]["strengths"] == ["math"]
    assert good["scores"]["reasoning"]["n"] == 3
    assert good["scores"]["reasoning"]["mean"] == 10
    assert good["benchmarkScores"]["reasoning"] == 1.0
    assert good["avgLatencyMs"] == 100


async def test_new_scores_reach_the_decision_by_themselves(pool, url):
    async with open_door(pool, url, model_selection_model="") as door:
        await store_scores(pool, {"good": 2.0, "fast": 9.0})
        async with asyncio.timeout(5):
            while not door.service.registry.snapshot.candidates[0].scores:
                await asyncio.sleep(0.05)
        assert (await door.ask()).headers["x-touchstone-model"] == "p/fast"


async def test_when_the_meta_model_fails_the_best_single_model_answers(door, pool):
    await store_scores(pool, {"good": 2.0, "fast": 9.0})
    await door.service.registry.refresh()
    door.upstream.script["meta"] = "I would rather not say"
    answer = await door.ask()
    assert answer.headers["x-touchstone-model"] == "p/fast"
    assert answer.headers["x-touchstone-outcome"] == "fallback"


async def test_with_no_enabled_model_any_discovered_one_answers(pool, url):
    async with open_door(pool, url, enabled=(), others=("only",)) as door:
        answer = await door.ask()
    assert answer.headers["x-touchstone-model"] == "p/only"
    assert answer.headers["x-touchstone-outcome"] == "fallback"


async def test_with_no_model_at_all_the_remedy_is_named(pool, url):
    async with open_door(pool, url, enabled=()) as door:
        answer = await door.ask()
        assert answer.status_code == 503
        assert "touchstone discover" in answer.json()["error"]["message"]
        assert (await door.http.get("/readyz")).status_code == 503


async def test_switching_a_model_off_takes_it_out_of_routing(door):
    for address in ("/models/p%2Fgood/enable", "/models/p/good/enable"):
        for enabled in (True, False):
            answer = await door.http.patch(address, json={"enabled": enabled})
            assert answer.status_code == 200
    door.upstream.script["meta"] = meta_says("good")
    assert (await door.ask()).headers["x-touchstone-model"] == "p/fast"
    by_source = {"enabled": True, "source": "p"}
    assert (await door.http.patch("/models/good/enable", json=by_source)).status_code == 200
    assert (await door.http.patch("/models/none/enable", json=by_source)).status_code == 404


async def test_admin_doors_ask_for_the_key(pool, url):
    async with open_door(pool, url, admin_api_key="k") as door:
        refused = await door.http.patch("/models/p%2Fgood/enable", json={"enabled": False})
        assert refused.status_code == 401
        opened = await door.http.patch(
            "/models/p%2Fgood/enable", json={"enabled": False}, headers={"x-api-key": "k"}
        )
        assert opened.status_code == 200


async def test_without_prefect_a_run_is_refused_and_chat_goes_on(door):
    answer = await door.http.post("/models/discover")
    assert answer.status_code == 503
    assert "PREFECT_API_URL" in answer.json()["error"]["message"]
    assert (await door.ask()).status_code == 200
    assert (await door.http.post("/models/nonsense")).status_code == 404


async def test_runs_and_their_progress_are_shown(door, pool):
    assert (await door.http.get("/models/benchmark/status")).json()["status"] == "idle"
    await start_run(pool, Run(id="r1", flow="run_benchmarks", state="running"))
    status = (await door.http.get("/models/benchmark/status")).json()
    assert (status["status"], status["run_id"]) == ("running", "r1")
    assert (await door.http.get("/runs")).json()["count"] == 1
    assert (await door.http.get("/runs/r1")).json()["flow"] == "run_benchmarks"
    assert (await door.http.get("/runs/none")).status_code == 404


async def test_metrics_count_decisions_requests_and_scores(door, pool):
    await store_scores(pool, {"good": 10.0})
    await door.service.registry.refresh()
    await door.ask("one")
    await door.ask("one")
    text = (await door.http.get("/metrics")).text
    assert 'touchstone_routing_decisions_total{model="p/good",outcome="meta"} 1.0' in text
    assert 'touchstone_decision_cache_requests_total{result="hit"} 1.0' in text
    assert 'touchstone_model_score{category="reasoning",model="p/good"} 10.0' in text
    assert 'route="/v1/chat/completions",status="200"} 2.0' in text
    assert 'gen_ai_request_model="good"' in text


async def test_the_request_id_is_the_clients_if_it_sent_one(door):
    answer = await door.http.get("/healthz", headers={"x-request-id": "mine"})
    assert answer.headers["x-request-id"] == "mine"
    assert (await door.http.get("/v1/nowhere")).headers["x-request-id"]
    assert (await door.http.head("/")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "/api/chat/", "/chat/", "/route/"])
async def test_a_locked_door_stays_locked_with_a_slash_behind_it(pool, url, path):
    async with open_door(pool, url, admin_api_key="key", require_auth_for_chat=True) as door:
        body = {"message": "hi", "messages": [{"role": "user", "content": "hi"}]}
        assert (await door.http.post(path, json=body)).status_code == 401
        let_in = await door.http.post(path, json=body, headers={"x-api-key": "key"})
        assert let_in.status_code == 200
    assert len(door.upstream.asked("meta")) == 1


async def test_what_the_database_cannot_hold_does_not_stop_the_journal(door, pool):
    for category in ("a\x00b", "plain"):
        body = {"message": category, "category": category, "policy": "best-single"}
        assert (await door.http.post("/route", json=body)).status_code == 200
    await door.service.journal.flush()
    stored = await list_decisions(pool)
    assert {row["category"] for row in stored} == {"ab", "plain"}


async def test_one_entry_that_cannot_be_stored_costs_no_other(door, pool):
    journal = door.service.journal
    await door.ask("one")
    (good,) = journal._queue
    bad = replace(good, decision=replace(good.decision, id="bad", provider="a\x00b"))
    journal.put(bad)
    await journal.flush()
    assert [row["id"] for row in await list_decisions(pool)] == [good.decision.id]
    assert (len(journal), journal.dropped) == (0, 1)


async def test_a_run_that_has_ended_keeps_how_it_ended(door, pool):
    await start_run(pool, Run(id="r", flow="f", state="running", prefect_flow_run_id="x"))
    await finish_run(pool, "r", "failed", "boom")
    answer = await door.http.post("/runs/r/cancel")
    assert (answer.status_code, "failed" in answer.json()["error"]["message"]) == (409, True)
    assert not await cancel_run(pool, "r")
    run = await get_run(pool, "r")
    assert (run.state, run.error) == ("failed", "boom")


@pytest.mark.parametrize(
    "body", [{"models": 5}, {"models": {"a": 1}}, {"tasks": "x"}, {"repeats": 0}, {"category": []}]
)
async def test_a_benchmark_is_not_started_with_wrong_parameters(door, body):
    answer = await door.http.post("/models/benchmark", json=body)
    assert answer.status_code == 400


async def test_a_meta_model_may_say_any_number(door):
    huge = "9" * 400
    door.upstream.script["meta"] = f'{{"modelname": "p/fast", "tag_relevance": {{"a": {huge}}}}}'
    found = (await door.http.post("/route", json={"message": "x"})).json()
    assert (found["target"], found["tag_relevance"]) == ("p/fast", {"a": 10.0})
    door.upstream.script["meta"] = f'{{"modelname": "p/fast", "n": {"9" * 5000}}}'
    found = (await door.http.post("/route", json={"message": "y"})).json()
    assert found["outcome"] == "fallback"


async def test_odd_addresses_and_methods_are_answered(door):
    assert (await door.http.get("/runs?flow=%00")).status_code == 400
    assert (await door.http.get("/static/")).status_code == 404
    await door.http.request("Q1Q2", "/healthz")
    assert "Q1Q2" not in (await door.http.get("/metrics")).text


async def test_a_completion_without_a_message_is_the_providers_fault(door):
    door.upstream.script["good"] = lambda _: web.json_response({"choices": []})
    for path in ("/v1/chat/completions", "/api/chat"):
        body = {"model": "good", "stream": False, "messages": [{"role": "user", "content": "x"}]}
        assert (await door.http.post(path, json=body)).status_code == 502


async def test_a_service_that_stops_at_once_leaves_no_connection(pool, url):
    def connections():
        with psycopg.connect(url) as conn:
            query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            return conn.execute(query).fetchone()[0]

    before = connections()
    for _ in range(20):
        async with open_door(pool, url):
            pass
    async with asyncio.timeout(20):  # PostgreSQL takes a moment to see that one has gone
        while connections() > before + 1:  # the pool of the test may hold one more
            await asyncio.sleep(0.1)
