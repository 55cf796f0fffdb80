"""Touchstone's own doors to the models: their scores, the leaderboard, reset and delete."""

import statistics
from dataclasses import replace

import pytest

from core.decision import Score
from core.records import Interview, Result, Run, Task
from core.store import interviews, models, results, runs, tasks
from core.store.results import CategoryScore
from serve.standings import pooled, ranks
from tests.door import open_door
from tests.serve.test_native import store_scores

FAILED = Result(
    run_id="r", provider="p", model="good", task_id="f", task_version=1, category="coding",
    status="infra_error", error="down",
)  # fmt: skip


async def store_failure(pool, **change):
    task = Task(id="f", category="coding", prompt="x", scoring="deterministic", spec={})
    await tasks.save_task(pool, task)
    await results.save_result(pool, replace(FAILED, **change))


async def test_one_models_scores_have_n_interval_and_the_share_of_the_scale(door, pool):
    await store_scores(pool, {"good": 10.0, "fast": 0.0})
    found = (await door.http.get("/models/p%2Fgood/benchmarks")).json()
    score = found["scores"]["reasoning"]
    assert (score["mean"], score["n"], score["high"], score["failures"]) == (10, 3, 10, 0)
    assert 4 < score["low"] < 5  # Wilson: 3 of 3
    assert found["benchmarkScores"] == {"reasoning": 1.0}
    assert found["overall"] == score
    assert (found["model"], found["source"]) == ("good", "p")


async def test_a_category_that_only_failed_has_no_mean(door, pool):
    await store_scores(pool, {"good": 10.0})
    await store_failure(pool)
    found = (await door.http.get("/models/good/benchmarks")).json()
    none = {"mean": None, "n": 0, "low": None, "high": None, "failures": 1}
    assert found["scores"]["coding"] == none
    assert found["benchmarkScores"] == {"reasoning": 1.0}
    assert (found["overall"]["mean"], found["overall"]["failures"]) == (10, 1)


async def test_a_model_switched_off_keeps_its_scores(door, pool):
    await store_scores(pool, {"good": 10.0})
    await models.set_enabled(pool, "p", "good", False)
    found = (await door.http.get("/models/good/benchmarks")).json()
    assert found["scores"]["reasoning"]["n"] == 3


@pytest.mark.parametrize("what", ["benchmarks", "benchmark-results"])
async def test_source_says_which_of_two_models_is_meant(door, pool, what):
    await models.upsert_discovered(pool, "q", {"good": {}})
    await door.service.registry.refresh()
    unclear = await door.http.get(f"/models/good/{what}")
    assert unclear.status_code == 409
    assert "q/good" in unclear.json()["error"]["message"]
    assert (await door.http.get(f"/models/good/{what}?source=q")).status_code == 200
    assert (await door.http.get(f"/models/good/{what}?source=x")).status_code == 404


async def test_a_reset_model_is_as_if_never_interviewed_and_keeps_its_results(door, pool):
    await store_scores(pool, {"good": 10.0})
    answer = await door.http.post("/models/p%2Fgood/reset")
    assert answer.json() == {"id": "p/good", "name": "good", "source": "p", "status": "reset"}
    listed = (await door.http.get("/models")).json()["models"]
    (good,) = [model for model in listed if model["id"] == "p/good"]
    assert (good["enabled"], good["tagged"], good["tags"]["strengths"]) == (False, False, [])
    assert (await door.ask()).headers["x-touchstone-model"] == "p/fast"
    assert len(await results.results_of_model(pool, "p", "good")) == 3
    again = Interview(provider="p", model="good", status="ok", strengths=["art"])
    await interviews.save_interview(pool, again)
    assert (await models.get_model(pool, "p", "good")).enabled


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("/models/p%2Fgood", {}),
        ("/models/p/good", {}),
        ("/models/good", {}),
        ("/models/good", {"json": {"source": "p"}}),
        ("/models/good", {"params": {"source": "p"}}),
    ],
)
async def test_a_deleted_model_is_gone_with_its_results(door, pool, address, sent):
    await store_scores(pool, {"good": 10.0})
    answer = await door.http.request("DELETE", address, **sent)
    assert (answer.status_code, answer.json()["status"]) == (200, "deleted")
    assert await models.get_model(pool, "p", "good") is None
    assert await results.results_of_model(pool, "p", "good") == []
    again = await door.http.request("DELETE", address, **sent)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_name_that_two_providers_have_is_neither_reset_nor_deleted(door, pool):
    await models.upsert_discovered(pool, "q", {"good": {}})
    assert (await door.http.post("/models/good/reset")).status_code == 409
    assert (await door.http.delete("/models/good")).status_code == 409
    answer = await door.http.post("/models/good/reset", json={"source": "p"})
    assert answer.json()["id"] == "p/good"


