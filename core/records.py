"""The nouns of Touchstone, as frozen records whose field names are the column names."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

ProviderType = Literal["openai-compatible", "openai-responses", "anthropic"]
Scoring = Literal["deterministic", "format", "llm-judge"]
Status = Literal["ok", "model_error", "infra_error", "judge_error"]
RunState = Literal["running", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One entry of a provider's ``model_configs``: what it overrides for that model."""

    name: str
    type: ProviderType | None = None
    base_url: str | None = None
    chat_path: str | None = None
    api_key_env: str | None = None
    api_key: str = field(default="", repr=False)
    enabled: bool = True
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An endpoint with credentials; `core.providers` speaks to it."""

    #: unique; stored as the provider of its models
    name: str
    type: ProviderType = "openai-compatible"
    #: without a trailing slash
    base_url: str
    #: the environment variable that holds the key; empty: no key is sent
    api_key_env: str = ""
    api_key: str = field(default="", repr=False)
    #: seconds of silence after which a call is given up
    timeout_s: float = 120.0
    #: least seconds between two requests, most requests in flight; 0: no limit
    rate_limit_seconds: float = 0.0
    max_concurrency: int = 0
    #: static list; empty: the provider is asked
    models: tuple[str, ...] = ()
    #: replaces the default path, may carry a query string
    chat_path: str = ""
    enabled: bool = True
    model_configs: tuple[ModelConfig, ...] = ()
    #: known abilities (vision, tools, json_schema, context); absent: not known
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as the store knows it; provider + name identify it."""

    provider: str
    name: str
    #: a candidate for routing
    enabled: bool = False
    #: a person's own switch; None: never touched, so interviews decide
    switched: bool | None = None
    #: still listed by its provider
    present: bool = True
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    has_reasoning: bool = False
    strengths: Sequence[str] = ()
    weaknesses: Sequence[str] = ()
    #: what wrote the tags; None: never interviewed
    tagged_by: str | None = None
    interviewed_at: datetime | None = None
    #: why the last interview enabled nothing
    interview_error: str | None = None
    updated_at: datetime | None = None

    @property
    def id(self) -> str:
        """``provider/name``, as clients and addresses write it."""
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One model's answer, in whatever format it came."""

    text: str
    #: stop, length, tool_calls, content_filter
    finish_reason: str = "stop"
    usage: Usage = Usage()
    #: milliseconds around the call alone, never with waiting for a rate limit
    latency_ms: float = 0.0
    #: milliseconds to the first byte of the answer; None: not streamed
    ttft_ms: float | None = None
    #: the whole answer as an OpenAI chat completion
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one LLM step asks: messages, the JSON schema it wants back, and a token limit."""

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None


#: asks one given model; raises `core.errors.UpstreamError` and its kin
Chat = Callable[[Question], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionScore:
    name: str
    #: 0–10
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benchmark item in one version."""

    id: str
    category: str
    prompt: str
    scoring: Scoring
    version: int = 1
    enabled: bool = True
    builtin: bool = False
    #: what the method needs: expected, match, validators, criteria, strictness, reference …
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model's answer to one task, scored; a failure has an error and no score."""

    run_id: str
    provider: str
    model: str
    task_id: str
    task_version: int
    category: str
    repeat: int = 1
    status: Status = "ok"
    #: 0–10; None: a failure, which is never a score
    score: float | None = None
    answer: str | None = None
    error: str | None = None
    criteria: tuple[CriterionScore, ...] = ()
    judge: str | None = None
    self_judged: bool = False
    latency_ms: float | None = None
    ttft_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a flow, with its stored progress."""

    id: str
    flow: str
    state: RunState
    trigger: str = "manual"
    params: Mapping[str, Any] = field(default_factory=dict)
    total: int = 0
    completed: int = 0
    failed: int = 0
    current_model: str | None = None
    error: str | None = None
    prefect_flow_run_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interview:
    """One self-interview, kept for ever; a failed one has an error and no tags."""

    provider: str
    model: str
    status: Status
    strengths: Sequence[str] = ()
    weaknesses: Sequence[str] = ()
    raw_reply: str | None = None
    error: str | None = None
    prompt_version: int = 0
    run_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """An editable prompt in one version; version 0 is the shipped text."""

    key: str
    text: str
    version: int = 0
    created_at: datetime | None = None
