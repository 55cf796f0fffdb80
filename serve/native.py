"""Touchstone's own dialect: /chat, /route, /models, /runs, and starting flows."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, get_args
from urllib.parse import unquote

from sanic import HTTPResponse, Request

from core.decision import Candidate, Decision, Policy
from core.errors import BadRequest, Conflict, ModelNotFound, NotFound, PrefectUnavailable
from core.evidence import ranked
from core.records import Message, Model, Run
from core.routing import RouteRequest, eligible
from core.store import models, results, runs
from serve import deployments
from serve.answer import complete, preview
from serve.auth import require_admin
from serve.calls import ChatCall, headers, message_text
from serve.parse import json_body, messages_of, route_of
from serve.reply import send_json
from serve.service import Service
from serve.starting import FLOWS, start_flow


def _service(request: Request) -> Service:
    return request.app.ctx.service


def _conversation(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    if body.get("messages"):
        return messages_of(body)
    message = body.get("message")
    if not isinstance(message, str) or not message.strip():
        raise BadRequest("give message as text, or messages as a list", param="message")
    return [asdict(Message(role="user", content=message))]


def _route(service: Service, body: Mapping[str, Any]) -> RouteRequest:
    route = route_of(_conversation(body), service.settings.routing_text_max, body)
    policy = body.get("policy")
    if policy is not None and policy not in get_args(Policy):
        raise BadRequest(f"policy must be one of {', '.join(get_args(Policy))}", param="policy")
    named = body.get("models") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise BadRequest("models must be a list of names", param="models")
    category = body.get("category")
    if category is not None and not isinstance(category, str):
        raise BadRequest("category must be text", param="category")
    return replace(
        route,
        policy=policy,
        models=tuple(named),
        category=category,
        bypass_cache=bool(body.get("bypass_cache")),
    )


def decision_view(decision: Decision) -> dict[str, Any]:
    """A decision as clients read it."""
    return asdict(decision) | {"target": decision.target}


async def chat(request: Request) -> HTTPResponse:
    """POST /chat: always routes."""
    service = _service(request)
    body = json_body(request)
    call = ChatCall(
        body={"messages": _conversation(body)},
        route=_route(service, body),
        request_id=request.ctx.request_id,
    )
    answered = await complete(service, call)
    found = {
        "response": message_text(answered.answer.found),
        "model": answered.answered_by,
        "decision": decision_view(answered.decision),
    }
    return send_json(found, headers=headers(answered, call.request_id))


async def route(request: Request) -> HTTPResponse:
    """POST /route: decide only, with what each candidate scored."""
    service = _service(request)
    wanted = _route(service, json_body(request))
    decision = await preview(service, wanted, request.ctx.request_id)
    among = eligible(wanted, service.registry.snapshot, service.health.cooling())
    order = ranked(among, decision.category)
    view = decision_view(decision) | {"candidates": [candidate_view(c) for c in order]}
    return send_json(view)


def candidate_view(candidate: Candidate) -> dict[str, Any]:
    """A candidate with its tags, its scores (0–10) and its latency."""
    return {
        "model": candidate.model.id,
        "strengths": candidate.model.strengths,
        "weaknesses": candidate.model.weaknesses,
        "scores": {name: asdict(score) for name, score in candidate.scores.items()},
        "avg_latency_ms": candidate.avg_latency_ms,
    }


def model_view(model: Model, candidate: Candidate | None) -> dict[str, Any]:
    """A model as PiPiMink's clients read it, and more."""
    scores = candidate.scores if candidate else {}
    latency = candidate.avg_latency_ms if candidate else None
    return {
        "id": model.id,
        "name": model.name,
        "source": model.provider,
        "enabled": model.enabled,
        "present": model.present,
        "tagged": model.tagged_by is not None,
        "taggedBy": model.tagged_by,
        "interviewError": model.interview_error,
        "hasReasoning": model.has_reasoning,
        "tags": {"strengths": model.strengths, "weaknesses": model.weaknesses},
        "capabilities": dict(model.capabilities),
        "benchmarkScores": {name: round(s.mean / 10, 4) for name, s in scores.items()},
        "scores": {name: asdict(score) for name, score in scores.items()},
        "avgLatencyMs": None if latency is None else round(latency),
        "updatedAt": model.updated_at,
    }