async def leaders(door, **query):
    answer = await door.http.get("/benchmarks/leaderboard", params=query)
    assert answer.status_code == 200
    return answer.json()


async def test_the_leaderboard_ranks_by_score_and_shows_ties_as_ties(pool, url):
    async with open_door(pool, url, enabled=("good", "fast", "slow", "poor")) as door:
        async with pool.connection() as conn:
            for number in range(30):
                await conn.execute("INSERT INTO tasks (id) VALUES (%s)", [f"t{number}"])
        await runs.start_run(pool, Run(id="r", flow="run_benchmarks", state="running"))
        for name, right, latency in (("good", 29, 50.0), ("fast", 28, 9.0), ("slow", 28, 99.0),
                                     ("poor", 3, 1.0)):  # fmt: skip
            for number in range(30):
                score = 10.0 if number < right else 0.0
                await results.save_result(pool, replace(
                    FAILED, model=name, task_id=f"t{number}", category="reasoning", status="ok",
                    error=None, score=score, latency_ms=latency,
                ))  # fmt: skip
        found = await leaders(door)
        shown = [(e["id"], e["rank"], e["tied"]) for e in found["leaderboard"]]
        tied = [("p/good", 1, True), ("p/fast", 1, True), ("p/slow", 1, True)]
        assert shown == [*tied, ("p/poor", 4, False)]
        best, *_, poor = found["leaderboard"]
        assert (best["n"], best["avg_latency_ms"], best["median_latency_ms"]) == (30, 50, 50)
        assert poor["mean"] == pytest.approx(1.0)
        assert poor["avg_score"] == pytest.approx(0.1)
        assert poor["high"] < best["low"]
        assert found["count"] == 4


async def test_the_leaderboard_of_one_category_and_of_one_there_is_not(door, pool):
    await store_scores(pool, {"good": 10.0, "fast": 9.0})
    await store_failure(pool)
    found = await leaders(door, category="reasoning")
    assert found["categories"] == ["coding", "reasoning"]
    assert [e["model"] for e in found["leaderboard"]] == ["good", "fast"]
    coding = await leaders(door, category="coding")
    assert (coding["leaderboard"], coding["unranked"]) == ([], ["p/good"])
    wrong = await door.http.get("/benchmarks/leaderboard?category=vibes")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (404, "category")
    assert "coding, reasoning" in wrong.json()["error"]["message"]


async def test_the_leaderboard_leaves_out_what_was_deleted_while_it_ran(door, pool):
    await store_scores(pool, {"good": 10.0, "fast": 9.0, "gone": 9.5})
    found = await leaders(door)
    assert [e["id"] for e in found["leaderboard"]] == ["p/good", "p/fast"]


def test_a_rank_counts_those_whose_interval_lies_wholly_above():
    spans = [(8, 10), (7, 9), (5, 7.5), (1, 10), (0, 4)]
    scores = [Score(mean=(low + high) / 2, n=9, low=low, high=high) for low, high in spans]
    assert ranks(scores) == [1, 1, 2, 1, 4]


def test_a_pooled_score_is_that_of_all_items_at_once():
    groups = {"coding": [10.0, 7.0, 3.0], "reasoning": [5.0], "art": [8.0, 8.5]}
    rows = [
        CategoryScore(
            provider="p", model="m", category=name, mean=statistics.mean(values), n=len(values),
            sd=statistics.stdev(values) if len(values) > 1 else None, dichotomous=False, failures=0,
        )
        for name, values in groups.items()
    ]  # fmt: skip
    one = [value for values in groups.values() for value in values]
    all_at_once = replace(rows[0], mean=statistics.mean(one), n=len(one), sd=statistics.stdev(one))
    found, expected = pooled(rows), pooled([all_at_once])
    assert (found.n, found.mean) == (6, pytest.approx(expected.mean))
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.low > 0  # the interval is one, not the whole scale
    assert pooled([replace(rows[0], mean=None, n=0, sd=None, failures=3)]) is None
