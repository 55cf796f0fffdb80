"""The one use case: a chat request in, a model's answer and the decision behind it out.

The dialects parse into `ChatCall` and frame what comes back; neither they nor this module know
each other's wire formats.
"""

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from core import providers
from core.decision import Decision, JournalEntry
from core.errors import ModelNotFound, TouchstoneError, UpstreamError
from core.ids import new_id
from core.providers.http import lenient
from core.records import Provider
from core.routing import RouteRequest, decide
from serve.service import Service, routing_orders

logger = logging.getLogger(__name__)

#: what clients write to have the service choose
ROUTED_NAMES = frozenset({"", "touchstone", "auto"})
#: upstream answers that another model would give as well
_CLIENTS_FAULT = frozenset({400, 413, 422})
#: written down for a client that left before the end
_LEFT = 499


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """One chat request, whatever dialect it came in."""

    #: an OpenAI chat body; all but ``model`` goes through untouched
    body: dict[str, Any]
    route: RouteRequest
    #: as the client wrote it
    model: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A whole answer: the decision, who answered in the end, and an OpenAI chat completion."""

    decision: Decision
    answered_by: str
    body: bytes

    @property
    def text(self) -> str:
        """What the model said, without the completion around it."""
        return lenient(self.body)["choices"][0]["message"].get("content") or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """An answer on its way: the decision, who answers, and an OpenAI event stream."""

    decision: Decision
    answered_by: str
    frames: AsyncIterator[bytes]


async def choose(service: Service, call: ChatCall) -> Decision:
    """The named model without a decision, or a decision."""
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
    decision = await decide(
        call.route, service.registry.snapshot, routing_orders(service), service.cache
    )
    service.metrics.decided(decision)
    return decision


def _targets(service: Service, decision: Decision) -> Sequence[str]:
    """Whom to ask in turn: a routed request goes on to the runners-up, a named one stays."""
    if decision.outcome == "named":
        return [decision.target] * 2
    return [decision.target, *decision.runners_up[: service.settings.fallback_attempts]]


def _endpoint(service: Service, target: str) -> tuple[Provider, str]:
    provider, _, model = target.partition("/")
    try:
        return service.providers.for_model(provider, model), model
    except KeyError as exc:
        raise UpstreamError(
            f"the provider {provider!r} of model {model!r} is not in the configuration"
        ) from exc


async def complete(service: Service, call: ChatCall) -> Answered:
    """The whole answer; the next model is asked when one fails in passing."""
    started = time.perf_counter()
    decision = await choose(service, call)
    targets = _targets(service, decision)
    for turn, target in enumerate(targets, 1):
        try:
            body = await _ask(service, call, target)
        except UpstreamError as exc:
            if turn == len(targets) or not _goes_on(decision, exc):
                _record(service, call, decision, target, started, exc)
                raise
            service.metrics.retries.labels(target.partition("/")[0]).inc()
        else:
            _record(service, call, decision, target, started)
            return Answered(decision=decision, answered_by=target, body=body)
    raise AssertionError("there is always at least one target")


async def _ask(service: Service, call: ChatCall, target: str) -> bytes:
    """One call to one model, counted in its health and in the metrics."""
    started = time.perf_counter()
    try:
        provider, model = _endpoint(service, target)
        payload = orjson.dumps({**call.body, "model": model})
        service.health.trying(target)
        body = await providers.forward(
            service.client,
            provider,
            model,
            payload,
            default_max_tokens=service.settings.anthropic_max_tokens,
        )
    except UpstreamError as exc:
        _failed(service, target, started, exc)
        raise
    _succeeded(service, target, started)
    return body


def _goes_on(decision: Decision, exc: UpstreamError) -> bool:
    """Whether another try may help: not when the request itself is what the provider refuses."""
    if decision.outcome == "named":
        return exc.transient
    return exc.transient or exc.status not in _CLIENTS_FAULT


@asynccontextmanager
async def stream(service: Service, call: ChatCall) -> AsyncIterator[Streamed]:
    """An answer whose frames flow; the next model is asked only before the first byte."""
    started = time.perf_counter()
    decision = await choose(service, call)
    targets = _targets(service, decision)
    for turn, target in enumerate(targets, 1):
        called = time.perf_counter()
        try:
            first, frames, close = await _open(service, call, target)
        except UpstreamError as exc:
            _failed(service, target, called, exc)
            if turn == len(targets) or not _goes_on(decision, exc):
                _record(service, call, decision, target, started, exc)
                raise
            service.metrics.retries.labels(target.partition("/")[0]).inc()
            continue
        async with close:
            whole = _watched(service, call, decision, target, started, first, frames)
            yield Streamed(decision=decision, answered_by=target, frames=whole)
        return


async def _open(
    service: Service, call: ChatCall, target: str
) -> tuple[bytes, AsyncIterator[bytes], AsyncExitStack]:
    """A stream that has given its first bytes, with what closes it."""
    provider, model = _endpoint(service, target)
    payload = orjson.dumps({**call.body, "model": model})
    service.health.trying(target)
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(
            providers.stream(
                service.client,
                provider,
                model,
                payload,
                default_max_tokens=service.settings.anthropic_max_tokens,
            )
        )
        frames = aiter(source)
        try:
            first = await anext(frames)
        except StopAsyncIteration as exc:
            raise UpstreamError(f"{target} ended its stream before the first byte") from exc
        return first, frames, stack.pop_all()
    raise AssertionError("the stack lets every error through")


async def _watched(
    service: Service,
    call: ChatCall,
    decision: Decision,
    target: str,
    started: float,
    first: bytes,
    frames: AsyncIterator[bytes],
) -> AsyncIterator[bytes]:
    """The frames as they come; how the stream ended is written down."""
    failure: TouchstoneError | None = None
    status = _LEFT
    try:
        yield first
        async for frame in frames:
            yield frame
        status = 200
        _succeeded(service, target, started)
    except UpstreamError as exc:
        failure = exc
        _failed(service, target, started, exc)
        raise
    finally:
        _record(service, call, decision, target, started, failure, status)


def _succeeded(service: Service, target: str, started: float) -> None:
    service.health.succeeded(target)
    service.metrics.called(target, time.perf_counter() - started)


def _failed(service: Service, target: str, started: float, exc: UpstreamError) -> None:
    logger.warning("%s failed: %s", target, exc.message)
    service.metrics.called(target, time.perf_counter() - started, exc.code or "")
    if exc.transient or exc.code == "provider_auth":
        service.health.failed(target)


def _record(
    service: Service,
    call: ChatCall,
    decision: Decision,
    target: str,
    started: float,
    failure: TouchstoneError | None = None,
    status: int = 200,
) -> None:
    text = call.route.text
    keep = service.settings.store_prompts
    service.journal.put(
        JournalEntry(
            decision=decision,
            decided_at=datetime.now(UTC),
            prompt_hash=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            prompt_length=len(text),
            prompt={"off": None, "snippet": text[:200], "full": text}[keep],
            status=failure.status if failure else status,
            total_ms=(time.perf_counter() - started) * 1000,
            request_id=call.request_id,
            answered_by=(target or None) if failure is None else None,
            error=failure.message if failure else None,
        )
    )


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


async def preview(service: Service, route: RouteRequest, request_id: str) -> Decision:
    """Decide only; written down like any decision, with no answer behind it."""
    started = time.perf_counter()
    call = ChatCall(body={}, route=route, request_id=request_id)
    decision = await choose(service, call)
    _record(service, call, decision, "", started)
    return decision
