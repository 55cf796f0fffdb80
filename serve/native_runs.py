"""Touchstone's own dialect, the runs: start, list, watch, cancel."""

from dataclasses import asdict
from typing import Any

from sanic import HTTPResponse, Request

from core.errors import Conflict, NotFound, PrefectUnavailable
from core.providers import sse
from core.records import Run
from core.store import runs
from serve import deployments
from serve.auth import require_admin
from serve.named import find_run, optional_body
from serve.operations import Operation, described, fields, value
from serve.reply import open_stream, send_json
from serve.service import Service
from serve.starting import FLOWS, start_flow
from serve.watching import changes

_STARTED = fields(
    models=value(
        "array", 'names, or `{"name", "source"}` objects', items={"type": ["string", "object"]}
    ),
    category=value("string", "benchmark: the tasks of this category alone"),
    tasks=value("array", "benchmark: these tasks alone, by id", items={"type": "string"}),
    repeats=value("integer", "benchmark: how often each task is asked", minimum=1),
)
#: tells the client when to come back, here or at another instance
_GOING_DOWN = b": this service is going down\nretry: 5000\n\n"
_KEEP_ALIVE = b": still running\n\n"


@described(
    Operation(
        body=_STARTED,
        optional=True,
        query={"model": "one model's name", "category": "as in the body"},
        status=202,
        answer="`status`, `message`, `run_id`, `prefect_flow_run_id`, `url`",
        admin=True,
        choices=tuple(FLOWS),
    )
)
async def start(request: Request, what: str) -> HTTPResponse:
    """POST /models/{discover,tag,benchmark,update}: start the flow in Prefect.

    `discover` looks for models, `tag` interviews them (without `models` the never interviewed),
    `benchmark` measures them, `update` does all three in order.
    """
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    flow = FLOWS.get(what)
    if flow is None:
        raise NotFound(f"there is nothing to start at /models/{what}")
    body = dict(optional_body(request))
    if request.args.get("model"):
        body.setdefault("models", [{"name": request.args.get("model")}])
    if request.args.get("category"):
        body.setdefault("category", request.args.get("category"))
    started = await start_flow(service, flow, body)
    return send_json(started, status=202)


def run_view(run: Run) -> dict[str, Any]:
    return asdict(run)


@described(Operation(query={"flow": "of this flow alone"}, answer="`runs`, `count`"))
async def list_runs(request: Request) -> HTTPResponse:
    """GET /runs: the last fifty, the newest first."""
    service: Service = request.app.ctx.service
    found = await runs.list_runs(service.pool, flow=request.args.get("flow"))
    return send_json({"runs": [run_view(run) for run in found], "count": len(found)})


@described(Operation(answer="the run: `state`, `total`, `completed`, `failed`, `current_model` …"))
async def get_run(request: Request, run_id: str) -> HTTPResponse:
    """GET /runs/{id}: one run and how far it is."""
    return send_json(run_view(await find_run(request.app.ctx.service, run_id)))


@described(
    Operation(
        answer="`progress` with the run as GET /runs/{id} has it, whenever it has changed; `end` "
        "with the run when it has ended; a comment at least every 15 s",
        media="text/event-stream",
    )
)
async def run_events(request: Request, run_id: str) -> None:
    """GET /runs/{id}/events: its progress as server-sent events, until it has ended.

    A stream that closes without `end` was cut short: connect again.
    """
    service: Service = request.app.ctx.service
    run: Run | None = await find_run(service, run_id)
    response = await open_stream(
        request, "text/event-stream; charset=utf-8", {"cache-control": "no-cache"}
    )
    async for changed in changes(service, run_id):
        run = changed or run
        await response.send(sse.event(run_view(changed), "progress") if changed else _KEEP_ALIVE)
    if run and run.state != "running":
        await response.send(sse.event(run_view(run), "end"))
    elif service.drain.draining:
        await response.send(_GOING_DOWN)
    await response.eof()


@described(Operation(status=202, answer="`status`, `run_id`", admin=True))
async def cancel_run(request: Request, run_id: str) -> HTTPResponse:
    """POST /runs/{id}/cancel: have Prefect end it; what is stored stays."""
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    run = await find_run(service, run_id)
    if run.state != "running":
        raise Conflict(f"run {run_id} has ended already: {run.state}")
    if run.prefect_flow_run_id is None:
        raise PrefectUnavailable("this run was not started through the Prefect server")
    await deployments.cancel_flow(service.settings.prefect_api_url, run.prefect_flow_run_id)
    await runs.cancel_run(service.pool, run_id)
    return send_json({"status": "accepted", "run_id": run_id}, status=202)


@described(
    Operation(
        answer="`status` (idle, running, completed, failed, cancelled), `total`, `completed`, "
        "`current_model`, `started_at`, `run_id`"
    )
)
async def run_status(request: Request, what: str) -> HTTPResponse:
    """GET /models/{tag,benchmark}/status: the latest run's progress."""
    service: Service = request.app.ctx.service
    run = await runs.latest_run(service.pool, FLOWS[what])
    if run is None:
        return send_json({"status": "idle", "total": 0, "completed": 0, "current_model": None})
    return send_json(
        {
            "status": run.state,
            "total": run.total,
            "completed": run.completed,
            "total_tasks": run.total,
            "completed_tasks": run.completed,
            "current_model": run.current_model,
            "started_at": run.started_at,
            "run_id": run.id,
        }
    )
