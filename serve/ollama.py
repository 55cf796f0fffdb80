"""Ollama's dialect, talking: NDJSON in and out of `ChatCall`; nothing else."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from sanic import HTTPResponse, Request

from core.errors import BadRequest, TouchstoneError, UpstreamError
from core.providers import sse
from core.providers.translate import ODD
from serve.answer import complete, stream
from serve.calls import Answered, Streamed, call_of, headers
from serve.ollama_info import bare
from serve.ollama_request import to_openai
from serve.parse import json_body, messages_of, model_of
from serve.reply import open_stream, send_json
from serve.service import Service

_NDJSON = "application/x-ndjson"
#: a message of Ollama's (role, content, thinking, tool_calls) → the fields that carry it
Shape = Callable[[Mapping[str, Any]], dict[str, Any]]


def error_body(exc: TouchstoneError) -> dict[str, Any]:
    return {"error": exc.told}


async def chat(request: Request) -> HTTPResponse | None:
    """POST /api/chat: streams unless told not to; without messages nothing is asked."""
    body = json_body(request)
    if body.get("messages") == []:
        return _loaded(body, {"message": {"role": "assistant", "content": ""}})
    messages_of(body)
    return await _answer(request, body, lambda message: {"message": message})


async def generate(request: Request) -> HTTPResponse | None:
    """POST /api/generate: one prompt, perhaps with a system text and images."""
    body = json_body(request)
    prompt, system = body.get("prompt") or "", body.get("system") or ""
    if not isinstance(prompt, str) or not isinstance(system, str):
        raise BadRequest("prompt and system must be text", param="prompt")
    if not prompt:
        return _loaded(body, {"response": ""})
    user = {"role": "user", "content": prompt, "images": body.get("images")}
    messages = [{"role": "system", "content": system}, user] if system else [user]
    return await _answer(request, {**body, "messages": messages}, _generated)


def _thoughtless(shape: Shape) -> Shape:
    return lambda message: shape({k: v for k, v in message.items() if k != "thinking"})


def _generated(message: Mapping[str, Any]) -> dict[str, Any]:
    thinking = {"thinking": message["thinking"]} if message.get("thinking") else {}
    return {"response": message["content"], **thinking}


def _loaded(body: Mapping[str, Any], empty: Mapping[str, Any]) -> HTTPResponse:
    """How Ollama answers a request that only wants a model loaded, or unloaded."""
    reason = "unload" if body.get("keep_alive") == 0 else "load"
    record = {"model": model_of(body), "created_at": _now(), **empty}
    return send_json({**record, "done": True, "done_reason": reason})


async def _answer(request: Request, body: Mapping[str, Any], shape: Shape) -> HTTPResponse | None:
    service: Service = request.app.ctx.service
    openai_body = to_openai(body)
    if body.get("stream") is not False:
        openai_body |= {"stream": True, "stream_options": {"include_usage": True}}
    call = call_of(request, openai_body, openai_body["messages"], model=bare(model_of(body)))
    started = time.perf_counter_ns()
    shape = shape if body.get("think") is not False else _thoughtless(shape)
    if body.get("stream") is False:
        answered = await complete(service, call)
        record = _whole(answered, started, shape)
        return send_json(record, headers=headers(answered, call.request_id))
    async with stream(service, call) as answered:
        return await _send_records(request, answered, started, shape)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _record(answered: Answered | Streamed, **more: Any) -> dict[str, Any]:
    return {"model": answered.answered_by, "created_at": _now(), **more}


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


def _whole(answered: Answered, started: int, shape: Shape) -> dict[str, Any]:
    found = answered.answer.found
    choice = found["choices"][0]
    final = _final(started, choice.get("finish_reason", "stop"), found.get("usage"))
    return _record(answered, **shape(_message_in(choice["message"])), **final)


def _message_in(message: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": "assistant", "content": message.get("content") or ""}
    if thinking := message.get("reasoning_content") or message.get("reasoning"):
        found["thinking"] = thinking
    if message.get("tool_calls"):
        found["tool_calls"] = [_call_in(call) for call in message["tool_calls"]]
    return found


def _call_in(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function", {})
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            arguments = {}
    told = {"id": call["id"]} if call.get("id") else {}
    return {**told, "function": {"name": function.get("name", ""), "arguments": arguments}}


async def _send_records(request: Request, answered: Streamed, started: int, shape: Shape) -> None:
    response = await open_stream(request, _NDJSON, headers(answered, request.ctx.request_id))
    try:
        async for record in _records(answered, started, shape):
            await response.send(orjson.dumps(record) + b"\n")
    except TouchstoneError as exc:
        await response.send(orjson.dumps(error_body(exc)) + b"\n")
    await response.eof()


async def _records(answered: Streamed, started: int, shape: Shape) -> AsyncIterator[dict[str, Any]]:
    """Ollama's records from an OpenAI event stream; tool calls come whole, with the end."""
    try:
        async for record in _read(answered, started, shape):
            yield record
    except ODD as exc:
        raise UpstreamError(f"{answered.answered_by} answered in an unknown form") from exc


async def _read(answered: Streamed, started: int, shape: Shape) -> AsyncIterator[dict[str, Any]]:
    reason, usage = "stop", None
    calls: dict[int, dict[str, Any]] = {}
    async for chunk in _chunks(answered.frames):
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            reason = choice.get("finish_reason") or reason
            _gather(calls, delta.get("tool_calls") or ())
            message = _message_in({**delta, "tool_calls": None})
            if message["content"] or message.get("thinking"):
                yield _record(answered, **shape(message), done=False)
    message = _message_in({"tool_calls": [calls[index] for index in sorted(calls)]})
    yield _record(answered, **shape(message), **_final(started, reason, usage))


def _gather(calls: dict[int, dict[str, Any]], deltas: Any) -> None:
    for delta in deltas:
        index = delta.get("index")
        if not isinstance(index, int):  # some servers tell calls apart by their ids alone
            last = max(calls, default=-1)
            index = last if last >= 0 and delta.get("id") in (None, calls[last]["id"]) else last + 1
        call = calls.setdefault(index, {"id": None, "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or delta.get("id")
        function = delta.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        arguments = function.get("arguments") or ""
        call["function"]["arguments"] += (
            arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        )


async def _chunks(frames: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    async for chunk in sse.objects(frames):
        if chunk.get("error"):
            raise UpstreamError(str(chunk["error"]))
        yield chunk
