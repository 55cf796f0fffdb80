"""Benchmarks: every enabled model on every enabled task; each result is stored as it lands."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_link_artifact, acreate_table_artifact
from prefect.logging import get_run_logger

from core import benchmark
from core.benchmark import Item, Judge
from core.errors import BadRequest, TouchstoneError
from core.records import Reply, Result
from core.store import prompts, results
from core.store.models import among, list_models
from core.store.tasks import list_tasks
from core.suite import builtin_prompts
from flows.resources import (
    Progress,
    Resources,
    as_task,
    chat_of,
    open_resources,
    run_page,
    stored_run,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the items of one run share."""

    resources: Resources
    progress: Progress
    judge: Judge | None
    #: answers of this run that only want their judge
    unjudged: Mapping[results.Key, Result]
    #: one provider's slots: a slow one does not hold up the others
    slots: Mapping[str, asyncio.Semaphore]


@flow(name="run-benchmarks", log_prints=False)
async def run_benchmarks(
    run_id: str | None = None,
    models: list[str] | None = None,
    category: str | None = None,
    tasks: list[str] | None = None,
    repeats: int | None = None,
) -> dict[str, Any]:
    """Ask every enabled model every enabled task, score the answers and store them.

    Args:
        run_id: go on with this run, leaving out what it has stored; empty starts a new one.
        models: only these models, as provider/name or bare names.
        category: only tasks of this category.
        tasks: only the tasks with these ids.
        repeats: how often each task is asked; 1 unless told otherwise.
    """
    given = {"models": models, "category": category, "tasks": tasks, "repeats": repeats}
    async with (
        open_resources() as resources,
        stored_run(resources.pool, "run_benchmarks", run_id, given) as progress,
    ):
        items = await _items(resources, progress)
        done = await results.finished_keys(resources.pool, progress.run_id)
        waiting = [item for item in items if _key(item) not in done]
        progress.begin(len(items), len(items) - len(waiting))
        per_provider = resources.settings.benchmark_concurrency
        bench = Bench(
            resources=resources,
            progress=progress,
            judge=await _judge(resources),
            unjudged=await results.unjudged_answers(resources.pool, progress.run_id),
            slots=defaultdict(lambda: asyncio.Semaphore(per_provider)),
        )
        async with asyncio.TaskGroup() as group:
            for item in waiting:
                group.create_task(_one(bench, item))
        await _publish(resources, progress)
        return {
            "run_id": progress.run_id, "completed": progress.completed, "failed": progress.failed,
        }  # fmt: skip


def _key(item: Item) -> results.Key:
    return item.model.provider, item.model.name, item.task.id, item.task.version, item.repeat


async def _items(resources: Resources, progress: Progress) -> list[Item]:
    """Model × task × repeat as the parameters narrow it; `BadRequest` names what is not there."""
    wanted = progress.params.get("models") or []
    known = [model for model in await list_models(resources.pool) if model.present]
    models = among(known, wanted) if wanted else [model for model in known if model.enabled]
    names = progress.params.get("tasks") or []
    category = progress.params.get("category")
    tasks = await list_tasks(resources.pool, enabled_only=not names, category=category)
    chosen = [task for task in tasks if not names or task.id in names]
    missing = [name for name in wanted if not among(known, [name])]
    missing += sorted(set(names) - {task.id for task in chosen})
    if missing:
        raise BadRequest(f"there is no {', '.join(missing)} to benchmark")
    if not models:
        raise BadRequest("no model is enabled: interview one first, or switch one on")
    if not chosen:
        raise BadRequest("no task is enabled" + (f" in category {category}" if category else ""))
    return benchmark.items(models, chosen, int(progress.params.get("repeats") or 1))


