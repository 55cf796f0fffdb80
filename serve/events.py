"""An answer's event stream, sent on as it comes."""

from collections.abc import Callable

from sanic import Request

from core.errors import TouchstoneError
from serve.calls import Streamed, headers
from serve.reply import open_stream

_EVENTS = "text/event-stream; charset=utf-8"


async def send_events(
    request: Request, answered: Streamed, failed: Callable[[TouchstoneError], bytes]
) -> None:
    """The frames as they come; a failure among them ends the stream with an event that says so."""
    more = {"cache-control": "no-cache", **headers(answered, request.ctx.request_id)}
    response = await open_stream(request, _EVENTS, more)
    try:
        async for frame in answered.frames:
            await response.send(frame)
    except TouchstoneError as exc:
        await response.send(failed(exc))
    await response.eof()
