"""The one use case: a chat request in, a model's answer and the decision behind it out.

The dialects parse into `ChatCall` and frame what comes back; neither they nor this module know
each other's wire formats.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from core import providers
from core.decision import Decision, JournalEntry
from core.errors import TouchstoneError, UpstreamError, UpstreamRejected
from core.providers import Answer, Asked, Streaming
from core.routing import RouteRequest
from serve.calls import Answered, ChatCall, Streamed
from serve.choice import choose, endpoint, targets
from serve.service import Service

logger = logging.getLogger(__name__)

#: upstream answers that another model would give as well
_CLIENTS_FAULT = frozenset({400, 413, 422})
#: written down for a client that left before the end
_LEFT = 499


async def complete(service: Service, call: ChatCall) -> Answered:
    """The whole answer; the next model is asked when one fails in passing."""
    started = time.perf_counter()
    decision = await choose(service, call)
    candidates = targets(service, decision)
    service.metrics.overhead.observe(time.perf_counter() - started)
    for turn, target in enumerate(candidates, 1):
        try:
            answer = await _ask(service, call, target)
        except UpstreamError as exc:
            if not _goes_on(candidates[turn - 1 :], exc):
                _record(service, call, decision, target, started, exc)
                raise
            service.metrics.retries.labels(target.partition("/")[0]).inc()
        except TouchstoneError as exc:
            _record(service, call, decision, target, started, exc)
            raise
        except asyncio.CancelledError:
            _record(service, call, decision, target, started, status=_LEFT)
            raise
        else:
            _record(service, call, decision, target, started)
            return Answered(decision=decision, answered_by=target, answer=answer)
    raise AssertionError("there is always at least one target")


async def _ask(service: Service, call: ChatCall, target: str) -> Answer:
    """One call to one model, counted in its health and in the metrics."""
    started = time.perf_counter()
    try:
        provider, model = endpoint(service, target)
        service.health.trying(target)
        answer = await providers.forward(service.client, provider, model, _asked(service, call))
    except UpstreamError as exc:
        _failed(service, target, started, exc)
        raise
    _succeeded(service, target, started)
    service.metrics.spent(target, answer.usage)
    return answer


def _asked(service: Service, call: ChatCall) -> Asked:
    return Asked(
        body=call.body,
        spoken=call.spoken,
        headers=call.headers,
        heard=call.heard,
        max_tokens=service.settings.anthropic_max_tokens,
    )


def _goes_on(left: Sequence[str], exc: UpstreamError) -> bool:
    """Whether the next in line is asked: another model unless the request itself is at fault, the
    same one only when its failure may pass by itself."""
    if len(left) < 2:
        return False
    if left[0] == left[1]:
        return exc.transient and not exc.exhausted
    return exc.transient or exc.status not in _CLIENTS_FAULT


@asynccontextmanager
async def stream(service: Service, call: ChatCall) -> AsyncIterator[Streamed]:
    """An answer whose frames flow; the next model is asked only before the first byte."""
    started = time.perf_counter()
    decision = await choose(service, call)
    candidates = targets(service, decision)
    service.metrics.overhead.observe(time.perf_counter() - started)
    for turn, target in enumerate(candidates, 1):
        called = time.perf_counter()
        try:
            first, source, close = await _open(service, call, target)
        except UpstreamError as exc:
            _failed(service, target, called, exc)
            if not _goes_on(candidates[turn - 1 :], exc):
                _record(service, call, decision, target, started, exc)
                raise
            service.metrics.retries.labels(target.partition("/")[0]).inc()
            continue
        except TouchstoneError as exc:
            _record(service, call, decision, target, started, exc)
            raise
        except asyncio.CancelledError:
            _record(service, call, decision, target, started, status=_LEFT)
            raise
        service.metrics.began(target, time.perf_counter() - called)
        ending = _Ending()
        async with close, aclosing(_watched(ending, first, source)) as frames:
            try:
                yield Streamed(decision=decision, answered_by=target, source=source, frames=frames)
            finally:
                _ended(service, target, called, ending, source)
                _record(service, call, decision, target, started, ending.failure, ending.status)
        return


async def _open(
    service: Service, call: ChatCall, target: str
) -> tuple[bytes, Streaming, AsyncExitStack]:
    """A stream that has given its first bytes, with what closes it."""
    provider, model = endpoint(service, target)
    service.health.trying(target)
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(
            providers.stream(service.client, provider, model, _asked(service, call))
        )
        source.frames = aiter(source.frames)
        try:
            first = await anext(source.frames)
        except StopAsyncIteration as exc:
            raise UpstreamError(f"{target} ended its stream before the first byte") from exc
        return first, source, stack.pop_all()
    raise AssertionError("the stack lets every error through")


@dataclass(slots=True)
class _Ending:
    """How a stream ended: by the client's leaving, unless it is seen to end otherwise."""

    status: int = _LEFT
    failure: UpstreamError | None = None


async def _watched(ending: _Ending, first: bytes, source: Streaming) -> AsyncGenerator[bytes, None]:
    """The frames as they come."""
    try:
        yield first
        async for frame in source.frames:
            yield frame
        ending.status = 200
    except UpstreamError as exc:
        ending.failure = exc
        raise


def _ended(
    service: Service, target: str, called: float, ending: _Ending, source: Streaming
) -> None:
    if ending.failure is not None:
        _failed(service, target, called, ending.failure)
    elif ending.status == 200:
        _succeeded(service, target, called)
    service.metrics.spent(target, source.watch.usage)


def _succeeded(service: Service, target: str, started: float) -> None:
    service.health.succeeded(target)
    service.metrics.called(target, time.perf_counter() - started)


def _failed(service: Service, target: str, started: float, exc: UpstreamError) -> None:
    logger.warning("%s failed: %s", target, exc.message)
    service.metrics.called(target, time.perf_counter() - started, exc.code or "")
    if exc.exhausted or (isinstance(exc, UpstreamRejected) and exc.retry_after_s):
        service.health.rest(target, exc.retry_after_s)
    elif exc.transient or exc.code == "provider_auth":
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
    if call.turn and target and status == 200 and not failure and decision.outcome != "named":
        service.conversations.answered(call.turn, target, decision.category)


async def preview(service: Service, route: RouteRequest, request_id: str) -> Decision:
    """Decide only; written down like any decision, with no answer behind it."""
    started = time.perf_counter()
    call = ChatCall(body={}, route=route, request_id=request_id)
    decision = await choose(service, call)
    _record(service, call, decision, "", started)
    return decision
