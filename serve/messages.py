"""Anthropic's dialect: Messages in and out of `ChatCall`; nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any

from sanic import HTTPResponse, Request
from sanic.compat import Header

from core.errors import BadRequest, TouchstoneError, UpstreamRejected
from core.providers import sse
from core.providers.addresses import wire_format
from serve.calls import ROUTED_NAMES, call_of
from serve.events import answer
from serve.parse import CHARACTERS_PER_TOKEN, json_body, messages_of, model_of
from serve.reply import send_json
from serve.service import Service

#: statuses that Anthropic has a word of its own for
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class ThreadsNotKept(BadRequest):
    """What Anthropic keeps of a conversation no other provider knows; its SDKs read this and send
    the whole."""

    def __init__(self) -> None:
        super().__init__(
            "threads are not kept here; send the whole conversation",
            param="thread",
            code="thread_unsupported_request",
        )


def error_body(exc: TouchstoneError) -> dict[str, Any]:
    """Anthropic's error object."""
    error: dict[str, Any] = {"type": _TYPES.get(exc.status, "api_error"), "message": exc.told}
    if isinstance(exc, ThreadsNotKept):
        error["details"] = {"error_code": exc.code, "unsupported": [exc.param]}
    elif isinstance(exc, UpstreamRejected) and isinstance(exc.error.get("details"), dict):
        error["details"] = exc.error["details"]  # by them Anthropic's SDKs know how to go on
    return {"type": "error", "error": error}


async def messages(request: Request) -> HTTPResponse | None:
    """POST /v1/messages"""
    body = json_body(request)
    if body.get("thread") and not _stays_with_anthropic(request.app.ctx.service, model_of(body)):
        raise ThreadsNotKept
    call = call_of(
        request, body, _turns(body), spoken="anthropic", headers=_passed_on(request.headers)
    )
    return await answer(request, call, lambda exc: sse.event(error_body(exc), "error"))


def _stays_with_anthropic(service: Service, name: str) -> bool:
    """Whether the model that is named is asked in this very format, each time."""
    found = None if name in ROUTED_NAMES else service.registry.named(name)
    if found is None or found.provider not in service.providers.by_name:
        return False
    return wire_format(service.providers.for_model(found.provider, found.name)) == "anthropic"


async def count_tokens(request: Request) -> HTTPResponse:
    """POST /v1/messages/count_tokens: an estimate, for each model that may answer has its own way
    of counting."""
    body = json_body(request)
    _turns(body)
    counted = {name: body[name] for name in ("system", "messages", "tools") if name in body}
    characters = sum(len(text) for text in _texts(counted))
    return send_json({"input_tokens": max(1, characters // CHARACTERS_PER_TOKEN)})


def _texts(value: Any) -> Iterator[str]:
    """Every text in a body but the bytes of its images and documents."""
    match value:
        case str():
            yield value
        case {"type": "base64"}:
            return
        case dict():
            for name, inner in value.items():
                yield name
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _turns(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conversation with its system text in front, as all dialects have it for routing."""
    system = body.get("system")
    if system is not None and not isinstance(system, str | list):
        raise BadRequest("system must be a text or a list of text blocks", param="system")
    head = [{"role": "system", "content": system}] if system else []
    return [*head, *messages_of(body)]


def _passed_on(given: Header) -> dict[str, str]:
    """Headers that change what a body means to Anthropic."""
    value = ",".join(given.getall("anthropic-beta", []))
    if not value.isascii() or (value and not value.isprintable()):
        raise BadRequest("anthropic-beta must be printable ASCII")
    return {"anthropic-beta": value} if value else {}
