"""A scripted provider on a real socket: OpenAI chat and responses, Anthropic messages.

The model's name chooses the behaviour; `Upstream.script` gives answers, `Upstream.requests` holds
what was asked. Standing alone: ``python -m tests.upstream --port 9911``.
"""

import argparse
import asyncio
import inspect
import json
import re
from collections import Counter
from contextlib import asynccontextmanager

from aiohttp import web

from tests.upstream_formats import CHAT, MESSAGES
from tests.upstream_model import Said, clever
from tests.upstream_responses import RESPONSES


class Upstream:
    def __init__(self, models=()):
        self.models = list(models)
        self.requests = []
        self.script = {}
        self.failures = Counter()
        self.cancelled = 0
        self.delay_s = 0.0
        self.url = ""

    def asked(self, model=None):
        """Chat requests received, of one model or of all."""
        posts = [r for r in self.requests if r["method"] == "POST"]
        return [r for r in posts if model is None or r["body"].get("model") == model]

    def app(self):
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/embeddings", self.embeddings)
        app.router.add_post("/v1/messages", self.messages)
        app.router.add_post("/v1/responses", self.responses)
        app.router.add_get("/requests", self.counts)
        return app

    async def note(self, request):
        body = await request.json() if request.can_read_body else {}
        entry = {"method": request.method, "path": request.path, "body": body}
        self.requests.append({**entry, "headers": dict(request.headers)})
        return body

    async def list_models(self, request):
        await self.note(request)
        data = [m if isinstance(m, dict) else {"id": m, "object": "model"} for m in self.models]
        return web.json_response({"object": "list", "data": data})

    async def counts(self, _request):
        return web.json_response(Counter(r["body"].get("model") for r in self.asked()))

    async def text(self, body):
        scripted = self.script.get(body["model"])
        if scripted is None:
            last = body["messages"][-1]["content"]
            return f"echo: {last if isinstance(last, str) else json.dumps(last)}"
        if callable(scripted):
            scripted = scripted(body)
        return await scripted if inspect.isawaitable(scripted) else scripted

    async def misbehave(self, model, body):
        """The response of a model that fails by its name; None for the others."""
        if found := re.fullmatch(r"flaky-(\d+)", model):
            self.failures[model] += 1
            if self.failures[model] <= int(found[1]):
                return web.json_response({"error": {"message": "try again"}}, status=503)
        if found := re.fullmatch(r"status-(\d+)", model):
            headers = {"retry-after": "1"} if found[1] == "429" else {}
            error = {"error": {"message": f"scripted {found[1]}", "type": "scripted"}}
            return web.json_response(error, status=int(found[1]), headers=headers)
        if model == "hang":
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return broken(model) or refused(model, body)

    async def chat(self, request):
        body = await self.note(request)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return await self.answer(request, body, CHAT)

    async def messages(self, request):
        return await self.answer(request, await self.note(request), MESSAGES)

    async def responses(self, request):
        return await self.answer(request, await self.note(request), RESPONSES)

    async def answer(self, request, body, form):
        model = body.get("model", "")
        if (failed := await self.misbehave(model, body)) is not None:
            return failed
        try:
            said = await self.said(model, body, form)
        except ValueError as exc:
            return refusal(str(exc))
        if isinstance(said, web.Response):
            return said
        if body.get("stream"):
            return await self.stream(request, model, form.frames(model, said, body))
        return web.json_response(form.whole(model, said, body))

    async def said(self, model, body, form):
        """What a model answers: by its name, by the script, else an echo."""
        if model in ("clever", "strict"):
            return clever(form.read(body))
        if model == "tool-caller" and body.get("tools"):
            return Said(calls=[("c1", body["tools"][0]["function"]["name"], '{"a": 1}')])
        thinking = "Let me see." if model == "thinker" else ""
        if "messages" not in body:
            return Said(text=f"echo of {len(body['input'])} items", thinking=thinking)
        text = await self.text(body)
        return text if isinstance(text, web.Response) else Said(text=str(text), thinking=thinking)

    async def embeddings(self, request):
        body = await self.note(request)
        if (failed := await self.misbehave(body["model"], body)) is not None:
            return failed
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data = [{"object": "embedding", "index": i, "embedding": [float(len(text)), 0.5]}
                for i, text in enumerate(texts)]  # fmt: skip
        return web.json_response({"object": "list", "data": data, "model": body["model"],
                                  "usage": {"prompt_tokens": 3, "total_tokens": 3}})  # fmt: skip

    async def stream(self, request, model, frames):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            await response.write(b"".join(frames.before))
            for number, piece in enumerate(frames.pieces, 1):
                await response.write(piece)
                if model == "slow":
                    await asyncio.sleep(0.1)
                if number == frames.heard and await self.breaks_off(
                    request, response, model, frames
                ):
                    return response
        except (ConnectionResetError, asyncio.CancelledError):
            self.cancelled += 1
            raise
        for end in frames.after[:-1] if model == "no-done" else frames.after:
            await response.write(end)
        return response

    async def breaks_off(self, request, response, model, frames):
        """Whether the stream of this model ends here, in the middle."""
        match model:
            case "drop":
                request.transport.close()
            case "error-event":
                await response.write(frames.failure)
            case "stall":
                await asyncio.sleep(600)
            case _:
                return False
        return True


def broken(model):
    match model:
        case "html-502":
            page = "<html>Bad gateway</html>"
            return web.Response(text=page, status=502, content_type="text/html")
        case "broken-json":
            return web.Response(text='{"choices": [', content_type="application/json")
        case "empty":
            return web.Response(text="")
    return None


def refused(model, body):
    match model:
        case "no-temperature" if "temperature" in body:
            return refusal("Unsupported parameter: 'temperature'")
        case "clever" if "thread" in body:
            details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
            error = {"type": "invalid_request_error", "message": "no threads", "details": details}
            return web.json_response({"type": "error", "error": error}, status=400)
        case "strict" if name := foreign(body):
            detail = {"type": "extra_forbidden", "loc": ["body", "messages", 1, name],
                      "msg": "Extra inputs are not permitted"}  # fmt: skip
            return web.json_response(
                {"object": "error", "message": {"detail": [detail]}}, status=422
            )
        case "no-schema" if "response_format" in body:
            return refusal("response_format is not supported")
    return None


def foreign(body):
    """A field of a message, or of a part of one, that is no part of chat completions."""
    known = {"role", "content", "name", "tool_calls", "tool_call_id", "refusal"}
    known |= {"type", "text", "image_url", "input_audio", "file"}
    contents = [message.get("content") for message in body["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return next(
        (name for found in (*body["messages"], *parts) for name in found.keys() - known), ""
    )


def refusal(message):
    return web.json_response({"error": {"message": message, "type": "x"}}, status=400)


@asynccontextmanager
async def run_upstream(models=("echo",), *, port=0):
    """A running upstream; its address is ``.url``."""
    upstream = Upstream(models)
    runner = web.AppRunner(
        upstream.app(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9911)
    parser.add_argument("--models", default="echo")
    parser.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    async with run_upstream(options.models.split(","), port=options.port) as upstream:
        upstream.delay_s = options.delay
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
