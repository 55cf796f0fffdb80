"""How the service is: alive, ready, and in numbers."""

from collections.abc import Mapping
from typing import Any

from sanic import HTTPResponse, Request
from sanic.response import raw

from serve.reply import send_json
from serve.service import Service


def note(service: Service) -> None:
    """Bring up to date what the metrics say of this worker."""
    service.metrics.observe(
        service.journal,
        entries=len(service.cache),
        conversations=len(service.conversations),
        in_flight=service.drain.open,
    )


async def metrics(request: Request) -> HTTPResponse:
    """GET /metrics"""
    service: Service = request.app.ctx.service
    note(service)
    text = service.metrics.exposition(service.registry)
    return raw(text, content_type="text/plain; version=0.0.4; charset=utf-8")


async def healthz(_request: Request) -> HTTPResponse:
    """GET /healthz: the process is alive."""
    return send_json({"status": "ok"})


async def readyz(request: Request) -> HTTPResponse:
    """GET /readyz: database, snapshot, at least one model."""
    service: Service = request.app.ctx.service
    snapshot = service.registry.snapshot
    checks: Mapping[str, bool] = {
        "database": service.registry.healthy,
        "snapshot": service.registry.loaded,
        "models": bool(snapshot.candidates or snapshot.others),
        "accepting": not service.drain.draining,
    }
    ready = all(checks.values())
    state: dict[str, Any] = {"status": "ready" if ready else "degraded", "checks": checks}
    return send_json(state, status=200 if ready else 503)


async def root(_request: Request) -> HTTPResponse:
    """HEAD / is how Ollama's clients look whether anybody is there."""
    return raw(b"Touchstone is running", content_type="text/plain")