async def list_models(request: Request) -> HTTPResponse:
    """GET /models: every model, enabled or not."""
    service = _service(request)
    snapshot = await service.registry.settled()
    found = [model_view(c.model, c) for c in snapshot.candidates]
    found += [model_view(model, None) for model in snapshot.others]
    return send_json({"models": found, "count": len(found), "benchmarkJudge": judge_of(service)})


def judge_of(service: Service) -> str | None:
    settings = service.settings
    model = settings.benchmark_judge_model or settings.model_selection_model
    provider = settings.benchmark_judge_provider or settings.model_selection_provider
    return f"{provider}/{model}" if model else None


async def start(request: Request, what: str) -> HTTPResponse:
    """POST /models/{discover,tag,benchmark,update}: a real Prefect run; 202."""
    service = _service(request)
    require_admin(request, service.settings)
    flow = FLOWS.get(what)
    if flow is None:
        raise NotFound(f"there is nothing to start at /models/{what}")
    body = json_body(request) if request.body else {}
    if request.args.get("model"):
        body.setdefault("models", [{"name": request.args.get("model")}])
    if request.args.get("category"):
        body.setdefault("category", request.args.get("category"))
    started = await start_flow(service, flow, body)
    return send_json(started, status=202)


def run_view(run: Run) -> dict[str, Any]:
    return asdict(run)


async def list_runs(request: Request) -> HTTPResponse:
    """GET /runs"""
    found = await runs.list_runs(_service(request).pool, flow=request.args.get("flow"))
    return send_json({"runs": [run_view(run) for run in found], "count": len(found)})


async def get_run(request: Request, run_id: str) -> HTTPResponse:
    """GET /runs/{id}"""
    run = await runs.get_run(_service(request).pool, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return send_json(run_view(run))


async def cancel_run(request: Request, run_id: str) -> HTTPResponse:
    """POST /runs/{id}/cancel"""
    service = _service(request)
    require_admin(request, service.settings)
    run = await runs.get_run(service.pool, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    if run.state != "running":
        raise Conflict(f"run {run_id} has ended already: {run.state}")
    if run.prefect_flow_run_id is None:
        raise PrefectUnavailable("this run was not started through the Prefect server")
    await deployments.cancel_flow(service.settings.prefect_api_url, run.prefect_flow_run_id)
    await runs.cancel_run(service.pool, run_id)
    return send_json({"status": "accepted", "run_id": run_id}, status=202)


async def run_status(request: Request, what: str) -> HTTPResponse:
    """GET /models/{tag,benchmark}/status: the latest run's progress."""
    run = await runs.latest_run(_service(request).pool, FLOWS[what])
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


def find_model(service: Service, name: str, source: str | None = None) -> Model:
    """The model that an address (``provider/name``) or a bare name with source means."""
    name = unquote(name)
    found = service.registry.named(f"{source}/{name}" if source else name)
    if found is None:
        raise ModelNotFound(name)
    return found


async def enable_model(request: Request, name: str) -> HTTPResponse:
    """PATCH /models/{id}/enable"""
    service = _service(request)
    require_admin(request, service.settings)
    body = json_body(request)
    if not isinstance(body.get("enabled"), bool):
        raise BadRequest("enabled must be true or false", param="enabled")
    await service.registry.refresh()  # it may have been discovered a moment ago
    model = find_model(service, name, body.get("source"))
    await models.set_enabled(service.pool, model.provider, model.name, body["enabled"])
    await service.registry.refresh()
    return send_json({"id": model.id, "enabled": body["enabled"]})


async def model_results(request: Request, name: str) -> HTTPResponse:
    """GET /models/{name}/benchmark-results"""
    service = _service(request)
    model = find_model(service, name, request.args.get("source"))
    found = await results.results_of_model(service.pool, model.provider, model.name, limit=500)
    return send_json({"model": model.id, "results": found})