async def _judge(resources: Resources) -> Judge | None:
    """The configured judge, else the meta-model; None with a warning when there is neither."""
    settings = resources.settings
    provider = settings.benchmark_judge_provider or settings.model_selection_provider
    model = settings.benchmark_judge_model or settings.model_selection_model
    if not (provider and model):
        get_run_logger().warning(
            "no judge: set BENCHMARK_JUDGE_PROVIDER and BENCHMARK_JUDGE_MODEL; "
            "judged tasks are left without a score"
        )
        return None
    edited = await prompts.current_prompts(resources.pool)
    prompt = edited["judge"].text if "judge" in edited else builtin_prompts()["judge"]
    return Judge(id=f"{provider}/{model}", chat=chat_of(resources, provider, model), prompt=prompt)


async def _one(bench: Bench, item: Item) -> None:
    """Ask, score, store. A failure is stored by its name and stops nothing else."""
    async with bench.slots[item.model.provider]:
        bench.progress.working_on(item.model.id)
        result = bench.unjudged.get(_key(item)) or benchmark.blank(bench.progress.run_id, item)
        try:
            result = await _scored(bench, item, result)
        except TouchstoneError as exc:
            result = await _failed(bench, item, exc)
        except Exception as exc:  # noqa: BLE001 - one task's own fault must not end the others
            result = await _failed(bench, item, TouchstoneError(f"{type(exc).__name__}: {exc}"))
        await results.save_result(bench.resources.pool, result)
        bench.progress.ended(failed=result.status != "ok")


async def _scored(bench: Bench, item: Item, result: Result) -> Result:
    judged = item.task.scoring == "llm-judge"
    if judged and bench.judge is None:
        return benchmark.unjudgeable(result)
    if result.answer is None:
        result = benchmark.answered(result, await _ask(bench.resources, item))
    judge = bench.judge
    if not judged or judge is None:
        return benchmark.scored(result, item.task)
    # kept before the judge is asked: whatever happens then, the model need not answer again
    await results.save_result(bench.resources.pool, result)
    kept = result
    try:
        return await as_task(
            "ask-judge",
            f"judge {item.label}",
            lambda: benchmark.judged(kept, item.task, judge),
        )
    except TouchstoneError as exc:
        get_run_logger().error("%s: the judge: %s", item.label, exc.message)
        return benchmark.failed(result, exc)


async def _failed(bench: Bench, item: Item, exc: TouchstoneError) -> Result:
    get_run_logger().error("%s: %s", item.label, exc.message)
    return benchmark.failed(benchmark.blank(bench.progress.run_id, item), exc)


async def _ask(resources: Resources, item: Item) -> Reply:
    """One model call, as a task run."""
    chat = chat_of(resources, item.model.provider, item.model.name)
    question = benchmark.question(item.task, resources.settings.benchmark_max_tokens)
    return await as_task("ask-model", f"ask {item.label}", lambda: chat(question))


async def _publish(resources: Resources, progress: Progress) -> None:
    """The artifacts: scores, failures, a link to the run's page."""
    rows = await results.results_of_run(resources.pool, progress.run_id)
    await acreate_table_artifact(
        _table(rows), key="benchmark-scores", description="Mean score, 0 to 10, by model"
    )
    failures = [
        {"model": f"{row['provider']}/{row['model']}", "task": row["task_id"],
         "status": row["status"], "error": row["error"]}
        for row in rows if row["status"] != "ok"
    ]  # fmt: skip
    await acreate_table_artifact(
        failures or [{"failures": "none"}],
        key="benchmark-failures",
        description="What has no score, and why",
    )
    await acreate_link_artifact(
        run_page(resources.settings, progress.run_id), link_text="This run", key="benchmark-run"
    )


def _table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[f"{row['provider']}/{row['model']}", row["category"]].append(row)
    table = []
    for (model, category), entries in sorted(found.items()):
        scores = [row["score"] for row in entries if row["score"] is not None]
        mean = round(sum(scores) / len(scores), 2) if scores else None
        table.append(
            {"model": model, "category": category, "mean": mean, "n": len(scores),
             "failures": len(entries) - len(scores)}
        )  # fmt: skip
    return table
