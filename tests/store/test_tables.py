from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from core.decision import Decision, JournalEntry
from core.records import CriterionScore, Interview, Result, Run, Task
from core.store import decisions, interviews, models, prompts, results, runs, tasks
from core.store.pool import connection

GOOD = Interview(provider="p", model="a", status="ok", strengths=("math",), weaknesses=("art",))
TASK = Task(id="t", category="coding", prompt="x", scoring="deterministic", spec={"expected": "1"})
RESULT = Result(
    run_id="r", provider="p", model="a", task_id="t", task_version=1, category="coding", score=10.0
)
FAILED = replace(RESULT, status="infra_error", score=None, error="down")


async def only(pool):
    (model,) = await models.list_models(pool)
    return model


@pytest.fixture
async def known(pool):
    await models.upsert_discovered(pool, "p", {"a": {"context": 5}})
    await runs.start_run(pool, Run(id="r", flow="run_benchmarks", state="running"))
    await tasks.save_task(pool, TASK)
    return pool


async def test_a_discovered_model_is_nameable_and_not_enabled(pool):
    assert await models.upsert_discovered(pool, "p", {"a": {}, "b": {}}) == (["a", "b"], [])
    assert [m.enabled for m in await models.list_models(pool)] == [False, False]


async def test_a_model_no_longer_listed_has_vanished_until_it_is_back(pool):
    await models.upsert_discovered(pool, "p", {"a": {}})
    assert await models.upsert_discovered(pool, "p", {}) == ([], ["a"])
    assert not (await only(pool)).present
    assert await models.upsert_discovered(pool, "p", {"a": {}}) == ([], [])
    assert (await only(pool)).present


async def test_a_good_interview_tags_and_enables(known):
    await interviews.save_interview(known, GOOD)
    model = await only(known)
    assert (model.enabled, list(model.strengths), model.tagged_by) == (True, ["math"], "p/a")


async def test_a_failed_interview_keeps_tags_and_says_why(known):
    await interviews.save_interview(known, GOOD)
    failed = replace(GOOD, status="infra_error", strengths=(), weaknesses=(), error="down")
    await interviews.save_interview(known, failed)
    model = await only(known)
    assert (model.enabled, list(model.strengths), model.interview_error) == (True, ["math"], "down")


async def test_a_persons_switch_outweighs_an_interview(known):
    await models.set_enabled(known, "p", "a", False)
    await interviews.save_interview(known, GOOD)
    assert not (await only(known)).enabled


async def test_reset_forgets_tags_and_keeps_the_history(known):
    await interviews.save_interview(known, GOOD)
    await models.reset_model(known, "p", "a")
    model = await only(known)
    assert (model.enabled, list(model.strengths)) == (False, [])
    assert [m.name for m in await interviews.never_interviewed(known)] == ["a"]
    assert len(await interviews.list_interviews(known, "p", "a")) == 1


async def test_an_answer_is_stored_once(known):
    assert await results.save_result(known, RESULT)
    assert not await results.save_result(known, replace(RESULT, score=0.0))
    (row,) = await results.category_scores(known)
    assert (row.mean, row.n, row.dichotomous) == (10, 1, True)


async def test_a_failure_is_no_score_and_gives_way_to_an_answer(known):
    assert await results.save_result(known, FAILED)
    assert await results.finished_keys(known, "r") == set()
    (row,) = await results.category_scores(known)
    assert (row.mean, row.n, row.failures) == (None, 0, 1)
    assert await results.save_result(known, RESULT)
    assert await results.finished_keys(known, "r") == {("p", "a", "t", 1, 1)}
    (stored,) = await results.results_of_model(known, "p", "a")
    assert (stored["score"], stored["attempt"]) == (10, 2)


async def test_the_table_itself_refuses_a_score_for_a_failure(known):
    with pytest.raises(psycopg.errors.CheckViolation):
        await results.save_result(known, replace(FAILED, score=0.0))


async def test_a_new_try_that_fails_does_not_hide_an_older_answer(known):
    await results.save_result(known, RESULT)
    await runs.start_run(known, Run(id="r2", flow="run_benchmarks", state="running"))
    await results.save_result(known, replace(FAILED, run_id="r2"))
    (row,) = await results.category_scores(known)
    assert (row.mean, row.n) == (10, 1)


async def test_an_edited_task_takes_its_old_scores_out_of_the_average(known):
    await results.save_result(known, RESULT)
    assert await tasks.save_task(known, TASK) == 1
    assert await tasks.save_task(known, replace(TASK, prompt="y")) == 2
    assert await results.category_scores(known) == []


async def test_criteria_are_kept_with_their_reasons(known):
    scored = replace(RESULT, criteria=(CriterionScore(name="c", score=10, reason="a\x00b"),))
    await results.save_result(known, scored)
    async with connection(known) as conn:
        rows = await conn.execute("SELECT name, score, reason FROM criteria")
        assert await rows.fetchall() == [("c", 10.0, "a␀b")]


async def test_shipped_tasks_renew_only_what_nobody_edited(pool):
    await tasks.seed_tasks(pool, [TASK, replace(TASK, id="u")])
    await tasks.save_task(pool, replace(TASK, prompt="mine"))
    await tasks.delete_task(pool, "u")
    newer = [replace(TASK, prompt="newer"), replace(TASK, id="u", prompt="newer")]
    await tasks.seed_tasks(pool, newer)
    assert [(t.id, t.prompt) for t in await tasks.list_tasks(pool)] == [("t", "mine")]


async def test_a_run_started_again_goes_on(pool):
    run = Run(id="r", flow="f", state="running", trigger="api")
    await runs.start_run(pool, run)
    await runs.progress(pool, "r", total=5, completed=3, failed=1, current_model="p/a")
    await runs.finish_run(pool, "r", "failed", "boom")
    await runs.start_run(pool, run)
    found = await runs.get_run(pool, "r")
    assert (found.state, found.completed, found.error, found.finished_at) == (
        *("running", 3, None, None),
    )


async def test_a_run_without_a_sign_of_life_is_reaped(pool):
    await runs.start_run(pool, Run(id="r", flow="f", state="running"))
    assert await runs.reap_runs(pool, 60) == []
    assert [run.id for run in await runs.reap_runs(pool, -1)] == ["r"]
    assert (await runs.get_run(pool, "r")).state == "failed"


async def test_a_decision_written_twice_is_one_row(pool):
    decision = Decision(id="d", provider="p", model="a", outcome="meta", reason="x\x00\ud800")
    entry = JournalEntry(
        decision=decision, decided_at=datetime.now(UTC), prompt_hash="h", prompt_length=1
    )
    await decisions.insert_decisions(pool, [entry, entry])
    (row,) = await decisions.list_decisions(pool)
    assert (row["id"], row["reason"]) == ("d", "x?")


async def test_prompts_have_versions_and_a_way_back(pool):
    assert await prompts.save_prompt(pool, "routing", "one") == 1
    assert await prompts.save_prompt(pool, "routing", "two") == 2
    assert (await prompts.current_prompts(pool))["routing"].text == "two"
    await prompts.save_prompt(pool, "routing", "shipped", is_default=True)
    assert await prompts.current_prompts(pool) == {}
    assert len(await prompts.prompt_history(pool, "routing")) == 3
