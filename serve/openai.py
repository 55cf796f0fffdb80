"""OpenAI's dialect: the wire to `ChatCall` and back; nothing else."""

from typing import Any

import orjson
from sanic import HTTPResponse, Request
from sanic.response import raw

from core.errors import ModelNotFound, TouchstoneError
from core.records import Model
from serve.answer import ChatCall, Streamed, complete, headers, stream
from serve.parse import json_body, messages_of, model_of, route_of
from serve.reply import JSON, open_stream, send_json
from serve.service import Service

_EVENTS = "text/event-stream; charset=utf-8"


def error_body(exc: TouchstoneError) -> dict[str, Any]:
    """OpenAI's error object."""
    return {
        "error": {
            "message": exc.message,
            "type": exc.type,
            "param": exc.param,
            "code": exc.code,
        }
    }


async def chat_completions(request: Request) -> HTTPResponse | None:
    """POST /v1/chat/completions: all fields but ``model`` go through untouched."""
    service: Service = request.app.ctx.service
    body = json_body(request)
    messages = messages_of(body)
    call = ChatCall(
        body=body,
        model=model_of(body),
        route=route_of(messages, service.settings.routing_text_max, body),
        request_id=request.ctx.request_id,
    )
    if body.get("stream"):
        async with stream(service, call) as answered:
            return await _forward_stream(request, answered)
    answered = await complete(service, call)
    return raw(answered.body, content_type=JSON, headers=headers(answered, call.request_id))


async def _forward_stream(request: Request, answered: Streamed) -> None:
    more = {"cache-control": "no-cache", **headers(answered, request.ctx.request_id)}
    response = await open_stream(request, _EVENTS, more)
    try:
        async for frame in answered.frames:
            await response.send(frame)
    except TouchstoneError as exc:
        await response.send(b"data: " + orjson.dumps(error_body(exc)) + b"\n\n")
    await response.eof()


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
    model = service.registry.named(name)
    if model is None:
        raise ModelNotFound(name)
    return send_json(_entry(model))


def _entry(model: Model) -> dict[str, Any]:
    created = int(model.updated_at.timestamp()) if model.updated_at else 0
    return {"id": model.id, "object": "model", "created": created, "owned_by": model.provider}
