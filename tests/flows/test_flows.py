"""The flows, each in a process of its own: real Prefect server, real PostgreSQL, real sockets."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from core.records import Task
from core.store import interviews, models, results, runs, tasks

RUN = Path(__file__).parent / "run_flow.py"
TAGS = '{"strengths": ["math"], "weaknesses": ["poetry"]}'
GRADES = '{"criteria": {"a": {"score": 8, "reason": "ok"}, "b": {"score": 6, "reason": "ok"}}}'


async def start(environment, name, **parameters):
    return await asyncio.create_subprocess_exec(
        sys.executable, str(RUN), name, json.dumps(parameters), env=environment,
        cwd=RUN.parent.parent.parent,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def flow(environment, name, **parameters):
    process = await start(environment, name, **parameters)
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    return json.loads(out.splitlines()[-1])


def sums(count):
    return [
        Task(
            id=f"sum-{n}", category="reasoning", prompt=f"{n}+1?", scoring="deterministic",
            spec={"expected": n + 1, "match": "number"},
        )
        for n in range(count)
    ]  # fmt: skip


ESSAY = Task(
    id="essay", category="creative-writing", prompt="Write.", scoring="llm-judge",
    spec={"criteria": [{"name": "a"}, {"name": "b"}]},
)  # fmt: skip


async def measurable(pool, names, entries):
    await models.upsert_discovered(pool, "p", {name: {} for name in names})
    for name in names:
        await models.set_enabled(pool, "p", name, True)
    for task in entries:
        await tasks.save_task(pool, task)


async def test_discovery_stores_the_new_and_marks_the_vanished(environment, upstream, pool):
    upstream.models = ["good", "fast", "text-embedding-3"]
    found = await flow(environment, "discover_models")
    assert found["providers"][0]["new"] == "good, fast"
    upstream.models = ["good"]
    found = await flow(environment, "discover_models")
    assert found["providers"][0]["vanished"] == "fast"
    stored = {m.name: (m.present, m.enabled) for m in await models.list_models(pool)}
    assert stored == {"good": (True, False), "fast": (False, False)}
    run = await runs.latest_run(pool, "discover_models")
    assert (run.state, run.total, run.completed, run.failed) == ("completed", 1, 1, 0)


async def test_a_provider_that_is_down_is_named_and_the_run_ends(environment, pool, tmp_path):
    entries = json.loads((tmp_path / "providers.json").read_text())
    entries.append({"name": "down", "base_url": "http://127.0.0.1:9", "timeout": "2s"})
    (tmp_path / "providers.json").write_text(json.dumps(entries))
    found = await flow(environment, "discover_models")
    assert [row["models"] for row in found["providers"]] == [2, 0]
    assert "unreachable" in found["providers"][1]["error"]
    run = await runs.latest_run(pool, "discover_models")
    assert (run.state, run.failed) == ("completed", 1)


async def test_interviews_enable_and_failures_leave_all_as_it_was(environment, upstream, pool):
    names = ["good", "mumbler", "status-401", "flaky-1"]
    await models.upsert_discovered(pool, "p", {name: {} for name in names})
    upstream.script |= {"good": TAGS, "mumbler": "I am good at everything", "flaky-1": TAGS}
    await flow(environment, "interview_models")
    stored = {m.name: m for m in await models.list_models(pool)}
    assert [name for name, m in stored.items() if m.enabled] == ["flaky-1", "good"]
    assert stored["good"].strengths == ["math"]
    assert "no JSON object" in stored["mumbler"].interview_error
    assert "refuses our key" in stored["status-401"].interview_error
    assert len(upstream.asked("status-401")) == 1, "a bad key fails at once"
    assert len(upstream.asked("flaky-1")) == 2, "a 503 is tried again"
    before = len(upstream.asked("good"))
    await flow(environment, "interview_models")
    assert len(upstream.asked("good")) == before, "only the never interviewed are asked"
    history = await interviews.list_interviews(pool, "p", "mumbler")
    assert [i.status for i in history] == ["model_error", "model_error"]


async def test_a_benchmark_stores_scores_and_names_failures(
    environment, upstream, pool, prefect_api
):
    names = ["good", "status-401", "html-502"]
    await measurable(pool, names, [*sums(2), ESSAY])
    upstream.script |= {
        "good": lambda body: "1" if "0+1" in body["messages"][-1]["content"] else "no idea",
        "judge": GRADES,
    }
    found = await flow(environment, "run_benchmarks")
    assert (found["completed"], found["failed"]) == (9, 6)
    rows = await results.results_of_run(pool, found["run_id"])
    scores = {r["task_id"]: r["score"] for r in rows if r["model"] == "good"}
    assert scores == {"sum-0": 10, "sum-1": 0, "essay": 7}
    failures = [r for r in rows if r["model"] != "good"]
    assert all(r["score"] is None and r["status"] == "infra_error" for r in failures)
    assert {r["model"]: r["error"][:14] for r in failures} == {
        "status-401": "p refuses our ", "html-502": "p failed (502)",
    }  # fmt: skip
    async with httpx.AsyncClient() as http:
        found = (await http.post(f"{prefect_api}/artifacts/filter", json={})).json()
    assert {a["key"] for a in found} >= {"benchmark-scores", "benchmark-failures", "benchmark-run"}


async def test_a_judge_that_answers_rubbish_is_a_failure_and_no_zero(environment, upstream, pool):
    await measurable(pool, ["good"], [ESSAY])
    upstream.script["judge"] = "splendid"
    found = await flow(environment, "run_benchmarks")
    [row] = await results.results_of_run(pool, found["run_id"])
    assert (row["status"], row["score"]) == ("judge_error", None)
    assert "could not be read" in row["error"]
    upstream.script["judge"] = GRADES
    await flow(environment, "run_benchmarks", run_id=found["run_id"])
    [row] = await results.results_of_run(pool, found["run_id"])
    assert (row["status"], row["score"]) == ("ok", 7)
    assert len(upstream.asked("good")) == 1, "the stored answer is judged, not asked for again"


async def test_a_wrong_parameter_fails_the_run_and_says_why(environment, pool):
    await measurable(pool, ["good"], sums(1))
    process = await start(environment, "run_benchmarks", models=["nobody"])
    await process.communicate()
    run = await runs.latest_run(pool, "run_benchmarks")
    assert (run.state, run.error) == ("failed", "there is no nobody to benchmark")


@pytest.mark.parametrize("kills", [2])
async def test_a_killed_benchmark_goes_on_without_repeating_a_stored_call(
    environment, upstream, pool, kills
):
    upstream.delay_s = 0.15
    await measurable(pool, ["good", "fast"], [*sums(20), ESSAY])
    upstream.script["judge"] = GRADES
    for kill in range(1, kills + 1):
        process = await start(environment, "run_benchmarks", run_id="r", repeats=2)
        async with asyncio.timeout(90):
            while len(await results.finished_keys(pool, "r")) < 20 * kill:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    stored = await results.results_of_run(pool, "r")
    asked = len(upstream.asked("good")) + len(upstream.asked("fast"))
    await flow(environment, "run_benchmarks", run_id="r")
    rows = await results.results_of_run(pool, "r")
    assert len(rows) == 2 * 21 * 2
    assert len({(r["model"], r["task_id"], r["repeat"]) for r in rows}) == len(rows)
    assert all(row["status"] == "ok" for row in rows)
    after = len(upstream.asked("good")) + len(upstream.asked("fast"))
    assert after - asked == len(rows) - len(stored), "only what was not stored was asked"
    run = await runs.get_run(pool, "r")
    assert (run.state, run.total, run.completed, run.failed) == ("completed", 84, 84, 0)


async def test_a_run_that_died_unheard_is_reaped(pool):
    await runs.start_run(pool, runs.Run(id="dead", flow="run_benchmarks", state="running"))
    assert not await runs.reap_runs(pool, 60)
    async with pool.connection() as conn:
        await conn.execute("UPDATE runs SET touched_at = now() - interval '2 minutes'")
    assert [run.id for run in await runs.reap_runs(pool, 60)] == ["dead"]
    assert (await runs.get_run(pool, "dead")).state == "failed"
