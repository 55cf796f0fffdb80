"""Interviews: asks models for their strengths and weaknesses; good answers enable them."""

import asyncio
from dataclasses import replace
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.logging import get_run_logger

from core import interview as interviewing
from core.errors import BadRequest, TouchstoneError, UnreadableReply, UpstreamRejected
from core.records import Interview, Model
from core.store import interviews, prompts
from core.store.models import among, list_models
from core.suite import builtin_prompts
from flows.resources import (
    Progress,
    Resources,
    as_task,
    chat_of,
    open_resources,
    stored_run,
)

_PROMPTS = ("interview-system", "interview-user", "interview-alone")


@flow(name="interview-models", log_prints=False)
async def interview_models(
    run_id: str | None = None, models: list[str] | None = None, only_new: bool | None = None
) -> dict[str, Any]:
    """Ask models for their strengths and weaknesses.

    Args:
        run_id: go on with this run; empty starts a new one.
        models: whom to ask, as provider/name or bare names; empty means the never interviewed.
        only_new: false asks every model again.
    """
    given = {"models": models, "only_new": only_new}
    async with (
        open_resources() as resources,
        stored_run(resources.pool, "interview_models", run_id, given) as progress,
    ):
        chosen = await _chosen(resources, progress)
        done = await interviews.interviewed_in(resources.pool, progress.run_id)
        waiting = [model for model in chosen if model.id not in done]
        progress.begin(len(chosen), len(chosen) - len(waiting))
        texts, version = await _prompts_in_force(resources)
        slots = asyncio.Semaphore(resources.settings.benchmark_concurrency)

        async def one(model: Model) -> Interview:
            async with slots:
                return await _interview(resources, progress, model, texts, version)

        held = await asyncio.gather(*(one(model) for model in waiting))
        rows = [_row(entry) for entry in held]
        if rows:
            await acreate_table_artifact(
                rows, key="interviews", description="What the models said of themselves"
            )
        return {"run_id": progress.run_id, "interviews": rows}


async def _chosen(resources: Resources, progress: Progress) -> list[Model]:
    wanted = progress.params.get("models") or []
    if not wanted and progress.params.get("only_new") is not False:
        return await interviews.never_interviewed(resources.pool)
    known = [model for model in await list_models(resources.pool) if model.present]
    chosen = among(known, wanted)
    if missing := [name for name in wanted if not among(known, [name])]:
        raise BadRequest(f"there is no model {', '.join(missing)}; `touchstone discover` finds new")
    return chosen


async def _prompts_in_force(resources: Resources) -> tuple[dict[str, str], int]:
    """The three prompts, and the highest version among them (0: all as shipped)."""
    edited = await prompts.current_prompts(resources.pool)
    texts = {k: edited[k].text if k in edited else builtin_prompts()[k] for k in _PROMPTS}
    return texts, max((edited[k].version for k in _PROMPTS if k in edited), default=0)


async def _interview(
    resources: Resources, progress: Progress, model: Model, texts: dict[str, str], version: int
) -> Interview:
    """Hold it and store it; a failure is stored with its reason and changes nothing else."""
    progress.working_on(model.id)
    entry = Interview(
        provider=model.provider, model=model.name, status="ok", prompt_version=version,
        run_id=progress.run_id,
    )  # fmt: skip
    try:
        tags = await as_task(
            "interview", f"interview {model.id}", lambda: _ask(resources, model, texts)
        )
    except TouchstoneError as exc:
        entry = replace(entry, status=_status(exc), error=exc.message)
        get_run_logger().error("%s: %s", model.id, exc.message)
    else:
        error = None if tags.strengths else "it named no usable strength"
        entry = replace(
            entry, strengths=tags.strengths, weaknesses=tags.weaknesses, raw_reply=tags.raw_reply,
            error=error,
        )  # fmt: skip
    await interviews.save_interview(resources.pool, entry)
    progress.ended(failed=entry.status != "ok")
    return entry


def _status(exc: TouchstoneError) -> Any:
    own = isinstance(exc, UnreadableReply | UpstreamRejected) and not getattr(exc, "transient", 0)
    return "model_error" if own else "infra_error"


def _row(entry: Interview) -> dict[str, Any]:
    return {
        "model": f"{entry.provider}/{entry.model}",
        "status": entry.status,
        "strengths": ", ".join(entry.strengths),
        "weaknesses": ", ".join(entry.weaknesses),
        "error": entry.error or "",
    }


async def _ask(resources: Resources, model: Model, texts: dict[str, str]) -> interviewing.Tags:
    """One interview; the seed shows the example tags in an order of this model's own."""
    return await interviewing.interview(
        chat_of(resources, model.provider, model.name),
        texts,
        seed=model.id,
        max_tokens=resources.settings.tagging_max_tokens,
    )
