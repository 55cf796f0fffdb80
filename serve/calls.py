"""A chat request on its way in and its answer on the way out, whatever dialect they come in."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sanic import Request

from core.decision import Decision
from core.providers import Answer, Asked
from core.records import ProviderType
from core.routing import RouteRequest
from serve.conversations import Turn, turn_of
from serve.parse import model_of, route_of
from serve.service import Service

#: what clients write to have the service choose
ROUTED_NAMES = frozenset({"", "touchstone", "auto"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """One chat request."""

    #: in the client's format; all but ``model`` goes through untouched
    asked: Asked
    route: RouteRequest
    #: as the client wrote it
    model: str = ""
    request_id: str = ""
    #: None: whatever was said before does not matter
    turn: Turn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A whole answer: the decision, who answered in the end, and what."""

    decision: Decision
    answered_by: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """An answer on its way: the decision, who answers, and an event stream."""

    decision: Decision
    answered_by: str
    frames: AsyncIterator[bytes]


def call_of(
    request: Request,
    body: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    *,
    spoken: ProviderType = "openai-compatible",
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    heard: Callable[[dict[str, Any]], None] | None = None,
) -> ChatCall:
    """The call that a request makes; ``messages``: the conversation as chat messages.

    ``models`` and ``category`` of a request to be routed narrow the choice where they name what is
    known here, and are then no part of what is passed on. The other arguments are those of `Asked`.
    """
    service: Service = request.app.ctx.service
    name = model_of(body) if model is None else model
    route = route_of(messages, service.settings.routing_text_max, body)
    if "models" in body or "category" in body:
        body, route = _narrowed(service, body, route)
    asked = Asked(
        body=body,
        spoken=spoken,
        headers=headers or {},
        max_tokens=service.settings.anthropic_max_tokens,
        heard=heard,
    )
    return ChatCall(
        asked=asked,
        route=route,
        model=name,
        request_id=request.ctx.request_id,
        turn=turn_of(messages) if service.settings.sticky_conversations else None,
    )


def _narrowed(
    service: Service, body: Mapping[str, Any], route: RouteRequest
) -> tuple[Mapping[str, Any], RouteRequest]:
    known = service.registry.snapshot
    names = {name for c in known.candidates for name in (c.model.id, c.model.name)}
    models, category = body.get("models"), body.get("category")
    if isinstance(models, list) and models and all(_among(name, names) for name in models):
        route = replace(route, models=tuple(models))
        body = {name: value for name, value in body.items() if name != "models"}
    if isinstance(category, str) and category in known.categories:
        route = replace(route, category=category)
        body = {name: value for name, value in body.items() if name != "category"}
    return body, route


def _among(name: Any, names: set[str]) -> bool:
    return isinstance(name, str) and name in names


def headers(answered: Answered | Streamed, request_id: str) -> dict[str, str]:
    """What every reply carries."""
    decision = answered.decision
    return {
        "x-touchstone-model": answered.answered_by,
        "x-touchstone-outcome": decision.outcome,
        "x-touchstone-cache": "hit" if decision.cached else "miss",
        "x-touchstone-decision-id": decision.id,
        "x-request-id": request_id,
    }


def message_text(completion: Mapping[str, Any]) -> str:
    """What the model said, without the completion around it."""
    return completion["choices"][0]["message"].get("content") or ""
