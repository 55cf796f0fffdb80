"""The Sanic application: `create_app` wires everything; routes, errors and lifespan stand here."""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException
from sanic.response import raw

from core.cache import DecisionCache
from core.errors import BadRequest, NotFound, StoreUnavailable, TouchstoneError
from core.ids import new_id
from core.providers.http import Client
from core.providers_file import Providers
from core.settings import Settings
from core.store.pool import migrate, open_pool
from serve import admin, embeddings, native, ollama, ollama_info, openai
from serve.admin.render import html
from serve.admin.session import guard
from serve.auth import require_chat
from serve.health import Health
from serve.journal import Journal
from serve.metrics import Metrics
from serve.registry import Registry
from serve.reply import send_json
from serve.service import Service

logger = logging.getLogger(__name__)

#: a long generation is healthy; silence is judged where the upstream is
_RESPONSE_TIMEOUT_S = 24 * 3600
_GRACE_S = 30.0
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
    registry = Registry(pool, database_url)
    journal = Journal(pool)
    await registry.start()
    await journal.start()
    return Service(
        settings=settings,
        providers=providers,
        client=Client(),
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
    )


async def _observe(app: Sanic) -> None:
    """Note for whichever worker is scraped what this one holds."""
    while True:
        await asyncio.sleep(_OBSERVE_S)
        service: Service = app.ctx.service
        service.metrics.observe(service.journal, len(service.cache))


async def close_service(service: Service) -> None:
    await service.registry.stop()
    await service.journal.stop()
    await service.client.aclose()
    await service.pool.close()


def _routes(app: Sanic) -> None:
    for methods, path, handler in _ROUTES:
        name = f"{handler.__module__.removeprefix('serve.')}_{handler.__name__}".replace(".", "_")
        app.add_route(handler, path, methods=methods.split(), name=name)
    app.static("/static", _STATIC, name="static")


#: doors that chat comes through, which REQUIRE_AUTH_FOR_CHAT locks
_CHAT = frozenset(
    {"v1/chat/completions", "v1/embeddings", "api/chat", "api/generate", "api/embed"}
    | {"chat", "route"}
)
#: all other methods count as one, for anybody may invent some
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def _begin(request: Request) -> HTTPResponse | None:
    request.ctx.started = time.perf_counter()
    request.ctx.request_id = request.headers.get("x-request-id") or new_id()
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
    service.metrics.requests.labels(method, route, response.status).inc()
    started = getattr(request.ctx, "started", None)
    if started is not None:
        service.metrics.duration.labels(route).observe(time.perf_counter() - started)
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
    body = (
        ollama.error_body(known) if request.path.startswith("/api/") else openai.error_body(known)
    )
    return send_json(body, status=known.status, headers=headers)


def _known(exc: Exception) -> TouchstoneError:
    if isinstance(exc, TouchstoneError):
        return exc
    if isinstance(exc, SanicException):
        found = BadRequest(str(exc) or exc.__class__.__name__)
        found.status = exc.status_code
        return found
    logger.error("unforeseen", exc_info=exc)
    return TouchstoneError("an unforeseen fault in Touchstone; its log says more")


async def _metrics(request: Request) -> HTTPResponse:
    """GET /metrics"""
    service: Service = request.app.ctx.service
    service.metrics.observe(service.journal, len(service.cache))
    text = service.metrics.exposition(service.registry)
    return raw(text, content_type="text/plain; version=0.0.4; charset=utf-8")


async def _healthz(_request: Request) -> HTTPResponse:
    """GET /healthz: the process is alive."""
    return send_json({"status": "ok"})


async def _readyz(request: Request) -> HTTPResponse:
    """GET /readyz: database, snapshot, at least one model."""
    service: Service = request.app.ctx.service
    snapshot = service.registry.snapshot
    checks: Mapping[str, bool] = {
        "database": service.registry.healthy,
        "snapshot": service.registry.loaded,
        "models": bool(snapshot.candidates or snapshot.others),
    }
    ready = all(checks.values())
    state: dict[str, Any] = {"status": "ready" if ready else "degraded", "checks": checks}
    return send_json(state, status=200 if ready else 503)


async def _root(_request: Request) -> HTTPResponse:
    """HEAD / is how Ollama's clients look whether anybody is there."""
    return raw(b"Touchstone is running", content_type="text/plain")


#: methods, address, handler: every door there is
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/chat/completions", openai.chat_completions),
    ("POST", "/v1/embeddings", embeddings.embeddings),
    ("GET", "/v1/models", openai.list_models),
    ("GET", "/v1/models/<name:path>", openai.get_model),
    ("POST", "/api/chat", ollama.chat),
    ("POST", "/api/generate", ollama.generate),
    ("POST", "/api/embed", embeddings.embed),
    ("GET", "/api/tags", ollama_info.tags),
    ("GET", "/api/ps", ollama_info.ps),
    ("GET", "/api/version", ollama_info.version),
    ("POST", "/api/show", ollama_info.show),
    ("POST", "/api/<what:(pull|push|create|copy)>", ollama_info.manage),
    ("DELETE", "/api/delete", ollama_info.delete),
    ("POST", "/chat", native.chat),
    ("POST", "/route", native.route),
    ("GET", "/models", native.list_models),
    ("POST", "/models/<what:str>", native.start),
    ("GET", "/models/<what:(tag|benchmark)>/status", native.run_status),
    ("PATCH", "/models/<name:path>/enable", native.enable_model),
    ("GET", "/models/<name:path>/benchmark-results", native.model_results),
    ("GET", "/runs", native.list_runs),
    ("GET", "/runs/<run_id:str>", native.get_run),
    ("POST", "/runs/<run_id:str>/cancel", native.cancel_run),
    ("GET", "/metrics", _metrics),
    ("GET", "/healthz", _healthz),
    ("GET", "/readyz", _readyz),
    ("GET HEAD", "/", _root),
    *admin.ROUTES,
)
