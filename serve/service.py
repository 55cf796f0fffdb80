"""Everything one worker holds, and the standing orders by which it decides."""

from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from core import providers
from core.cache import DecisionCache
from core.providers.http import Client
from core.providers_file import Providers
from core.records import Chat, Question, Reply
from core.routing import Routing
from core.settings import Settings
from serve.conversations import Conversations
from serve.drain import Drain
from serve.health import Health
from serve.journal import Journal
from serve.metrics import Metrics
from serve.registry import Registry
from serve.remembered import Remembered


@dataclass(slots=True, kw_only=True)
class Service:
    """Everything one worker holds; built by `serve.app.create_app` alone."""

    settings: Settings
    providers: Providers
    client: Client
    pool: AsyncConnectionPool
    registry: Registry
    cache: DecisionCache
    journal: Journal
    metrics: Metrics
    health: Health
    conversations: Conversations
    remembered: Remembered
    drain: Drain


def routing_orders(service: Service) -> Routing:
    """The standing orders, with the meta-model if one is configured and its provider known."""
    settings = service.settings
    meta_model = f"{settings.model_selection_provider}/{settings.model_selection_model}"
    chat = _meta_chat(service)
    return Routing(
        policy=settings.routing_policy,
        chat=chat,
        meta_model=meta_model if chat else None,
        default_model=settings.default_chat_model,
        timeout_s=settings.routing_timeout,
        guardrail=settings.routing_guardrail,
        cooling=service.health.cooling(),
    )


def _meta_chat(service: Service) -> Chat | None:
    settings = service.settings
    name, model = settings.model_selection_provider, settings.model_selection_model
    if not model or name not in service.providers.by_name:
        return None

    async def chat(question: Question) -> Reply:
        provider = service.providers.for_model(name, model)
        return await providers.chat(
            service.client,
            provider,
            model,
            question,
            default_max_tokens=settings.anthropic_max_tokens,
        )

    return chat
