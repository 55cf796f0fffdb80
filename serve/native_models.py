"""Touchstone's own dialect, the models: list, switch on and off, reset, delete."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sanic import HTTPResponse, Request

from core.decision import Candidate
from core.errors import BadRequest, ModelNotFound
from core.records import Model
from core.store import models
from serve.auth import require_admin
from serve.named import find_model, optional_body
from serve.operations import Operation, described, fields, value
from serve.parse import json_body
from serve.reply import send_json
from serve.service import Service
from serve.standings import judge_of, share

_SOURCE = value("string", "the provider, where the address holds the bare name")
#: what needs no more than the model it is done to
_CHANGE = Operation(
    body=fields(source=_SOURCE),
    optional=True,
    query={"source": "the provider, as in the body"},
    answer="`id`, `name`, `source`, `status`",
    admin=True,
)


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
        "benchmarkScores": {name: share(score.mean) for name, score in scores.items()},
        "scores": {name: asdict(score) for name, score in scores.items()},
        "avgLatencyMs": None if latency is None else round(latency),
        "updatedAt": model.updated_at,
    }


@described(Operation(answer="`models`, `count`, `benchmarkJudge`"))
async def list_models(request: Request) -> HTTPResponse:
    """GET /models: every model, enabled or not, with tags, scores and latency."""
    service: Service = request.app.ctx.service
    snapshot = await service.registry.settled()
    found = [model_view(c.model, c) for c in snapshot.candidates]
    found += [model_view(model, None) for model in snapshot.others]
    return send_json({"models": found, "count": len(found), "benchmarkJudge": judge_of(service)})


async def _meant(request: Request, name: str, body: Mapping[str, Any]) -> Model:
    service: Service = request.app.ctx.service
    await service.registry.refresh()  # it may have been discovered a moment ago
    return find_model(service, name, body.get("source") or request.args.get("source"))


async def _changed(request: Request, model: Model, done: bool, **told: Any) -> HTTPResponse:
    """The answer to a change, when the service itself goes by it."""
    if not done:
        raise ModelNotFound(model.id)
    service: Service = request.app.ctx.service
    await service.registry.refresh()
    return send_json({"id": model.id, "name": model.name, "source": model.provider, **told})


@described(
    Operation(
        body=fields(
            required=("enabled",),
            enabled=value("boolean", "whether to route to it"),
            source=_SOURCE,
        ),
        answer="`id`, `name`, `source`, `enabled`",
        admin=True,
    )
)
async def enable_model(request: Request, name: str) -> HTTPResponse:
    """PATCH /models/{id}/enable: a person's switch, which no interview overrides."""
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    body = json_body(request)
    enabled = body.get("enabled")
    if not isinstance(enabled, bool):
        raise BadRequest("enabled must be true or false", param="enabled")
    model = await _meant(request, name, body)
    done = await models.set_enabled(service.pool, model.provider, model.name, enabled)
    return await _changed(request, model, done, enabled=enabled)


@described(_CHANGE)
async def reset_model(request: Request, name: str) -> HTTPResponse:
    """POST /models/{id}/reset: forget tags, switch and learnt refusals, as if never interviewed.

    Its results stay, and the history of its interviews stays readable.
    """
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    model = await _meant(request, name, optional_body(request))
    done = await models.reset_model(service.pool, model.provider, model.name)
    return await _changed(request, model, done, status="reset")


@described(_CHANGE)
async def delete_model(request: Request, name: str) -> HTTPResponse:
    """DELETE /models/{id}: remove it with its interviews and results.

    The next discovery finds it again as a new model while its provider lists it.
    """
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    model = await _meant(request, name, optional_body(request))
    done = await models.delete_model(service.pool, model.provider, model.name)
    return await _changed(request, model, done, status="deleted")
