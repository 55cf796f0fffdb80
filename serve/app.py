"""The Sanic application: `create_app` wires everything; routes, errors and lifespan stand here."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException

from core.cache import DecisionCache
from core.errors import BadRequest, NotFound, StoreUnavailable, TouchstoneError
from core.ids import new_id
from core.providers.http import Client
from core.providers_file import Providers
from core.settings import Settings
from core.store.pool import migrate, open_pool
from serve import (
    admin,
    docs,
    embeddings,
    messages,
    native,
    native_benchmarks,
    native_models,
    native_prompts,
    native_runs,
    native_tasks,
    ollama,
    ollama_info,
    openai,
    openapi,
    responses,
    status,
)
from serve.admin.render import html
from serve.admin.session import guard
from serve.auth import require_chat
from serve.conversations import Conversations
from serve.drain import Drain, Draining
from serve.health import Health
from serve.journal import Journal
from serve.metrics import Metrics
from serve.registry import Registry
from serve.remembered import Remembered
from serve.reply import send_json
from serve.service import Service
from serve.status import note

logger = logging.getLogger(__name__)

Handler = Callable[..., Coroutine[Any, Any, Any]]

#: a long generation is healthy; silence is judged where the upstream is
_RESPONSE_TIMEOUT_S = 24 * 3600
#: after the drain, for connections to close
_GRACE_S = 2.0
_OBSERVE_S = 2.0
_STATIC = Path(__file__).parent / "static"


def create_app(
    settings: Settings,
    providers: Providers,
    database_url: str,
    *,
    name: str = "touchstone",
    shared: Path | None = None,
) -> Sanic:
    """The application, ready to listen. The store may be away: it serves when it comes.

    ``shared``: where several workers keep their metrics together.
    """
    app = Sanic(name, configure_logging=False)
    app.config.RESPONSE_TIMEOUT = _RESPONSE_TIMEOUT_S
    app.config.REQUEST_MAX_SIZE = settings.max_request_size
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = _GRACE_S
    app.config.ACCESS_LOG = False
    app.config.OAS = False

    @app.before_server_start
    async def open_all(app: Sanic) -> None:
        app.ctx.service = await open_service(settings, providers, database_url, shared)

    if shared is not None:
        app.add_task(_observe)  # type: ignore[arg-type]

    @app.after_server_stop
    async def close_all(app: Sanic) -> None:
        await close_service(app.ctx.service)

    app.on_request(_begin)  # type: ignore[arg-type]
    app.on_response(_count)  # type: ignore[arg-type]
    app.exception(Exception)(_error)  # type: ignore[arg-type]
    _routes(app)
    return app


async def open_service(
    settings: Settings, providers: Providers, database_url: str, shared: Path | None = None
) -> Service:
    """Open the pool, the client and what runs in the background."""
    pool = await open_pool(database_url)
    try:
        await migrate(database_url)
    except StoreUnavailable as exc:
        logger.warning("the tables could not be checked: %s", exc.message)
    client = Client(shared=shared)
    registry = Registry(pool, database_url, client.quirks)
    journal = Journal(pool, client.quirks)
    await registry.start()
    await journal.start()
    return Service(
        settings=settings,
        providers=providers,
        client=client,
        pool=pool,
        registry=registry,
        cache=DecisionCache(
            settings.selection_cache_ttl,
            settings.selection_cache_max_entries,
            enabled=settings.selection_cache_enabled,
        ),
        journal=journal,
        metrics=Metrics(shared),
        health=Health(settings.cooldown_seconds),
        conversations=Conversations(),
        remembered=Remembered(shared),
        drain=Drain(settings.drain_timeout),
    )


async def _observe(app: Sanic) -> None:
    """Note for whichever worker is scraped what this one holds."""
    while True:
        await asyncio.sleep(_OBSERVE_S)
        note(app.ctx.service)


async def close_service(service: Service) -> None:
    await service.registry.stop()
    await service.journal.stop()
    await service.client.aclose()
    await service.pool.close()


def _routes(app: Sanic) -> None:
    app.ctx.openapi = openapi.document(_ROUTES, _CHAT)
    for number, (methods, path, handler) in enumerate(_ROUTES):
        name = f"{handler.__name__}_{number}"  # one handler may stand at several addresses
        app.add_route(_counted(handler), path, methods=methods.split(), name=name)
    app.static("/static", _STATIC, name="static")


#: doors that chat comes through, which REQUIRE_AUTH_FOR_CHAT locks
_CHAT = frozenset(
    {"v1/chat/completions", "v1/responses", "v1/messages", "v1/messages/count_tokens"}
    | {"v1/embeddings", "api/chat", "api/generate", "api/embed", "api/embeddings", "chat", "route"}
)
#: all other methods count as one, for anybody may invent some
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


#: answered to the last, for whoever watches
_LOOKED_AT = frozenset({"/healthz", "/readyz", "/metrics"})


def _counted(handler: Handler) -> Handler:
    """The handler, known to be at work while it is; a drain waits for it."""

    @functools.wraps(handler)
    async def counted(request: Request, *args: Any, **kwargs: Any) -> Any:
        drain: Drain = request.app.ctx.service.drain
        drain.begin()
        try:
            return await handler(request, *args, **kwargs)
        finally:
            drain.end()

    return counted


async def _begin(request: Request) -> HTTPResponse | None:
    request.ctx.started = time.perf_counter()
    request.ctx.request_id = request.headers.get("x-request-id") or new_id()
    if request.app.ctx.service.drain.draining and request.path not in _LOOKED_AT:
        raise Draining("this service is going down; ask again in a moment")
    # by route, not by address: an address may end in a slash and be the same door
    if request.route and request.route.path.strip("/") in _CHAT:
        require_chat(request, request.app.ctx.service.settings)
    elif request.path == "/admin" or request.path.startswith("/admin/"):
        return guard(request)
    return None


async def _count(request: Request, response: HTTPResponse) -> None:
    service: Service = request.app.ctx.service
    route = f"/{request.route.path}" if request.route else "unknown"
    method = request.method if request.method in _METHODS else "other"
    started = getattr(request.ctx, "started", None)
    taken = None if started is None else time.perf_counter() - started
    service.metrics.answered(method, route, response.status, taken)
    response.headers.setdefault("x-request-id", getattr(request.ctx, "request_id", ""))


async def _error(request: Request, exc: Exception) -> HTTPResponse:
    """Every error in the dialect of its endpoint; a fault of ours is logged, never shown."""
    known = NotFound("no such file") if isinstance(exc, IsADirectoryError) else _known(exc)
    headers = dict(getattr(exc, "headers", None) or {}) if isinstance(exc, SanicException) else {}
    wait = getattr(known, "retry_after_s", None)
    if wait is not None:
        headers["retry-after"] = f"{wait:g}"
    if request.path.startswith("/admin"):
        context = {"status": known.status, "message": known.message}
        return html(request, "pages/error.html", context, status=known.status)
    return send_json(_error_body(request.path, known), status=known.status, headers=headers)


def _error_body(path: str, exc: TouchstoneError) -> dict[str, Any]:
    if path.startswith("/api/"):
        return ollama.error_body(exc)
    return (
        messages.error_body(exc)
        if f"{path}/".startswith("/v1/messages/")
        else openai.error_body(exc)
    )


def _known(exc: Exception) -> TouchstoneError:
    if isinstance(exc, TouchstoneError):
        return exc
    if isinstance(exc, SanicException):
        found = BadRequest(str(exc) or exc.__class__.__name__)
        found.status = exc.status_code
        return found
    logger.error("unforeseen", exc_info=exc)
    return TouchstoneError("an unforeseen fault in Touchstone; its log says more")


#: methods, address, handler: every door there is
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/chat/completions", openai.chat_completions),
    ("POST", "/v1/responses", responses.responses),
    ("POST", "/v1/messages", messages.messages),
    ("POST", "/v1/messages/count_tokens", messages.count_tokens),
    ("POST", "/v1/embeddings", embeddings.embeddings),
    ("GET", "/v1/models", openai.list_models),
    ("GET", "/v1/models/<name:path>", openai.get_model),
    ("POST", "/api/chat", ollama.chat),
    ("POST", "/api/generate", ollama.generate),
    ("POST", "/api/embed", embeddings.embed),
    ("POST", "/api/embeddings", embeddings.embed_one),
    ("GET", "/api/tags", ollama_info.tags),
    ("GET", "/api/ps", ollama_info.ps),
    ("GET", "/api/version", ollama_info.version),
    ("POST", "/api/show", ollama_info.show),
    ("POST", "/api/<what:(pull|push|create|copy)>", ollama_info.manage),
    ("DELETE", "/api/delete", ollama_info.delete),
    ("POST", "/chat", native.chat),
    ("POST", "/route", native.route),
    ("GET", "/models", native_models.list_models),
    ("POST", "/models/<what:str>", native_runs.start),
    # beside the line above: a name without a slash would else be found there, and refused
    ("DELETE", "/models/<name:str>", native_models.delete_model),
    ("DELETE", "/models/<name:path>", native_models.delete_model),
    ("GET", "/models/<what:(tag|benchmark)>/status", native_runs.run_status),
    ("PATCH", "/models/<name:path>/enable", native_models.enable_model),
    ("POST", "/models/<name:path>/reset", native_models.reset_model),
    ("GET", "/models/<name:path>/benchmarks", native_benchmarks.model_scores),
    ("GET", "/models/<name:path>/benchmark-results", native_benchmarks.model_results),
    ("GET", "/benchmarks/leaderboard", native_benchmarks.leaderboard),
    ("GET", "/benchmark-tasks", native_tasks.list_tasks),
    ("POST", "/benchmark-tasks", native_tasks.add_task),
    ("GET", "/benchmark-tasks/<task_id:str>", native_tasks.get_task),
    ("PUT", "/benchmark-tasks/<task_id:str>", native_tasks.edit_task),
    ("DELETE", "/benchmark-tasks/<task_id:str>", native_tasks.delete_task),
    ("POST", "/benchmark-tasks/<task_id:str>/reset", native_tasks.reset_task),
    ("GET", "/prompts", native_prompts.list_prompts),
    ("GET", "/prompts/<key:str>", native_prompts.get_prompt),
    ("PUT", "/prompts/<key:str>", native_prompts.edit_prompt),
    ("GET", "/runs", native_runs.list_runs),
    ("GET", "/runs/<run_id:str>", native_runs.get_run),
    ("GET", "/runs/<run_id:str>/events", native_runs.run_events),
    ("POST", "/runs/<run_id:str>/cancel", native_runs.cancel_run),
    ("GET", "/openapi.json", docs.openapi),
    ("GET", "/docs", docs.docs),
    ("GET", "/metrics", status.metrics),
    ("GET", "/healthz", status.healthz),
    ("GET", "/readyz", status.readyz),
    ("GET HEAD", "/", status.root),
    *admin.ROUTES,
)
