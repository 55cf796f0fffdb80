"""What the dialects share in reading a request: JSON, messages, the text that decides."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sanic import Request

from core.errors import BadRequest
from core.routing import RouteRequest
from core.routing_text import routing_text, text_of

#: of a token, rather too many than too few
CHARACTERS_PER_TOKEN = 4
#: levels of a body's lists and objects
_DEEPEST = 200
#: how the three formats call an image
_IMAGES = ("image_url", "input_image", "image")


def json_body(request: Request) -> dict[str, Any]:
    """The body as an object; `BadRequest` says what is wrong with it."""
    if not request.body:
        raise BadRequest("the body is empty; a JSON object is expected")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise BadRequest("the body must come as it is, without content-encoding")
    try:
        found = orjson.loads(request.body)
    except orjson.JSONDecodeError as exc:
        raise BadRequest(f"the body is not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise BadRequest("the body must be a JSON object")
    # reading takes deeper nesting than writing does, and all of it is written again
    if request.body.count(b"[") + request.body.count(b"{") > _DEEPEST and _is_deep(found):
        raise BadRequest(f"the body is nested more than {_DEEPEST} levels deep")
    return found


def _is_deep(value: Any) -> bool:
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [v for found in inner for v in found if isinstance(v, dict | list)]
        depth += 1
    return bool(level)


def messages_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conversation; `BadRequest` unless it is a list of objects with a role, and not empty."""
    found = body.get("messages")
    if not isinstance(found, list) or not found:
        raise BadRequest("messages must be a list with at least one message", param="messages")
    for number, message in enumerate(found):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest(
                f"messages[{number}] must be an object with a role", param=f"messages[{number}]"
            )
    return found


def model_of(body: Mapping[str, Any]) -> str:
    found = body.get("model")
    if found is not None and not isinstance(found, str):
        raise BadRequest("model must be text", param="model")
    return (found or "").strip()


def route_of(
    messages: Sequence[Mapping[str, Any]], limit: int, body: Mapping[str, Any] | None = None
) -> RouteRequest:
    """The routing request that a conversation makes."""
    needs = set()
    if any(_holds_image(message) for message in messages):
        needs.add("vision")
    if body and body.get("tools"):
        needs.add("tools")
    return RouteRequest(
        text=routing_text(messages, limit),
        needs=frozenset(needs),
        tokens=sum(len(text_of(message)) for message in messages) // CHARACTERS_PER_TOKEN,
    )


def _holds_image(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") in _IMAGES for part in content
    )
