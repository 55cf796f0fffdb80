"""Which model shall answer: constraints, cache, meta-model, and the stated fallbacks.

Knows records, the cache and the evidence; is handed `Chat` and refuses to know where it leads.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.cache import DecisionCache, cache_key
from core.decision import Candidate, Decision, Guardrail, Policy, Snapshot
from core.errors import ModelNotFound, NothingRoutable, TouchstoneError, UpstreamTimeout
from core.evidence import Objection, better, ranked
from core.ids import new_id
from core.meta_model import Choice, question, read
from core.records import Chat, Model

logger = logging.getLogger(__name__)

#: how many runners-up a decision names
RUNNERS_UP = 3
#: how background prompts of chat interfaces begin (titles, tags, follow-ups)
HOUSEKEEPING = "### Task:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """What is to be routed, and what narrows the choice."""

    text: str
    #: ``provider/name`` or bare names the caller allows; empty: all enabled
    models: tuple[str, ...] = ()
    category: str | None = None
    policy: Policy | None = None
    bypass_cache: bool = False
    #: abilities the request needs: vision, tools
    needs: frozenset[str] = frozenset()
    #: about how many tokens the whole request holds
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The standing orders for deciding, and the meta-model that may be asked."""

    policy: Policy = "meta"
    #: asks the meta-model; None: there is none
    chat: Chat | None = None
    meta_model: str | None = None
    default_model: str = ""
    timeout_s: float = 5.0
    #: whether the scores may overrule the meta-model, or only be recorded
    guardrail: Guardrail = "on"
    #: models that are cooling down after failures, as ``provider/name``
    cooling: frozenset[str] = frozenset()


async def decide(
    request: RouteRequest, snapshot: Snapshot, routing: Routing, cache: DecisionCache
) -> Decision:
    """Choose a model for ``request``; `NothingRoutable` when there is none at all."""
    started = time.perf_counter()
    candidates = eligible(request, snapshot, routing.cooling)
    decision = _without_asking(request, candidates, snapshot, routing)
    if decision is None:
        decision = await _cached(request, candidates, snapshot, routing, cache)
    return replace(
        decision,
        id=new_id(),
        snapshot_id=snapshot.id,
        decision_ms=(time.perf_counter() - started) * 1000,
    )


def _without_asking(
    request: RouteRequest, candidates: Sequence[Candidate], snapshot: Snapshot, routing: Routing
) -> Decision | None:
    """What needs neither cache nor meta-model: no choice, or nothing worth one."""
    if not candidates:
        return _last_resort(snapshot, routing)
    if len(candidates) == 1:
        return _decision(candidates[0], "single", "the only model that may take it")
    if request.text.lstrip().startswith(HOUSEKEEPING):
        order = ranked(candidates)
        return _decision(order[0], "policy", "a chat interface's own background prompt", order)
    return None


async def _cached(
    request: RouteRequest,
    candidates: Sequence[Candidate],
    snapshot: Snapshot,
    routing: Routing,
    cache: DecisionCache,
) -> Decision:
    """The cached decision, or a new one that all who ask the same meanwhile share."""
    policy = request.policy or routing.policy
    key = cache_key(
        request.text,
        snapshot.id,
        constraints=[
            f"policy={policy}",
            f"category={request.category}",
            *(f"model={candidate.model.id}" for candidate in candidates),
        ],
    )
    if not request.bypass_cache and (hit := cache.get(key)) is not None:
        return hit

    async def choose() -> Decision:
        decision = await _choose(request, candidates, snapshot, routing, policy, key, cache)
        outcome = "fallback" if decision.outcome == "fallback" else "cache"
        cache.put(key, request.text, replace(decision, outcome=outcome, cached=True))
        return decision

    if request.bypass_cache:
        return await choose()
    decision, _ = await cache.once(key, choose)
    return decision


def eligible(
    request: RouteRequest, snapshot: Snapshot, cooling: frozenset[str]
) -> Sequence[Candidate]:
    """The candidates that may take the request; a filter that would leave none is lifted."""
    found: Sequence[Candidate] = snapshot.candidates
    if request.models:
        found = [c for c in found if {c.model.id, c.model.name} & set(request.models)]
        if not found:
            raise ModelNotFound(", ".join(request.models))
    if request.needs:
        found = [c for c in found if _can(c, request.needs)] or found
    found = [c for c in found if _holds(c, request.tokens)] or found
    if cooling:
        found = [c for c in found if c.model.id not in cooling] or found
    return found


def _can(candidate: Candidate, needs: frozenset[str]) -> bool:
    """Whether it is not known to lack any of these abilities."""
    return all(candidate.model.capabilities.get(need) is not False for need in needs)


