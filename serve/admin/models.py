"""/admin: the models with tags, scores, latency and switch; starting flows."""

from collections.abc import Mapping
from typing import Any

from sanic import HTTPResponse, Request
from sanic.response import redirect

from core import evidence
from core.decision import Candidate, Score, Snapshot
from core.errors import ModelNotFound, NotFound, TouchstoneError
from core.records import Model
from core.store import models as store
from core.store import runs
from serve.admin.render import html, partial, wants_partial
from serve.admin.runs import run_context
from serve.service import Service
from serve.starting import FLOWS, start_flow

_SORTS = {"name": "name", "-score": "best score first", "latency": "fastest first"}
_ACTIONS = (
    ("discover", "Discover", "Ask every provider for its models"),
    ("tag", "Interview", "Ask the never interviewed for their strengths"),
    ("benchmark", "Benchmark", "Every enabled model on every enabled task"),
)


async def page(request: Request) -> HTTPResponse:
    """GET /admin?q=&sort=&run="""
    service: Service = request.app.ctx.service
    return html(request, "pages/models.html", await _context(service, request))


async def _context(service: Service, request: Request) -> dict[str, Any]:
    snapshot = await service.registry.settled()
    q, sort = request.args.get("q", ""), request.args.get("sort", "name")
    run = None
    if service.registry.healthy:
        wanted = request.args.get("run")
        shown = await runs.get_run(service.pool, wanted) if wanted else None
        latest = shown or next(iter(await runs.list_runs(service.pool, limit=1)), None)
        if latest and (shown or latest.state == "running"):
            run = run_context(service, latest)
    return {
        "rows": _rows(snapshot, q, sort),
        "categories": snapshot.categories,
        "q": q,
        "sort": sort,
        "sorts": _SORTS.items(),
        "actions": [
            {"what": what, "name": name, "title": title, "first": number == 0}
            for number, (what, name, title) in enumerate(_ACTIONS)
        ],
        "run": run,
        "ready": service.registry.healthy,
        "providers": len(service.providers),
        "prefect_url": service.settings.prefect_api_url.removesuffix("/api"),
    }


def _rows(snapshot: Snapshot, q: str, sort: str) -> list[dict[str, Any]]:
    found = [*snapshot.candidates, *(Candidate(model=model) for model in snapshot.others)]
    words = q.lower().split()
    found = [c for c in found if all(word in _searchable(c.model) for word in words)]
    match sort:
        case "-score":
            found.sort(key=lambda c: -(evidence.overall(c) or -1))
        case "latency":
            found.sort(key=lambda c: c.avg_latency_ms or float("inf"))
        case _:
            found.sort(key=lambda c: c.model.id)
    return [_row(c, snapshot.categories) for c in found]


def _searchable(model: Model) -> str:
    return " ".join([model.id, *model.strengths, *model.weaknesses]).lower()


def _row(candidate: Candidate, categories: tuple[str, ...]) -> dict[str, Any]:
    model = candidate.model
    overall, latency = evidence.overall(candidate), candidate.avg_latency_ms
    return {
        "id": model.id,
        "name": model.name,
        "provider": model.provider,
        "enabled": model.enabled,
        "present": model.present,
        "strengths": model.strengths,
        "weaknesses": model.weaknesses,
        "error": model.interview_error,
        "interview": "interviewed" if model.tagged_by else "never interviewed with success",
        "overall": "–" if overall is None else f"{overall:.1f}",
        "scores": [_score(candidate.scores.get(name)) for name in categories],
        "latency": "–" if latency is None else f"{latency:.0f} ms",
    }


def _score(score: Score | None) -> Mapping[str, Any] | None:
    if score is None:
        return None
    shown = {key: f"{getattr(score, key):.1f}" for key in ("mean", "low", "high")}
    return {**shown, "n": score.n}


async def enable(request: Request) -> HTTPResponse:
    """POST /admin/models/enable: id, enabled"""
    service: Service = request.app.ctx.service
    form = request.form or {}
    model = service.registry.named(form.get("id") or "")
    if model is None:
        raise ModelNotFound(form.get("id") or "")
    enabled = form.get("enabled") == "true"
    await store.set_enabled(service.pool, model.provider, model.name, enabled)
    await service.registry.refresh()
    if wants_partial(request):
        return partial("partials/switch.html", {"row": {"id": model.id, "enabled": enabled}})
    return redirect("/admin", status=303)


async def start(request: Request, what: str) -> HTTPResponse:
    """POST /admin/start/{discover,tag,benchmark}"""
    service: Service = request.app.ctx.service
    if what not in FLOWS:
        raise NotFound(f"there is nothing to start at {request.path}")
    try:
        started = await start_flow(service, FLOWS[what], {})
    except TouchstoneError as exc:
        if not wants_partial(request):
            raise
        failed = {
            "id": "",
            "title": what,
            "url": "/admin",
            "live": False,
            "state": "not started",
            "total": 0,
            "completed": 0,
            "failed": 0,
            "now": "",
            "error": exc.message,
        }
        return partial("partials/progress.html", {"run": failed})  # fmt: skip
    if not wants_partial(request):
        return redirect(f"/admin?run={started['run_id']}", status=303)
    run = await runs.get_run(service.pool, started["run_id"])
    context = {"run": run_context(service, run) if run else None}
    return partial("partials/progress.html", context)
