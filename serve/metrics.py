"""The numbers an operator scrapes: seconds, bytes, `_total`; never a prompt or a user."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.decision import Decision
from serve.journal import Journal
from serve.registry import Registry

#: .01 … 81.92 seconds, doubling
BUCKETS = tuple(0.01 * 2**power for power in range(14))


class Metrics:
    """One registry for each service; the gauges are read off it when scraped."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter(
            "touchstone_http_requests", "Requests answered", "method", "route", "status"
        )
        self.duration = self._histogram(
            "touchstone_http_request_duration_seconds",
            "From the request's arrival to its answer, or to a stream's first byte",
            "route",
        )
        self.calls = self._histogram(
            "gen_ai_client_operation_duration_seconds",
            "One call to a model, to its last byte",
            *("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"),
            "error_type",
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
        self.retries = self._counter(
            "touchstone_upstream_retries", "Failed calls that another one followed", "provider"
        )
        self.cache = self._counter(
            "touchstone_decision_cache_requests", "Decisions by cache", "result"
        )
        self._entries = self._gauge("touchstone_decision_cache_entries", "Decisions held")
        self._queued = self._gauge("touchstone_journal_queued", "Decisions waiting to be written")
        self._dropped = self._gauge("touchstone_journal_dropped_total", "Decisions lost")
        self._enabled = self._gauge(
            "touchstone_model_enabled", "1 when it is a candidate, else 0", "model"
        )
        self._score = self._gauge("touchstone_model_score", "Mean, 0 to 10", "model", "category")

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, *labels: str) -> Histogram:
        return Histogram(name, help_text, labels, registry=self.registry, buckets=BUCKETS)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(name, help_text, labels, registry=self.registry)

    def decided(self, decision: Decision) -> None:
        self.decisions.labels(decision.target, decision.outcome).inc()
        cached = "hit" if decision.cached else "miss"
        self.cache.labels(cached).inc()
        self.decision_duration.labels(cached).observe(decision.decision_ms / 1000)
        if decision.outcome == "fallback":
            self.failures.labels("fallback").inc()

    def called(
        self, target: str, seconds: float, error: str = "", *, operation: str = "chat"
    ) -> None:
        """One model call that ended, with the code of its error."""
        provider, _, model = target.partition("/")
        self.calls.labels(operation, provider, model, error).observe(seconds)

    def exposition(self, registry: Registry, journal: Journal, entries: int) -> bytes:
        """The scrape: gauges set from the snapshot, then everything as text."""
        self._entries.set(entries)
        self._queued.set(len(journal))
        self._dropped.set(journal.dropped)
        self._enabled.clear()
        self._score.clear()
        for model in registry.snapshot.others:
            self._enabled.labels(model.id).set(0)
        for candidate in registry.snapshot.candidates:
            self._enabled.labels(candidate.model.id).set(1)
            for category, score in candidate.scores.items():
                self._score.labels(candidate.model.id, category).set(score.mean)
        return generate_latest(self.registry)
