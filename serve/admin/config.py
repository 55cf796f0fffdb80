"""/admin/config: tasks and prompts; list, edit, post, redirect."""

from itertools import groupby
from typing import Any, get_args
from urllib.parse import quote

import yaml
from sanic import HTTPResponse, Request
from sanic.response import redirect

from core.checks import VALIDATORS
from core.errors import BadRequest
from core.records import Scoring, Task
from core.store import prompts, tasks
from core.suite import CATEGORIES, parse_task
from serve import editing
from serve.admin.render import html
from serve.named import find_task
from serve.service import Service

_HEAD = 90
_PROMPTS = {
    "interview-system": ("Interview: system", "Said first, where a model takes a system message. "
                         "{examples} is replaced by example tags in a shuffled order."),
    "interview-user": ("Interview: user", "Said after the system message."),
    "interview-alone": ("Interview: user alone", "Says all of it in one user message, when the "
                        "first try could not be used. {examples} is replaced as above."),
    "routing": ("Routing", "Told to the meta-model before the candidates and the prompt."),
    "judge": ("Judge", "Told to the benchmark judge. {strictness} is replaced by a sentence."),
}  # fmt: skip


async def page(request: Request) -> HTTPResponse:
    """GET /admin/config"""
    service: Service = request.app.ctx.service
    known = await tasks.list_tasks(service.pool)
    edited = await prompts.current_prompts(service.pool)
    groups = [
        {"category": category, "tasks": [_listed(task) for task in found]}
        for category, found in groupby(known, key=lambda task: task.category)
    ]
    listed = [
        {"key": key, "name": name,
         "state": f"edited, version {edited[key].version}" if key in edited else "as shipped"}
        for key, (name, _) in _PROMPTS.items()
    ]  # fmt: skip
    return html(request, "pages/config.html", {"groups": groups, "prompts": listed})


def _listed(task: Task) -> dict[str, Any]:
    head = " ".join(task.prompt.split())
    return {
        "id": task.id,
        "url": f"/admin/tasks/{quote(task.id, safe='')}",
        "scoring": task.scoring,
        "version": task.version,
        "enabled": task.enabled,
        "head": head if len(head) <= _HEAD else head[:_HEAD] + "…",
    }


def _task_page(
    request: Request, form: dict[str, Any], *, new: bool, error: str | None = None
) -> HTTPResponse:
    context = {
        "form": form,
        "new": new,
        "error": error,
        "categories": CATEGORIES,
        "scorings": get_args(Scoring),
        "validators": ", ".join(VALIDATORS),
    }
    return html(request, "pages/task.html", context, status=422 if error else 200)


async def new_task(request: Request) -> HTTPResponse:
    """GET /admin/tasks/new"""
    spec = "expected: \nmatch: contains\n"
    form = {"id": "", "category": "", "prompt": "", "scoring": "deterministic", "spec": spec,
            "enabled": True, "builtin": False}  # fmt: skip
    return _task_page(request, form, new=True)


async def edit_task(request: Request, task_id: str) -> HTTPResponse:
    """GET /admin/tasks/{id}"""
    task = await find_task(request.app.ctx.service, task_id)
    spec = yaml.safe_dump(dict(task.spec), sort_keys=False, allow_unicode=True)
    form = {"id": task.id, "category": task.category, "prompt": task.prompt,
            "scoring": task.scoring, "spec": spec, "enabled": task.enabled,
            "builtin": task.builtin}  # fmt: skip
    return _task_page(request, form, new=False)


async def save_task(request: Request) -> HTTPResponse:
    """POST /admin/tasks/save: 422 with the form again when it cannot be."""
    service: Service = request.app.ctx.service
    sent = request.form or {}
    new = bool(sent.get("new"))
    form: dict[str, Any] = {
        key: sent.get(key) or "" for key in ("id", "category", "prompt", "scoring", "spec")
    }
    form |= {"enabled": sent.get("enabled") == "true", "builtin": False}
    try:
        task = _parsed(form)
    except BadRequest as exc:
        return _task_page(request, form, new=new, error=exc.message)
    if not new:
        await tasks.save_task(service.pool, task)
    elif not await tasks.add_task(service.pool, task):
        taken = f"There is a task {task.id} already."
        return _task_page(request, form, new=new, error=taken)
    return redirect("/admin/config", status=303)


def _parsed(form: dict[str, Any]) -> Task:
    try:
        spec = yaml.safe_load(form["spec"]) or {}
    except yaml.YAMLError as exc:
        raise BadRequest(f"what the scoring needs is not YAML: {exc}") from exc
    if not isinstance(spec, dict):
        raise BadRequest("what the scoring needs must be names with values")
    prompt = form["prompt"].replace("\r\n", "\n")
    return parse_task({**spec, **form, "prompt": prompt})


async def enable_task(request: Request) -> HTTPResponse:
    """POST /admin/tasks/enable: id, enabled"""
    service: Service = request.app.ctx.service
    sent = request.form or {}
    task = await find_task(service, sent.get("id") or "")
    await tasks.set_task_enabled(service.pool, task.id, sent.get("enabled") == "true")
    return redirect("/admin/config", status=303)


async def reset_task(request: Request) -> HTTPResponse:
    """POST /admin/tasks/reset: a built-in goes back to its shipped text, as a new version."""
    service: Service = request.app.ctx.service
    task = await find_task(service, (request.form or {}).get("id") or "")
    await editing.reset_task(service, task.id)
    return redirect("/admin/config", status=303)


async def delete_task(request: Request) -> HTTPResponse:
    """POST /admin/tasks/delete"""
    service: Service = request.app.ctx.service
    task = await find_task(service, (request.form or {}).get("id") or "")
    await tasks.delete_task(service.pool, task.id)
    return redirect("/admin/config", status=303)


async def edit_prompt(request: Request, key: str) -> HTTPResponse:
    """GET /admin/prompts/{key}"""
    return await _prompt_page(request, key)


async def _prompt_page(
    request: Request, key: str, *, text: str | None = None, error: str | None = None
) -> HTTPResponse:
    service: Service = request.app.ctx.service
    shipped = editing.shipped_prompt(key)
    current = await editing.prompt_in_force(service, key)
    name, about = _PROMPTS[key]
    history = [
        {"version": p.version, "text": p.text, "created": f"{p.created_at:%Y-%m-%d %H:%M} UTC"}
        for p in await prompts.prompt_history(service.pool, key)
    ]
    context = {"key": key, "name": name, "help": about, "error": error, "shipped": shipped,
               "text": current.text if text is None else text, "edited": current.version > 0,
               "history": history}  # fmt: skip
    return html(request, "pages/prompt.html", context, status=422 if error else 200)


async def save_prompt(request: Request, key: str) -> HTTPResponse:
    """POST /admin/prompts/{key}: text"""
    text = (request.form or {}).get("text") or ""
    editing.shipped_prompt(key)
    if not text.strip():
        return await _prompt_page(request, key, text=text, error="The text must not be empty.")
    await editing.edit_prompt(request.app.ctx.service, key, text)
    return redirect("/admin/config", status=303)


async def restore_prompt(request: Request, key: str) -> HTTPResponse:
    """POST /admin/prompts/{key}/restore"""
    service: Service = request.app.ctx.service
    await editing.edit_prompt(service, key, editing.shipped_prompt(key))
    return redirect("/admin/config", status=303)
