"""Each command does what its help says, and says in one line what is wrong."""

import datetime
import json

import yaml

from core.records import Interview, Result, Run
from core.store import interviews, models, results, runs, tasks
from core.suite import builtin_tasks
from tests.door import meta_says


async def known(pool, *names):
    await models.upsert_discovered(pool, "p", {name: {} for name in names})
    for name in names:
        tagged = Interview(provider="p", model=name, status="ok", strengths=["math"])
        await interviews.save_interview(pool, tagged)


async def test_route_says_who_would_answer_and_why(touchstone, upstream, pool):
    await known(pool, "good", "fast")
    upstream.script["meta"] = meta_says("fast")
    said = await touchstone("route", "What is [bold]2+2[/]?")
    assert said.code == 0, said.err
    assert "p/fast" in said.out
    assert "why: it is" in said.out
    assert [r["body"]["model"] for r in upstream.asked()] == ["meta"]


async def test_chat_prints_the_answer_as_it_is(touchstone, upstream, pool):
    await known(pool, "good", "fast")
    upstream.script |= {"meta": meta_says("good"), "good": "It is [bold]4[/]."}
    said = await touchstone("chat", "What is 2+2?")
    assert "It is [bold]4[/]." in said.out
    assert "p/good" in said.out


async def test_nothing_to_route_to_names_the_remedy(touchstone, pool):
    said = await touchstone("route", "hello")
    assert said.code == 1
    assert said.err.startswith("touchstone: ")
    assert "discover" in said.err
    assert "Traceback" not in said.err


async def test_leaderboard_shows_the_best_first_with_n_and_interval(touchstone, pool):
    await known(pool, "fast", "good")
    await runs.start_run(pool, Run(id="r", flow="run_benchmarks", state="running"))
    await tasks.seed_tasks(pool, builtin_tasks())
    coding = [task for task in builtin_tasks() if task.category == "coding"][:3]
    for model, score in (("fast", 2.0), ("good", 9.0)):
        for task in coding:
            result = Result(
                run_id="r", provider="p", model=model, task_id=task.id, task_version=1,
                category="coding", score=score,
            )  # fmt: skip
            await results.save_result(pool, result)
    said = await touchstone("leaderboard")
    assert said.out.index("p/good") < said.out.index("p/fast")
    assert "n=3" in said.out


async def test_tasks_go_out_and_come_back_as_they_were(touchstone, pool, tmp_path):
    exported = await touchstone("tasks", "export")
    entries = yaml.safe_load(exported.out)
    assert len(entries) == len(builtin_tasks())
    file = tmp_path / "mine.yaml"
    file.write_text(exported.out)
    said = await touchstone("tasks", "import", str(file))
    assert said.code == 0, said.err
    assert {task.version for task in await tasks.list_tasks(pool)} == {1}, "nothing has changed"


async def test_a_task_of_ones_own_is_read_from_jsonl(touchstone, pool, tmp_path):
    file = tmp_path / "mine.jsonl"
    mine = {
        "id": "mine", "category": "coding", "prompt": "1+1?", "scoring": "deterministic",
        "expected": "2",
    }  # fmt: skip
    file.write_text(json.dumps(mine) + "\n")
    await touchstone("tasks", "import", str(file))
    assert "mine" in [task.id for task in await tasks.list_tasks(pool)]
    listed = await touchstone("tasks", "list")
    assert "mine" in listed.out


async def test_one_wrong_task_stores_none(touchstone, pool, tmp_path):
    file = tmp_path / "mine.yaml"
    right = {"id": "right", "category": "c", "prompt": "?", "scoring": "deterministic",
             "expected": "2"}  # fmt: skip
    wrong = {**right, "id": "wrong", "expected": datetime.date(2020, 1, 1)}
    file.write_text(yaml.safe_dump([right, wrong]))
    said = await touchstone("tasks", "import", str(file))
    assert (said.code, len(said.err.strip().splitlines())) == (1, 1)
    assert "wrong" in said.err
    assert "right" not in [task.id for task in await tasks.list_tasks(pool)]


async def test_check_tells_line_by_line_what_is_well(touchstone, pool, tmp_path):
    said = await touchstone("check")
    assert said.code == 0, said.out
    assert all(line.startswith("ok") for line in said.out.splitlines())
    assert "provider p: 2 models" in said.out
    file = tmp_path / "down.json"
    file.write_text('[{"name": "p", "base_url": "http://127.0.0.1:9"}]')
    said = await touchstone("check", PROVIDERS_FILE=str(file))
    assert said.code == 1
    assert "p is unreachable" in said.out


async def test_a_wrong_setting_stops_the_start_with_one_line(touchstone, pool):
    said = await touchstone("serve", PORT="eighty")
    assert (said.code, len(said.err.strip().splitlines())) == (1, 1)
    assert "PORT" in said.err


async def test_a_database_that_is_away_is_one_line_without_its_password(touchstone):
    address = "postgresql://me:geheim@127.0.0.1:9/x"
    said = await touchstone("leaderboard", DATABASE_URL=address)
    assert (said.code, len(said.err.strip().splitlines())) == (1, 1)
    assert "geheim" not in said.err + said.out


async def test_export_goes_to_standard_output_or_a_file(touchstone, pool, tmp_path):
    said = await touchstone("export", "scores")
    assert said.out.startswith("run_id,provider,model")
    said = await touchstone("export", "scores", str(tmp_path / "x.parquet"))
    assert (tmp_path / "x.parquet").exists(), said.err


async def test_discover_and_benchmark_run_with_no_server_up(touchstone, upstream, pool):
    said = await touchstone("discover")
    assert said.code == 0, said.out + said.err
    assert {m.name for m in await models.list_models(pool)} == {"good", "fast"}
    await models.set_enabled(pool, "p", "good", True)
    upstream.script["good"] = "80"
    said = await touchstone("benchmark", "--category", "coding", "--model", "good")
    coding = [t for t in builtin_tasks() if t.category == "coding"]
    assert f"{len(coding)} of {len(coding)}" in said.out
    stored = await results.results_of_run(pool, (await runs.latest_run(pool, "run_benchmarks")).id)
    assert len(stored) == len(coding)


async def test_a_database_address_that_is_none_is_not_shown(touchstone):
    said = await touchstone("check", DATABASE_URL="postgres://me:geheim@[/x")
    assert said.code == 1
    assert "geheim" not in said.out + said.err
    assert "Traceback" not in said.err


async def test_a_home_that_cannot_be_is_one_line(touchstone):
    said = await touchstone("leaderboard", DATABASE_URL="", TOUCHSTONE_HOME="/proc/nope")
    assert (said.code, len(said.err.strip().splitlines())) == (1, 1)
    assert "TOUCHSTONE_HOME" in said.err
