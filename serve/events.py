"""An answer in the client's own format, sent on as it comes: whole, or as a stream of events."""

from collections.abc import Callable

from sanic import HTTPResponse, Request
from sanic.response import raw

from core.errors import TouchstoneError
from serve.answer import complete, stream
from serve.calls import ChatCall, headers
from serve.reply import JSON, open_stream

_EVENTS = "text/event-stream; charset=utf-8"
#: a failure in mid-stream as an event of the client's dialect
Failed = Callable[[TouchstoneError], bytes]


async def answer(request: Request, call: ChatCall, failed: Failed) -> HTTPResponse | None:
    """The model's bytes, whole or streamed as the client's body has it."""
    if call.asked.body.get("stream"):
        return await answer_in_events(request, call, failed)
    answered = await complete(request.app.ctx.service, call)
    more = headers(answered, call.request_id)
    return raw(answered.answer.raw, content_type=JSON, headers=more)


async def answer_in_events(request: Request, call: ChatCall, failed: Failed) -> None:
    """The frames as they come; a failure among them ends the stream with an event that says so."""
    async with stream(request.app.ctx.service, call) as answered:
        more = {"cache-control": "no-cache", **headers(answered, call.request_id)}
        response = await open_stream(request, _EVENTS, more)
        try:
            async for frame in answered.frames:
                await response.send(frame)
        except TouchstoneError as exc:
            await response.send(failed(exc))
        await response.eof()
