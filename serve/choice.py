"""Which model is asked: the one that is named, the one a conversation is with, or a decision."""

import time
from collections.abc import Sequence
from dataclasses import replace

from core.decision import Decision
from core.errors import ModelNotFound, UpstreamError
from core.evidence import ranked
from core.ids import new_id
from core.records import Provider
from core.routing import HOUSEKEEPING, decide, eligible
from serve.calls import ROUTED_NAMES, ChatCall
from serve.conversations import Standing
from serve.service import Service, routing_orders

_STAYS = "the conversation stays with its model"


async def choose(service: Service, call: ChatCall) -> Decision:
    """The named model without a decision, or a decision; `ModelNotFound` for an unknown name where
    UNKNOWN_MODEL says so."""
    if call.model not in ROUTED_NAMES:
        named = service.registry.named(call.model)
        if named is not None:
            return Decision(
                id=new_id(),
                provider=named.provider,
                model=named.name,
                outcome="named",
                reason="the request names it",
                snapshot_id=service.registry.snapshot.id,
            )
        if service.settings.unknown_model == "reject":
            raise ModelNotFound(call.model)
    decision = await _routed(service, call)
    service.metrics.decided(decision)
    return decision


async def _routed(service: Service, call: ChatCall) -> Decision:
    standing = _standing(service, call)
    if standing is not None and call.turn and standing.human_turns == call.turn.human_turns:
        return _unasked(service, standing)
    decision = await decide(
        call.route, service.registry.snapshot, routing_orders(service), service.cache
    )
    if standing is None or standing.target == decision.target:
        return decision
    if standing.category and decision.category and decision.category != standing.category:
        return decision
    return _with(decision, standing, f"{_STAYS}: the category is the same")


def _standing(service: Service, call: ChatCall) -> Standing | None:
    """How the conversation stands, if its model may take this turn too."""
    if call.turn is None or call.route.text.lstrip().startswith(HOUSEKEEPING):
        return None
    standing = service.conversations.of(call.turn)
    if standing is None:
        return None
    may = eligible(call.route, service.registry.snapshot, service.health.cooling())
    return standing if any(c.model.id == standing.target for c in may) else None


def _unasked(service: Service, standing: Standing) -> Decision:
    """A tool's results, or a try again: the human has said nothing new to decide by."""
    started = time.perf_counter()
    snapshot = service.registry.snapshot
    order = (c.model.id for c in ranked(snapshot.candidates, standing.category))
    others = tuple(target for target in order if target != standing.target)
    blank = Decision(
        id=new_id(),
        provider="",
        model="",
        outcome="policy",
        category=standing.category,
        runners_up=others[: service.settings.fallback_attempts],
        snapshot_id=snapshot.id,
        cached=True,
    )
    decision = _with(blank, standing, f"{_STAYS}: the human has said nothing new")
    return replace(decision, decision_ms=(time.perf_counter() - started) * 1000)


def _with(decision: Decision, standing: Standing, reason: str) -> Decision:
    """The decision for the model the conversation is with; the one chosen is next in line."""
    provider, _, model = standing.target.partition("/")
    next_best = [decision.target] if decision.provider else []
    runners_up = [*next_best, *(r for r in decision.runners_up if r != standing.target)]
    return replace(
        decision,
        provider=provider,
        model=model,
        outcome="policy",
        reason=reason,
        matching_tags=(),
        tag_relevance={},
        runners_up=tuple(runners_up),
    )


def targets(service: Service, decision: Decision) -> Sequence[str]:
    """Whom to ask in turn: a routed request goes on to the runners-up; a named one, and one that
    has none, stays with its model for a second try."""
    others = decision.runners_up[: service.settings.fallback_attempts]
    if decision.outcome == "named" or not others:
        return [decision.target] * 2
    return [decision.target, *others]


def endpoint(service: Service, target: str) -> tuple[Provider, str]:
    """The provider, with that model's overrides, and the model's bare name."""
    provider, _, model = target.partition("/")
    try:
        return service.providers.for_model(provider, model), model
    except KeyError as exc:
        raise UpstreamError(
            f"the provider {provider!r} of model {model!r} is not in the configuration"
        ) from exc
