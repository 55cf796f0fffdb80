"""What the dialects share in answering: JSON bodies and open streams."""

from collections.abc import Mapping
from typing import Any, cast

import orjson
from sanic import HTTPResponse, Request
from sanic.response import raw

JSON = "application/json"


def send_json(
    value: Any, status: int = 200, *, headers: Mapping[str, str] | None = None
) -> HTTPResponse:
    """JSON, with times as RFC 3339."""
    return raw(orjson.dumps(value), status=status, content_type=JSON, headers=dict(headers or {}))


async def open_stream(
    request: Request, content_type: str, headers: Mapping[str, str]
) -> HTTPResponse:
    """The response's head is on its way; what is sent from now on goes out as it is."""
    response = await request.respond(content_type=content_type, headers=dict(headers))
    return cast("HTTPResponse", response)