def _holds(candidate: Candidate, tokens: int) -> bool:
    """Whether so many tokens are not known to be more than it takes."""
    context = candidate.model.capabilities.get("context")
    return not isinstance(context, int) or tokens < context


async def _choose(
    request: RouteRequest,
    candidates: Sequence[Candidate],
    snapshot: Snapshot,
    routing: Routing,
    policy: Policy,
    key: str,
    cache: DecisionCache,
) -> Decision:
    """The decision by ``policy``; the stated fallback when the meta-model fails."""
    order = ranked(candidates, request.category)
    if policy == "random":
        picked = random.Random(key).choice(list(candidates))
        return _decision(picked, "policy", "picked at random, for comparison", order)
    if policy == "best-single" or routing.chat is None:
        why = "best overall by your benchmark"
        if policy == "meta":
            why += "; no meta-model is set (MODEL_SELECTION_PROVIDER, MODEL_SELECTION_MODEL)"
        return replace(_decision(order[0], "policy", why, order), category=request.category)
    try:
        async with asyncio.timeout(routing.timeout_s):
            reply = await routing.chat(question(request.text, candidates, snapshot, seed=key))
        if reply.finish_reason == "length":
            logger.info("the meta-model's reply was cut off at the token limit")
        choice = read(reply.text, candidates, snapshot.categories)
    except TimeoutError:
        failure: TouchstoneError = UpstreamTimeout(f"no decision within {routing.timeout_s:g} s")
    except TouchstoneError as exc:
        failure = exc
    else:
        return _from_choice(choice, routing, order)
    logger.warning("the meta-model did not decide: %s", failure.message)
    return _fallback(request, order, cache, failure)


def _from_choice(choice: Choice, routing: Routing, order: Sequence[Candidate]) -> Decision:
    """The meta-model's choice, unless the scores speak clearly against it."""
    objection = None
    if routing.guardrail != "off":
        objection = better(choice.candidate, order, choice.category)
    if objection and routing.guardrail == "on":
        best = _decision(objection.best, "guardrail", _why(objection, choice), order)
        return replace(best, category=choice.category, meta_model=routing.meta_model)
    reason = choice.reason
    if objection:
        reason = f"{reason} (guardrail: {_why(objection, choice)})"
    return replace(
        _decision(choice.candidate, "meta", reason, order),
        category=choice.category,
        matching_tags=choice.matching_tags,
        tag_relevance=choice.tag_relevance,
        meta_model=routing.meta_model,
    )


def _why(objection: Objection, choice: Choice) -> str:
    where = f"in {choice.category}" if choice.category else "over all"
    return (
        f"your scores expect {objection.mean:.1f} ± {objection.sd:.1f} {where} from "
        f"{objection.best.model.id}, and {objection.mean_of_chosen:.1f} from "
        f"{choice.candidate.model.id}, which the meta-model chose"
    )


def _fallback(
    request: RouteRequest,
    order: Sequence[Candidate],
    cache: DecisionCache,
    failure: TouchstoneError,
) -> Decision:
    """A stale decision if its model is still a candidate, else the best single model."""
    stale = cache.stale(request.text)
    allowed = {candidate.model.id for candidate in order}
    if stale is not None and stale.target in allowed:
        reason = f"an earlier decision stands while the meta-model fails ({failure.message})"
        return replace(stale, outcome="fallback", reason=reason, cached=True)
    reason = f"best overall by your benchmark; the meta-model failed ({failure.message})"
    return replace(_decision(order[0], "fallback", reason, order), category=request.category)


def _last_resort(snapshot: Snapshot, routing: Routing) -> Decision:
    """No candidate at all: the default model, else any discovered one."""
    known: list[Model] = [c.model for c in snapshot.candidates]
    known += [model for model in snapshot.others if model.present]
    wanted = [m for m in known if routing.default_model in (m.id, m.name)]
    healthy = [m for m in known if m.id not in routing.cooling] or known
    found = wanted or healthy
    if not found:
        raise NothingRoutable(
            "no model is known yet: run `touchstone discover`, or POST /models/discover"
        )
    why = "DEFAULT_CHAT_MODEL" if wanted else "the first model discovered"
    return _decision(
        Candidate(model=found[0]), "fallback", f"no model is enabled for routing; {why}"
    )


def _decision(
    candidate: Candidate, outcome: Any, reason: str, order: Sequence[Candidate] = ()
) -> Decision:
    model = candidate.model
    others = tuple(c.model.id for c in order if c.model.id != model.id)
    return Decision(
        id="",
        provider=model.provider,
        model=model.name,
        outcome=outcome,
        reason=reason,
        runners_up=others[:RUNNERS_UP],
    )
