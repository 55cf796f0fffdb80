"""Ollama's dialect: NDJSON in and out of `ChatCall`; nothing else."""

import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from sanic import HTTPResponse, Request

from core.errors import BadRequest, TouchstoneError, UpstreamError
from core.providers.http import lenient
from core.records import Model
from serve.answer import Answered, ChatCall, Streamed, complete, headers, stream
from serve.parse import json_body, messages_of, model_of, route_of
from serve.reply import open_stream, send_json
from serve.service import Service

_NDJSON = "application/x-ndjson"
#: what clients compare against before they use a feature
VERSION = "0.12.0"
#: Ollama's options and the sampling fields they stand for
_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "num_predict": "max_tokens",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


def error_body(exc: TouchstoneError) -> dict[str, Any]:
    return {"error": exc.message}


async def chat(request: Request) -> HTTPResponse | None:
    """POST /api/chat: streams unless told not to."""
    service: Service = request.app.ctx.service
    body = json_body(request)
    messages_of(body)
    openai_body = to_openai(body)
    call = ChatCall(
        body=openai_body,
        model=_bare(model_of(body)),
        route=route_of(openai_body["messages"], service.settings.routing_text_max, openai_body),
        request_id=request.ctx.request_id,
    )
    started = time.perf_counter_ns()
    if body.get("stream") is False:
        answered = await complete(service, call)
        record = _whole(answered, started)
        return send_json(record, headers=_headers(answered, call))
    openai_body["stream"] = True
    openai_body["stream_options"] = {"include_usage": True}
    async with stream(service, call) as answered:
        return await _send_records(request, answered, call, started)


def _headers(answered: Answered | Streamed, call: ChatCall) -> dict[str, str]:
    return headers(answered, call.request_id)


def _bare(name: str) -> str:
    """Ollama's clients add ``:latest`` to a name without a tag."""
    return name.removesuffix(":latest")


def to_openai(body: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAI chat body from Ollama's."""
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise BadRequest("options must be an object", param="options")
    found: dict[str, Any] = {"messages": [_message(m) for m in body["messages"]]}
    found |= {
        ours: options[theirs]
        for theirs, ours in _OPTIONS.items()
        if options.get(theirs) is not None
    }
    limit = found.get("max_tokens", 0)
    if not isinstance(limit, int):
        raise BadRequest("options.num_predict must be a whole number", param="options")
    if limit < 0:
        del found["max_tokens"]
    if body.get("tools"):
        found["tools"] = body["tools"]
    match body.get("format"):
        case "json":
            found["response_format"] = {"type": "json_object"}
        case {} as schema if schema:
            found["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema},
            }
    return found


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message["role"], "content": message.get("content") or ""}
    if images := _list_of(str, message, "images"):
        parts = [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
            for image in images
        ]
        found["content"] = [{"type": "text", "text": found["content"]}, *parts]
    if calls := _list_of(dict, message, "tool_calls"):
        found["tool_calls"] = [_call_out(number, call) for number, call in enumerate(calls)]
    if message["role"] == "tool":
        found["tool_call_id"] = message.get("tool_call_id") or "call_0"
    return found


def _list_of(kind: type, message: Mapping[str, Any], name: str) -> list[Any]:
    found = message.get(name) or []
    if not isinstance(found, list) or not all(isinstance(entry, kind) for entry in found):
        raise BadRequest(f"{name} of a message must be a list of {kind.__name__}", param="messages")
    return found


