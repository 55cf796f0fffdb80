"""What a decision is made of and what it leaves behind, as frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from core.records import Model

Outcome = Literal["meta", "cache", "guardrail", "policy", "single", "named", "fallback"]
Policy = Literal["meta", "best-single", "random"]
Guardrail = Literal["on", "record", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A model's standing in one category: 0–10, with its number of tasks and 95 % interval."""

    mean: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model with all that may decide for or against it."""

    model: Model
    scores: Mapping[str, Score] = field(default_factory=dict)
    avg_latency_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All models with tags and scores at one moment, with the routing prompts then in force."""

    id: str
    candidates: tuple[Candidate, ...] = ()
    #: discovered models that are not enabled, nameable all the same
    others: tuple[Model, ...] = ()
    categories: tuple[str, ...] = ()
    routing_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One routing choice and why."""

    id: str
    provider: str
    model: str
    outcome: Outcome
    category: str | None = None
    reason: str = ""
    matching_tags: tuple[str, ...] = ()
    tag_relevance: Mapping[str, float] = field(default_factory=dict)
    #: ``provider/name`` of the next best, best first
    runners_up: tuple[str, ...] = ()
    meta_model: str | None = None
    decision_ms: float = 0.0
    snapshot_id: str = ""
    #: whether the decision came from the cache, fresh or stale
    cached: bool = False

    @property
    def target(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """What is written down about one answered request."""

    decision: Decision
    decided_at: datetime
    #: SHA-256 of the routing text in hexadecimal; its characters; itself with STORE_PROMPTS
    prompt_hash: str
    prompt_length: int
    prompt: str | None = None
    #: HTTP status the client got
    status: int = 200
    total_ms: float | None = None
    request_id: str = ""
    #: ``provider/name`` that answered in the end, after any fallback
    answered_by: str | None = None
    error: str | None = None
