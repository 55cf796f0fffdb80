"""Embeddings in two dialects: passed on to a named model or the configured one."""

import time
from collections.abc import Mapping
from typing import Any

import orjson
from sanic import HTTPResponse, Request
from sanic.response import raw

from core import providers
from core.errors import BadRequest, ModelNotFound, UpstreamError
from core.providers.http import lenient
from core.records import Provider
from serve.calls import ROUTED_NAMES
from serve.ollama_info import bare
from serve.parse import json_body, model_of
from serve.reply import JSON, send_json
from serve.service import Service


async def embeddings(request: Request) -> HTTPResponse:
    """POST /v1/embeddings: all fields but ``model`` go through untouched."""
    service: Service = request.app.ctx.service
    body = json_body(request)
    target, answer = await _embed(service, model_of(body), body)
    more = {"x-touchstone-model": target, "x-request-id": request.ctx.request_id}
    return raw(answer, content_type=JSON, headers=more)


async def embed(request: Request) -> HTTPResponse:
    """POST /api/embed: a text or a list of texts."""
    service: Service = request.app.ctx.service
    body = json_body(request)
    started = time.perf_counter_ns()
    sent = {"input": body.get("input"), "dimensions": body.get("dimensions")}
    given = {name: value for name, value in sent.items() if value is not None}
    target, answer = await _embed(service, bare(model_of(body)), given)
    found = lenient(answer)
    usage = found.get("usage") or {}
    return send_json(
        {
            "model": target,
            "embeddings": _vectors(target, found),
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": 0,
            "prompt_eval_count": usage.get("prompt_tokens") or 0,
        }
    )


async def embed_one(request: Request) -> HTTPResponse:
    """POST /api/embeddings: how Ollama's clients asked before; one text, one vector."""
    service: Service = request.app.ctx.service
    body = json_body(request)
    target, answer = await _embed(service, bare(model_of(body)), {"input": body.get("prompt")})
    return send_json({"embedding": _vectors(target, lenient(answer))[0]})


def _vectors(target: str, found: Any) -> list[Any]:
    try:
        vectors = [entry["embedding"] for entry in found["data"]]
    except (KeyError, TypeError) as exc:
        raise UpstreamError(f"{target} answered no embeddings") from exc
    if not vectors:
        raise UpstreamError(f"{target} answered no embeddings")
    return vectors


async def _embed(service: Service, name: str, body: Mapping[str, Any]) -> tuple[str, bytes]:
    """Who answered, and the answer; there is no choice to make, so nothing is decided."""
    if body.get("input") in (None, "", []):
        raise BadRequest("input must be a text or a list of texts", param="input")
    provider, model = _target(service, name)
    target = f"{provider.name}/{model}"
    payload = orjson.dumps({**body, "model": model})
    started = time.perf_counter()
    try:
        answer = await providers.embed(service.client, provider, payload)
    except UpstreamError as exc:
        taken = time.perf_counter() - started
        service.metrics.called(target, taken, exc.code or "", operation="embeddings")
        raise
    service.metrics.called(target, time.perf_counter() - started, operation="embeddings")
    return target, answer


def _target(service: Service, name: str) -> tuple[Provider, str]:
    """Embedding models are not discovered: ``provider/name`` reaches any model of a provider."""
    wanted = service.settings.embedding_model if name in ROUTED_NAMES else name
    if not wanted:
        raise BadRequest("name a model as provider/name, or set EMBEDDING_MODEL", param="model")
    provider, _, model = wanted.partition("/")
    if model and provider in service.providers.by_name:
        return service.providers.for_model(provider, model), model
    known = service.registry.named(wanted)
    if known is None:
        raise ModelNotFound(wanted)
    return service.providers.for_model(known.provider, known.name), known.name
