"""The numbers an operator scrapes: seconds, bytes, `_total`; never a prompt or a user."""

import asyncio
import contextlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from core.decision import Decision, Snapshot
from core.records import Usage
from serve.journal import Journal
from serve.registry import Registry

#: .01 … 81.92 seconds, doubling
BUCKETS = tuple(0.01 * 2**power for power in range(14))
#: tokens, 1 … 4 194 304, times four
TOKEN_BUCKETS = tuple(float(4**power) for power in range(12))


#: children that are found without looking
_CHILDREN = 4096


def _child(metric: Any, *labels: str) -> Any:
    return metric.labels(*labels)


class Models(Collector):
    """What the snapshot says of each model, read when scraped: every worker has the same."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> list[Metric]:
        enabled = GaugeMetricFamily(
            "touchstone_model_enabled", "1 when it is a candidate, else 0", labels=["model"]
        )
        score = GaugeMetricFamily(
            "touchstone_model_score", "Mean, 0 to 10", labels=["model", "category"]
        )
        for model in self._snapshot.others:
            enabled.add_metric([model.id], 0)
        for candidate in self._snapshot.candidates:
            enabled.add_metric([candidate.model.id], 1)
            for category, found in candidate.scores.items():
                score.add_metric([candidate.model.id, category], found.mean)
        return [enabled, score]


class Metrics:
    """One registry for each service.

    Several workers keep their numbers in files of ``shared``, prometheus-client's directory for
    that (PROMETHEUS_MULTIPROC_DIR, set before it is imported); whoever is scraped adds them up.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
        self.registry = CollectorRegistry()
        # finding a metric's child costs more than counting with it
        self._child = lru_cache(maxsize=_CHILDREN)(_child)
        self._of_requests()
        self._of_calls()
        self._of_decisions()
        self._of_what_is_held()

    def _of_requests(self) -> None:
        self.requests = self._counter(
            "touchstone_http_requests", "Requests answered", "method", "route", "status"
        )
        self.duration = self._histogram(
            "touchstone_http_request_duration_seconds",
            "From the request's arrival to its answer, or to a stream's first byte",
            "route",
        )
        self._in_flight = self._gauge(
            "touchstone_http_requests_in_flight", "Requests being answered"
        )

    def _of_calls(self) -> None:
        called = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
        self.calls = self._histogram(
            "gen_ai_client_operation_duration_seconds",
            "One call to a model, to its last byte",
            *(*called, "error_type"),
        )
        self.first_chunk = self._histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "From a call to a model to the first bytes of its stream",
            *called,
        )
        self.tokens = self._histogram(
            "gen_ai_client_token_usage",
            "Tokens of one call",
            *(*called, "gen_ai_token_type"),
            buckets=TOKEN_BUCKETS,
        )
        self.retries = self._counter(
            "touchstone_upstream_retries", "Failed calls that another one followed", "provider"
        )

    def _of_decisions(self) -> None:
        self.overhead = self._histogram(
            "touchstone_routing_overhead_seconds",
            "From a chat request, read, to the first call to a model",
        )
        self.decisions = self._counter(
            "touchstone_routing_decisions", "Decisions made", "model", "outcome"
        )
        self.decision_duration = self._histogram(
            "touchstone_routing_decision_duration_seconds", "Time to decide", "cache"
        )
        self.failures = self._counter(
            "touchstone_routing_failures", "Decisions that fell back", "reason"
        )
        self.cache = self._counter(
            "touchstone_decision_cache_requests", "Decisions by cache", "result"
        )

    def _of_what_is_held(self) -> None:
        self._entries = self._gauge("touchstone_decision_cache_entries", "Decisions held")
        self._conversations = self._gauge(
            "touchstone_conversations", "Conversations whose model is remembered"
        )
        self._tasks = self._gauge("touchstone_tasks", "Tasks on the workers' event loops")
        self._queued = self._gauge("touchstone_journal_queued", "Decisions waiting to be written")
        self._dropped = self._counter("touchstone_journal_dropped", "Decisions lost")
        self._counted = 0

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _histogram(
        self, name: str, help_text: str, *labels: str, buckets: tuple[float, ...] = BUCKETS
    ) -> Histogram:
        return Histogram(name, help_text, labels, registry=self.registry, buckets=buckets)

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(name, help_text, registry=self.registry, multiprocess_mode="livesum")

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """A request was answered, or a stream begun, after so long; None: nobody looked."""
        self._child(self.requests, method, route, str(status)).inc()
        if seconds is not None:
            self._child(self.duration, route).observe(seconds)

    def decided(self, decision: Decision) -> None:
        cached = "hit" if decision.cached else "miss"
        self._child(self.decisions, decision.target, decision.outcome).inc()
        self._child(self.cache, cached).inc()
        self._child(self.decision_duration, cached).observe(decision.decision_ms / 1000)
        if decision.outcome == "fallback":
            self.failures.labels("fallback").inc()

    def called(
        self, target: str, seconds: float, error: str = "", *, operation: str = "chat"
    ) -> None:
        """One model call that ended, with the code of its error."""
        provider, _, model = target.partition("/")
        self._child(self.calls, operation, provider, model, error).observe(seconds)

    def began(self, target: str, seconds: float) -> None:
        """The first bytes of a stream came after so long."""
        provider, _, model = target.partition("/")
        self._child(self.first_chunk, "chat", provider, model).observe(seconds)

    def spent(self, target: str, usage: Usage) -> None:
        """The tokens of one call, as far as its provider tells."""
        provider, _, model = target.partition("/")
        for kind, count in (("input", usage.tokens_in), ("output", usage.tokens_out)):
            if count is not None:
                self._child(self.tokens, "chat", provider, model, kind).observe(count)

    def observe(
        self, journal: Journal, *, entries: int, conversations: int, in_flight: int
    ) -> None:
        """Note what this worker holds; each does it every few moments, and when it is scraped."""
        self._entries.set(entries)
        self._conversations.set(conversations)
        self._in_flight.set(in_flight)
        self._tasks.set(len(asyncio.all_tasks()))
        self._queued.set(len(journal))
        self._dropped.inc(journal.dropped - self._counted)
        self._counted = journal.dropped

    def exposition(self, registry: Registry) -> bytes:
        """The scrape: this worker's numbers or those of all, and what the snapshot says."""
        models = CollectorRegistry()
        models.register(Models(registry.snapshot))
        if self._shared is None:
            return generate_latest(self.registry) + generate_latest(models)
        _forget_the_dead(self._shared)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone, str(self._shared))
        return generate_latest(everyone) + generate_latest(models)


def _forget_the_dead(shared: Path) -> None:
    """Drop the live gauges of workers that are gone; their counters stay, for what they counted
    has happened."""
    for file in shared.glob("gauge_live*.db"):
        found = re.search(r"(\d+)\.db$", file.name)
        try:
            os.kill(int(found[1]) if found else 0, 0)
        except ProcessLookupError:
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
