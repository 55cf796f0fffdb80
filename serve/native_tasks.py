"""Touchstone's own dialect, the benchmark tasks: list, add, edit, switch off, delete, reset."""

from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import quote

from sanic import HTTPResponse, Request

from core.checks import VALIDATORS
from core.errors import BadRequest, Conflict
from core.records import Scoring, Task
from core.store import tasks
from core.suite import parse_task, task_to_dict
from serve import editing
from serve.auth import require_admin
from serve.named import find_task
from serve.operations import Operation, described, fields, value
from serve.parse import json_body
from serve.reply import send_json
from serve.service import Service

_ENABLED = value("boolean", "whether benchmarks ask it")
_CONTENT = {
    "category": value("string", "the category it counts for"),
    "prompt": value("string", "what the model is asked"),
    "scoring": value("string", "how its answer is scored", enum=list(get_args(Scoring))),
    "enabled": _ENABLED,
    "expected": value(
        ["string", "number", "array"], "deterministic: the right answer, or several of which one "
        "must be met"
    ),
    "match": value(
        "string", "deterministic: how it is compared",
        enum=["contains", "exact", "number", "regex"], default="contains",
    ),
    "tolerance": value("number", "deterministic, match number: how far off is right"),
    "validators": value(
        "array", "format: each an object with its `name` and arguments; names: "
        + ", ".join(VALIDATORS), items={"type": "object"}
    ),
    "criteria": value(
        "array", "llm-judge: what is graded 0–10",
        items=fields(
            required=("name",),
            name=value("string", "its name"),
            description=value("string", "what is looked for"),
        ),
    ),
    "strictness": value("integer", "llm-judge: lenient or strict", minimum=1, maximum=5, default=3),
    "reference": value("string", "llm-judge: an answer the judge may compare with"),
    "difficulty": value(["string", "integer"], "for whoever reads it"),
    "note": value("string", "for whoever reads it"),
}  # fmt: skip
_NEEDED = ("category", "prompt", "scoring")
_ADDED = fields(
    required=("id", *_NEEDED),
    id=value("string", "letters, digits and . _ : + - within, at most 120"),
    **_CONTENT,
)

_EDITED = fields(required=(), **_CONTENT) | {
    "anyOf": [{"required": list(_NEEDED)}, {"required": ["enabled"], "maxProperties": 1}]
}


@described(
    Operation(
        query={"category": "of this category alone", "enabled": "`true` or `false`"},
        answer="`tasks` in their current version, `count`, `categories`",
    )
)
async def list_tasks(request: Request) -> HTTPResponse:
    """GET /benchmark-tasks: the tasks by category."""
    service: Service = request.app.ctx.service
    enabled = request.args.get("enabled")
    if enabled not in (None, "", "true", "false"):
        raise BadRequest("enabled must be true or false", param="enabled")
    known = await tasks.list_tasks(service.pool)
    category = request.args.get("category")
    found = [
        task_to_dict(task)
        for task in known
        if (not category or task.category == category)
        and (not enabled or task.enabled == (enabled == "true"))
    ]
    categories = sorted({task.category for task in known})
    return send_json({"tasks": found, "count": len(found), "categories": categories})


@described(Operation(answer="the task"))
async def get_task(request: Request, task_id: str) -> HTTPResponse:
    """GET /benchmark-tasks/{id}: one task in its current version."""
    return send_json(task_to_dict(await find_task(request.app.ctx.service, task_id)))


def _switch(body: Mapping[str, Any]) -> bool:
    enabled = body.get("enabled", True)
    if not isinstance(enabled, bool):
        raise BadRequest("enabled must be true or false", param="enabled")
    return enabled


def _parsed(body: Mapping[str, Any]) -> Task:
    return parse_task({**body, "enabled": _switch(body)})


@described(Operation(body=_ADDED, status=201, answer="the task", admin=True))
async def add_task(request: Request) -> HTTPResponse:
    """POST /benchmark-tasks: a task of your own."""
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    task = _parsed(json_body(request))
    if not await tasks.add_task(service.pool, task):
        raise Conflict(f"there is a task {task.id} already; PUT edits it", param="id")
    made = task_to_dict(await find_task(service, task.id))
    place = f"/benchmark-tasks/{quote(task.id, safe='')}"
    return send_json(made, status=201, headers={"location": place})


@described(
    Operation(
        body=_EDITED,
        answer="the task, with its `version`",
        admin=True,
    )
)
async def edit_task(request: Request, task_id: str) -> HTTPResponse:
    """PUT /benchmark-tasks/{id}: the whole task anew, built-in or not.

    Another content makes a new version, and scores of different versions are never averaged
    together. A body with nothing but `enabled` only switches it.
    """
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    body = json_body(request)
    known = await find_task(service, task_id)
    if body.get("id", known.id) != known.id:
        raise BadRequest("the id of a task cannot be changed: add another one", param="id")
    if body.keys() == {"enabled"}:
        await tasks.set_task_enabled(service.pool, known.id, _switch(body))
    else:
        task = _parsed({"enabled": known.enabled, **body, "id": known.id})
        await tasks.save_task(service.pool, task)
    return send_json(task_to_dict(await find_task(service, known.id)))


@described(Operation(answer="`id`, `status`", admin=True))
async def delete_task(request: Request, task_id: str) -> HTTPResponse:
    """DELETE /benchmark-tasks/{id}: a task of your own is asked no more; its results stay readable.

    A built-in cannot be deleted, but disabled and reset.
    """
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    task = await find_task(service, task_id)
    if task.builtin:
        raise Conflict(
            f"{task.id} came with Touchstone and cannot be deleted: disable it by PUT "
            '{"enabled": false}, or reset it by POST …/reset',
            param="id",
        )
    await tasks.delete_task(service.pool, task.id)
    return send_json({"id": task.id, "status": "deleted"})


@described(Operation(answer="the task, as it shipped", admin=True))
async def reset_task(request: Request, task_id: str) -> HTTPResponse:
    """POST /benchmark-tasks/{id}/reset: a built-in as it shipped, in a new version and in use."""
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    task = await find_task(service, task_id)
    await editing.reset_task(service, task.id)
    return send_json(task_to_dict(await find_task(service, task.id)))
