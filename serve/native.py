"""Touchstone's own dialect, asking: /chat answers, /route only decides."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, get_args

from sanic import HTTPResponse, Request

from core.decision import Candidate, Decision, Policy
from core.errors import BadRequest
from core.evidence import ranked
from core.providers import Asked
from core.records import Message
from core.routing import RouteRequest, eligible
from serve.answer import complete, preview
from serve.calls import ChatCall, headers, message_text
from serve.operations import Operation, described, fields, value
from serve.parse import json_body, messages_of, route_of
from serve.reply import send_json
from serve.service import Service

_ASKED = {
    "message": value("string", "what is asked; or give `messages`"),
    "messages": value("array", "the conversation, as OpenAI has it", items={"type": "object"}),
    "models": value("array", "the only candidates", items={"type": "string"}),
    "category": value("string", "decide by the scores of this category"),
    "policy": value("string", "in place of ROUTING_POLICY", enum=list(get_args(Policy))),
    "bypass_cache": value("boolean", "decide anew"),
}


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


@described(Operation(body=fields(required=(), **_ASKED), answer="`response`, `model`, `decision`"))
async def chat(request: Request) -> HTTPResponse:
    """POST /chat: always routes."""
    service: Service = request.app.ctx.service
    body = json_body(request)
    call = ChatCall(
        asked=Asked(
            body={"messages": _conversation(body)}, max_tokens=service.settings.anthropic_max_tokens
        ),
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


@described(
    Operation(
        body=fields(required=(), **_ASKED), answer="the decision, and `candidates` best first"
    )
)
async def route(request: Request) -> HTTPResponse:
    """POST /route: decide only, with what each candidate scored."""
    service: Service = request.app.ctx.service
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
