"""OpenAI's newer dialect: Responses in and out of `ChatCall`; nothing else."""

from collections.abc import Mapping
from typing import Any

import orjson
from sanic import HTTPResponse, Request
from sanic.response import raw

from core.errors import BadRequest, TouchstoneError
from core.providers import sse
from serve.answer import complete
from serve.auth import presented_key
from serve.calls import call_of, headers
from serve.events import answer_in_events
from serve.openai import error_body
from serve.parse import json_body
from serve.reply import JSON
from serve.service import Service

#: items that have no role, and whose turn they are
_TURNS = {
    "function_call": "assistant",
    "custom_tool_call": "assistant",
    "reasoning": "assistant",
    "function_call_output": "tool",
    "custom_tool_call_output": "tool",
}


async def responses(request: Request) -> HTTPResponse | None:
    """POST /v1/responses: earlier responses and their items may be referred to by id."""
    service: Service = request.app.ctx.service
    given = json_body(request)
    owner = presented_key(request)
    body = service.remembered.resolved(owner, given)

    def keep(response: Mapping[str, Any]) -> None:
        """Before the client sees the end, for it may refer to it at once."""
        service.remembered.keep(owner, body, response)

    call = call_of(request, body, _turns(body), spoken="openai-responses", heard=keep)
    if body.get("stream"):
        return await answer_in_events(request, call, error_event)
    answered = await complete(service, call)
    found, content = answered.answer.found, answered.answer.raw
    keep(found)
    if earlier := given.get("previous_response_id"):
        content = orjson.dumps({**found, "previous_response_id": earlier})
    return raw(content, content_type=JSON, headers=headers(answered, call.request_id))


def error_event(exc: TouchstoneError) -> bytes:
    """The event of Responses, and in it the error object by which OpenAI's SDKs know a failure."""
    error = error_body(exc)["error"]
    flat = {"code": error["code"], "message": error["message"], "param": error["param"]}
    return sse.event({"type": "error", "sequence_number": 0, **flat, "error": error}, "error")


def _turns(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conversation as all dialects have it for routing."""
    instructions, given = body.get("instructions"), body.get("input")
    head = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str) and given:
        return [*head, {"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise BadRequest("input must be a text or a list with at least one item", param="input")
    return [*head, *(_turn(number, item) for number, item in enumerate(given))]


def _turn(number: int, item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise BadRequest(f"input[{number}] must be an object", param=f"input[{number}]")
    if isinstance(item.get("role"), str):
        return item
    kind = item.get("type")
    role = _TURNS.get(kind, "other") if isinstance(kind, str) else "other"
    return {"role": role, "content": item.get("output")}