def _call_out(number: int, call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        raise BadRequest("a tool call must have a function, an object", param="messages")
    return {
        "id": call.get("id") or f"call_{number}",
        "type": "function",
        "function": {
            "name": function.get("name", ""),
            "arguments": orjson.dumps(function.get("arguments") or {}).decode(),
        },
    }


def _record(answered: Answered | Streamed, **more: Any) -> dict[str, Any]:
    return {
        "model": answered.answered_by,
        "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        **more,
    }


def _final(started: int, reason: str, usage: Any) -> dict[str, Any]:
    usage = usage if isinstance(usage, dict) else {}
    elapsed = time.perf_counter_ns() - started
    return {
        "done": True,
        "done_reason": "length" if reason == "length" else "stop",
        "total_duration": elapsed,
        "load_duration": 0,
        "prompt_eval_count": usage.get("prompt_tokens") or 0,
        "prompt_eval_duration": 0,
        "eval_count": usage.get("completion_tokens") or 0,
        "eval_duration": elapsed,
    }


def _whole(answered: Answered, started: int) -> dict[str, Any]:
    found = lenient(answered.body)
    choice = found["choices"][0]
    final = _final(started, choice.get("finish_reason", "stop"), found.get("usage"))
    return _record(answered, message=_message_in(choice["message"]), **final)


def _message_in(message: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": "assistant", "content": message.get("content") or ""}
    if message.get("tool_calls"):
        found["tool_calls"] = [_call_in(call) for call in message["tool_calls"]]
    return found


def _call_in(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function", {})
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError:
        arguments = {}
    return {"function": {"name": function.get("name", ""), "arguments": arguments}}


async def _send_records(request: Request, answered: Streamed, call: ChatCall, started: int) -> None:
    response = await open_stream(request, _NDJSON, _headers(answered, call))
    try:
        async for record in _records(answered, started):
            await response.send(orjson.dumps(record) + b"\n")
    except TouchstoneError as exc:
        await response.send(orjson.dumps(error_body(exc)) + b"\n")
    await response.eof()


async def _records(answered: Streamed, started: int) -> AsyncIterator[dict[str, Any]]:
    """Ollama's records from an OpenAI event stream; tool calls come whole, with the end."""
    reason, usage, calls = "stop", None, {}
    async for chunk in events(answered.frames):
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            reason = choice.get("finish_reason") or reason
            _gather(calls, delta.get("tool_calls") or ())
            if delta.get("content"):
                message = {"role": "assistant", "content": delta["content"]}
                yield _record(answered, message=message, done=False)
    message = _message_in({"tool_calls": [calls[index] for index in sorted(calls)]})
    yield _record(answered, message=message, **_final(started, reason, usage))


def _gather(calls: dict[int, dict[str, Any]], deltas: Any) -> None:
    for delta in deltas:
        call = calls.setdefault(delta.get("index", 0), {"function": {"name": "", "arguments": ""}})
        function = delta.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""


async def events(frames: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each ``data:`` line of an event stream, whatever pieces it comes in."""
    rest = b""
    async for frame in frames:
        *lines, rest = (rest + frame).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if data and data != b"[DONE]":
                chunk = _chunk(data)
                if "error" in chunk:
                    raise UpstreamError(str(chunk["error"]))
                yield chunk


def _chunk(data: bytes) -> dict[str, Any]:
    try:
        found = lenient(data)
    except ValueError as exc:
        raise UpstreamError("the provider sent a piece of its answer that is not JSON") from exc
    if not isinstance(found, dict):
        raise UpstreamError("the provider sent a piece of its answer that is no object")
    return found


async def tags(request: Request) -> HTTPResponse:
    """GET /api/tags: the router, and with EXPOSE_MODELS=all every enabled model."""
    service: Service = request.app.ctx.service
    snapshot = service.registry.snapshot
    entries = [_tag("touchstone", snapshot.id, None)]
    if service.settings.expose_models == "all":
        entries += [
            _tag(c.model.id, repr(c.model.capabilities), c.model) for c in snapshot.candidates
        ]
    return send_json({"models": entries})


def _tag(name: str, changes_with: str, model: Model | None) -> dict[str, Any]:
    stamp = model.updated_at if model and model.updated_at else datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "name": f"{name}:latest" if model is None else name,
        "model": f"{name}:latest" if model is None else name,
        "modified_at": stamp.isoformat(),
        "size": 0,
        "digest": hashlib.sha256(f"{name}\0{changes_with}".encode()).hexdigest(),
        "details": {
            "parent_model": "",
            "format": "",
            "family": model.provider if model else "touchstone",
            "families": [],
            "parameter_size": "",
            "quantization_level": "",
        },
    }


async def version(_request: Request) -> HTTPResponse:
    """GET /api/version"""
    return send_json({"version": VERSION})
