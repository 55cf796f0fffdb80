"""/admin/runs/{id}: one run, live."""

from typing import Any

from sanic import HTTPResponse, Request

from core.records import Run
from core.store import results
from serve.admin.render import HEADERS, html, render
from serve.named import find_run
from serve.reply import open_stream
from serve.service import Service
from serve.watching import changes

_TITLES = {
    "discover_models": "Discovery",
    "interview_models": "Interviews",
    "run_benchmarks": "Benchmark",
}


async def page(request: Request, run_id: str) -> HTTPResponse:
    """GET /admin/runs/{id}"""
    service: Service = request.app.ctx.service
    run = await find_run(service, run_id)
    rows = await results.results_of_run(service.pool, run_id)
    shown = [_row(row) for row in rows]
    return html(
        request,
        "pages/run.html",
        {
            "run": run_context(service, run),
            "failures": [row for row in shown if row["status"] != "ok"],
            "results": [row for row in shown if row["status"] == "ok"],
        },
    )


def run_context(service: Service, run: Run) -> dict[str, Any]:
    """What the progress partial shows of a run."""
    ui = service.settings.prefect_api_url.removesuffix("/api")
    flow_run = run.prefect_flow_run_id
    return {
        "id": run.id,
        "url": f"/admin/runs/{run.id}",
        "title": _TITLES.get(run.flow, run.flow),
        "state": run.state,
        "live": run.state == "running",
        "total": run.total,
        "completed": run.completed,
        "failed": run.failed,
        "now": run.current_model or "",
        "error": run.error,
        "trigger": run.trigger,
        "started": f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC" if run.started_at else "–",
        "prefect_url": f"{ui}/runs/flow-run/{flow_run}" if ui and flow_run else "",
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    score, latency = row["score"], row["latency_ms"]
    return {
        "model": f"{row['provider']}/{row['model']}",
        "task": row["task_id"],
        "category": row["category"],
        "status": row["status"],
        "error": row["error"] or "",
        "score": "–" if score is None else f"{score:.1f}",
        "latency": "–" if latency is None else f"{latency:.0f} ms",
    }


async def events(request: Request, run_id: str) -> None:
    """GET /admin/runs/{id}/events: the progress partial whenever it changes, `done` at the end."""
    service: Service = request.app.ctx.service
    run = await find_run(service, run_id)
    response = await open_stream(request, "text/event-stream; charset=utf-8", HEADERS)
    number = 0
    async for changed in changes(service, run_id):
        if changed is None:
            await response.send(": still running\n\n")
            continue
        run, number = changed, number + 1
        partial = render("partials/progress_now.html", {"run": run_context(service, run)})
        lines = "".join(f"data: {line}\n" for line in partial.splitlines())
        await response.send(f"id: {number}\n{lines}\n")
    if run.state != "running":
        await response.send("event: done\ndata: done\n\n")
    await response.eof()
