"""OpenAI's dialect: chat completions in and out of `ChatCall`; nothing else."""

from typing import Any
from urllib.parse import unquote

from sanic import HTTPResponse, Request

from core.errors import ModelNotFound, TouchstoneError, UpstreamRejected
from core.providers import sse
from core.records import Model
from serve.calls import call_of
from serve.events import answer
from serve.parse import json_body, messages_of
from serve.reply import send_json
from serve.service import Service


def error_body(exc: TouchstoneError) -> dict[str, Any]:
    """OpenAI's error object; a provider's own words and codes are kept."""
    error = {"message": exc.told, "type": exc.type, "param": exc.param, "code": exc.code}
    if isinstance(exc, UpstreamRejected):
        theirs = {name: exc.error.get(name) for name in ("type", "param", "code")}
        error |= {name: value for name, value in theirs.items() if value is not None}
    return {"error": error}


async def chat_completions(request: Request) -> HTTPResponse | None:
    """POST /v1/chat/completions: all fields but ``model`` go through untouched."""
    body = json_body(request)
    call = call_of(request, body, messages_of(body))
    return await answer(request, call, lambda exc: sse.event(error_body(exc)))


async def list_models(request: Request) -> HTTPResponse:
    """GET /v1/models: the router, and with EXPOSE_MODELS=all every enabled model."""
    service: Service = request.app.ctx.service
    entries = [{"id": "touchstone", "object": "model", "created": 0, "owned_by": "touchstone"}]
    if service.settings.expose_models == "all":
        entries += [_entry(c.model) for c in service.registry.snapshot.candidates]
    return send_json({"object": "list", "data": entries})


async def get_model(request: Request, name: str) -> HTTPResponse:
    """GET /v1/models/{id}"""
    service: Service = request.app.ctx.service
    if name == "touchstone":
        entry = {"id": name, "object": "model", "created": 0, "owned_by": "touchstone"}
        return send_json(entry)
    name = unquote(name)
    model = service.registry.named(name)
    if model is None:
        raise ModelNotFound(name)
    return send_json(_entry(model))


def _entry(model: Model) -> dict[str, Any]:
    created = int(model.updated_at.timestamp()) if model.updated_at else 0
    return {"id": model.id, "object": "model", "created": created, "owned_by": model.provider}
