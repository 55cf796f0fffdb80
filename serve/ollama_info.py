"""Ollama's dialect, telling: which models there are and what they can; the router owns none."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from sanic import HTTPResponse, Request

from core.decision import Candidate
from core.errors import ModelNotFound, TouchstoneError
from core.records import Model
from serve.calls import ROUTED_NAMES
from serve.parse import json_body
from serve.reply import send_json
from serve.service import Service

#: what clients compare against before they use a feature
VERSION = "0.12.0"
#: the router's own entry: no file, so no date of its own
_BORN = datetime(2026, 1, 1, tzinfo=UTC)
_FOR_EVER = "2318-01-01T00:00:00Z"


class NotOurs(TouchstoneError):
    """Pull, push, create, copy, delete: the models belong to their providers."""

    status = 501
    code = "not_implemented"


def bare(name: str) -> str:
    """Ollama's clients add ``:latest`` to a name without a tag."""
    return name.removesuffix(":latest")


async def tags(request: Request) -> HTTPResponse:
    """GET /api/tags: the router, and with EXPOSE_MODELS=all every enabled model."""
    service: Service = request.app.ctx.service
    entries = [_entry(service, None)]
    if service.settings.expose_models == "all":
        entries += [_entry(service, c.model) for c in service.registry.snapshot.candidates]
    return send_json({"models": entries})


async def ps(request: Request) -> HTTPResponse:
    """GET /api/ps: the router is always loaded."""
    entry = _entry(request.app.ctx.service, None)
    return send_json({"models": [{**entry, "expires_at": _FOR_EVER, "size_vram": 0}]})


async def show(request: Request) -> HTTPResponse:
    """POST /api/show {"model"}: what the router or one model can."""
    service: Service = request.app.ctx.service
    body = json_body(request)
    name = bare(str(body.get("model") or body.get("name") or ""))
    model = None if name in ROUTED_NAMES else service.registry.named(name)
    if model is None and name not in ROUTED_NAMES:
        raise ModelNotFound(name)
    entry = _entry(service, model)
    family = entry["details"]["family"]
    context = _context(service, model)
    return send_json(
        {
            "modelfile": f"# {entry['name']} is served by Touchstone",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "license": "",
            "details": entry["details"],
            "model_info": {
                "general.architecture": family,
                **({f"{family}.context_length": context} if context else {}),
            },
            "capabilities": _capabilities(service, model),
            "modified_at": entry["modified_at"],
        }
    )


async def version(_request: Request) -> HTTPResponse:
    """GET /api/version"""
    return send_json({"version": VERSION})


async def manage(_request: Request, what: str) -> HTTPResponse:
    """POST /api/{pull,push,create,copy}"""
    raise NotOurs(f"no {what} here: Touchstone routes to models and owns none; see their provider")


async def delete(request: Request) -> HTTPResponse:
    """DELETE /api/delete"""
    return await manage(request, "delete")


def _among(service: Service, model: Model | None) -> list[Model]:
    candidates: tuple[Candidate, ...] = service.registry.snapshot.candidates
    return [model] if model else [candidate.model for candidate in candidates]


def _capabilities(service: Service, model: Model | None) -> list[str]:
    """In Ollama's words. Tools unless they are known to be lacking, for most models take them."""
    known = [found.capabilities for found in _among(service, model)]
    tools = any(found.get("tools") is not False for found in known)
    vision = any(found.get("vision") is True for found in known)
    return ["completion", *(["tools"] if tools else []), *(["vision"] if vision else [])]


def _context(service: Service, model: Model | None) -> int | None:
    """Tokens that each model concerned can take; None when nobody says."""
    told = [found.capabilities.get("context") for found in _among(service, model)]
    return min((size for size in told if isinstance(size, int)), default=None)


def _entry(service: Service, model: Model | None) -> dict[str, Any]:
    """One model as a list shows it; the digest changes with what the model can."""
    name = model.id if model else "touchstone:latest"
    can = f"{name}\0{_capabilities(service, model)}\0{_context(service, model)}"
    stamp = model.updated_at if model and model.updated_at else _BORN
    return {
        "name": name,
        "model": name,
        "modified_at": stamp.isoformat().replace("+00:00", "Z"),
        "size": 0,
        "digest": hashlib.sha256(can.encode()).hexdigest(),
        "details": {
            "parent_model": "",
            "format": "",
            "family": model.provider if model else "touchstone",
            "families": [model.provider if model else "touchstone"],
            "parameter_size": "",
            "quantization_level": "",
        },
    }
