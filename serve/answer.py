"""The one use case: a chat request in, a model's answer and the decision behind it out.

The dialects parse into `ChatCall` and frame what comes back; neither they nor this module know
each other's wire formats.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from core import providers
from core.decision import Decision, JournalEntry
from core.errors import TouchstoneError, UpstreamError, UpstreamRejected
from core.providers import Answer, Asked, Streaming
from core.records import Provider
from core.routing import RouteRequest
from serve.calls import Answered, ChatCall, Streamed
from serve.choice import choose, endpoint, targets
from serve.service import Service

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: upstream answers that another model would give as well
_CLIENTS_FAULT = frozenset({400, 413, 422})
#: written down for a client that left before the end
_LEFT = 499


@dataclass(frozen=True, slots=True)
class _Taken:
    """Who takes a call: the decision, the model, and the moments when the call came and when that
    model was asked."""

    decision: Decision
    target: str
    started: float
    called: float


async def complete(service: Service, call: ChatCall) -> Answered:
    """The whole answer; the next model is asked when one fails in passing."""

    async def ask(provider: Provider, model: str) -> Answer:
        return await providers.forward(service.client, provider, model, call.asked)

    taken, answer = await _first_to_answer(service, call, ask)
    _succeeded(service, taken)
    service.metrics.spent(taken.target, answer.usage)
    _record(service, call, taken)
    return Answered(decision=taken.decision, answered_by=taken.target, answer=answer)


@asynccontextmanager
async def stream(service: Service, call: ChatCall) -> AsyncIterator[Streamed]:
    """An answer whose frames flow; the next model is asked only before the first byte."""

    async def ask(provider: Provider, model: str) -> tuple[bytes, Streaming, AsyncExitStack]:
        return await _open(service, call, provider, model)

    taken, (first, source, close) = await _first_to_answer(service, call, ask)
    service.metrics.began(taken.target, time.perf_counter() - taken.called)
    ending = _Ending()
    async with close, aclosing(_watched(ending, first, source)) as frames:
        try:
            yield Streamed(decision=taken.decision, answered_by=taken.target, frames=frames)
        finally:
            _ended(service, taken, ending, source)
            _record(service, call, taken, ending.failure, ending.status)


async def _first_to_answer(
    service: Service, call: ChatCall, ask: Callable[[Provider, str], Awaitable[T]]
) -> tuple[_Taken, T]:
    """What ``ask`` gives for the first model in line that does not fail.

    Each failure counts in the model's health; the one that nobody makes good is written down.
    """
    started = time.perf_counter()
    decision = await choose(service, call)
    line = targets(service, decision)
    service.metrics.overhead.observe(time.perf_counter() - started)
    for turn, target in enumerate(line):
        taken = _Taken(decision, target, started, time.perf_counter())
        try:
            provider, model = endpoint(service, target)
            service.health.trying(target)
            return taken, await ask(provider, model)
        except UpstreamError as exc:
            _failed(service, taken, exc)
            if not _goes_on(line[turn:], exc):
                _record(service, call, taken, exc)
                raise
            service.metrics.retries.labels(target.partition("/")[0]).inc()
        except TouchstoneError as exc:
            _record(service, call, taken, exc)
            raise
        except asyncio.CancelledError:
            _record(service, call, taken, status=_LEFT)
            raise
    raise AssertionError("there is always at least one target")


def _goes_on(left: Sequence[str], exc: UpstreamError) -> bool:
    """Whether the next in line is asked: another model unless the request itself is at fault, the
    same one only when its failure may pass by itself."""
    if len(left) < 2:
        return False
    if left[0] == left[1]:
        return exc.transient and not exc.exhausted
    return exc.transient or exc.status not in _CLIENTS_FAULT


async def _open(
    service: Service, call: ChatCall, provider: Provider, model: str
) -> tuple[bytes, Streaming, AsyncExitStack]:
    """A stream that has given its first bytes, with what closes it."""
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(
            providers.stream(service.client, provider, model, call.asked)
        )
        source.frames = aiter(source.frames)
        try:
            first = await anext(source.frames)
        except StopAsyncIteration as exc:
            raise UpstreamError(
                f"{provider.name}/{model} ended its stream before the first byte"
            ) from exc
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


def _ended(service: Service, taken: _Taken, ending: _Ending, source: Streaming) -> None:
    if ending.failure is not None:
        _failed(service, taken, ending.failure)
    elif ending.status == 200:
        _succeeded(service, taken)
    service.metrics.spent(taken.target, source.watch.usage)


def _succeeded(service: Service, taken: _Taken) -> None:
    service.health.succeeded(taken.target)
    service.metrics.called(taken.target, time.perf_counter() - taken.called)


def _failed(service: Service, taken: _Taken, exc: UpstreamError) -> None:
    logger.warning("%s failed: %s", taken.target, exc.message)
    service.metrics.called(taken.target, time.perf_counter() - taken.called, exc.code or "")
    if exc.exhausted or (isinstance(exc, UpstreamRejected) and exc.retry_after_s):
        service.health.rest(taken.target, exc.retry_after_s)
    elif exc.transient or exc.code == "provider_auth":
        service.health.failed(taken.target)


def _record(
    service: Service,
    call: ChatCall,
    taken: _Taken,
    failure: TouchstoneError | None = None,
    status: int = 200,
) -> None:
    decision, target = taken.decision, taken.target
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
            total_ms=(time.perf_counter() - taken.started) * 1000,
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
    call = ChatCall(asked=Asked(body={}), route=route, request_id=request_id)
    decision = await choose(service, call)
    _record(service, call, _Taken(decision, "", started, started))
    return decision
