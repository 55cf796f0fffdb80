"""What an address names, or a 404 that says what there is not."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from sanic import Request

from core.errors import ModelNotFound, NotFound
from core.records import Model, Run, Task
from core.store import runs, tasks
from serve.parse import json_body
from serve.service import Service


def find_model(service: Service, name: str, source: str | None = None) -> Model:
    """The model that an address (``provider/name``) or a bare name with source means."""
    name = unquote(name)
    found = service.registry.named(f"{source}/{name}" if source else name)
    if found is None:
        raise ModelNotFound(name)
    return found


async def find_run(service: Service, run_id: str) -> Run:
    run = await runs.get_run(service.pool, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run


async def find_task(service: Service, task_id: str) -> Task:
    task_id = unquote(task_id)
    found = await tasks.get_task(service.pool, task_id)
    if found is None:
        raise NotFound(f"there is no task {task_id}")
    return found


def optional_body(request: Request) -> Mapping[str, Any]:
    """The body where there need not be one."""
    return json_body(request) if request.body else {}
