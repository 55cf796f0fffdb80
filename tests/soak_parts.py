"""The two ends of ``tests/soak.py``: an upstream that fails in every way, and a client that leaves.

The request's ``metadata`` goes through the service untouched and tells the upstream what to do.
The upstream is a process of its own (``python -m tests.soak_parts PORT FILE``) and appends to a
file when each call came and how it ended, with the machine's monotonic clock, so that its notes
outlive its being killed and can be held against the client's.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

PIECES = 20
#: seconds that a call which waits to be cancelled would last
FOREVER_S = 45
VERDICT = '{"category": "reasoning", "modelname": "p/a", "reason": "it is", "matching_tags": []}'

#: what the upstream does → (how often, what a client that stays is to get: status and ending)
FAILURES = {
    "drop": (4, (200, "error")),
    "no-done": (2, (200, "error")),
    "hang-mid": (1, (200, "error")),
    "hang": (0.4, (504, "")),
    "status-503": (3, (502, "")),
    "status-500": (2, (502, "")),
    "status-429": (3, (429, "")),
    "status-400": (1, (400, "")),
    "broken": (3, (502, "")),
    "empty": (2, (502, "")),
    "drop-first": (2, (502, "")),
    "once-status-503": (3, (200, "done")),
    "once-drop-first": (2, (200, "done")),
    "once-hang": (0.5, (200, "done")),
}
#: what the client does, with what the upstream does meanwhile → how often
LEAVINGS = {
    ("before", "silent"): 6,
    ("mid", "long"): 8,
    ("mid", "ok"): 6,
    ("last", "ok"): 6,
}


@dataclass
class Call:
    """One request, what is to become of it, and what became of it."""

    id: int
    #: what the upstream does
    do: str = "ok"
    #: when the client leaves: before the first byte, mid-stream, after the last; "": it stays
    leaves: str = ""
    expected: tuple[int, str] = (200, "done")
    body: dict = field(default_factory=dict)
    started: float = 0.0
    ended: float = 0.0
    status: int = 0
    #: how the stream ended: done, error, or with neither
    ending: str = ""
    decision_id: str = ""
    retry_after: str = ""
    trouble: str = ""


def plan(count, seed, first=0):
    """``count`` calls, mixed: the same for the same seed."""
    chance = random.Random(seed)
    kinds = [("stay", "ok"), *(("stay", do) for do in FAILURES), *LEAVINGS]
    weights = [48, *(often for often, _ in FAILURES.values()), *LEAVINGS.values()]
    calls = []
    for number, (leaves, do) in enumerate(chance.choices(kinds, weights, k=count), first):
        call = Call(number, do, "" if leaves == "stay" else leaves)
        if do in FAILURES:
            call.expected = FAILURES[do][1]
        call.body = body_of(call, chance)
        calls.append(call)
    return calls


def body_of(call, chance):
    """Named or routed, now and then a long text.

    So few texts that what the service remembers of them, within its bounds, is full when warm.
    """
    text = f"question {chance.randrange(800)}"
    if chance.random() < 0.02:
        text += " and so on" * 6000
    return {
        "model": chance.choice(("touchstone", "p/a", "p/b")),
        "messages": [{"role": "user", "content": text}],
        "metadata": {"id": call.id, "do": call.do},
        "stream": True,
    }


async def ask(session, call):
    """Make the call as planned and note what became of it."""
    call.started = time.monotonic()
    patience_s = random.uniform(0.0, 0.3) if call.leaves == "before" else 120
    try:
        async with asyncio.timeout(patience_s):
            response = await session.post("/v1/chat/completions", json=call.body)
        call.status = response.status
        call.decision_id = response.headers.get("x-touchstone-decision-id", "")
        call.retry_after = response.headers.get("retry-after", "")
        await read(response, call)
    except TimeoutError:
        call.trouble = "" if call.leaves == "before" else "no answer in two minutes"
    except aiohttp.ClientError as exc:
        call.trouble = f"{type(exc).__name__}: {exc}"
    call.ended = time.monotonic()


async def read(response, call):
    """The stream up to its end, or up to where the client leaves it."""
    leave_after = random.randrange(1, 15) if call.leaves == "mid" else None
    events, rest = 0, b""
    async for piece in response.content.iter_any():
        rest += piece
        events += piece.count(b"\n\n")
        enough = events >= leave_after if leave_after else b"[DONE]" in rest
        if call.leaves and enough:
            response.close()
            break
    call.ending = ending_of(rest) if call.status == 200 else ""
    response.release()


def ending_of(text):
    """What the last event of a stream says of its end."""
    last = text.rstrip().rpartition(b"\n")[2]
    if last == b"data: [DONE]":
        return "done"
    return "error" if last.startswith(b'data: {"error"') else "nothing"


class Upstream:
    """Does what it is told, and keeps notes."""

    def __init__(self, notes):
        self.notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.seen = Counter()

    def note(self, number, event):
        entry = {"id": number, "event": event, "at": time.monotonic(), "pid": os.getpid()}
        os.write(self.notes, json.dumps(entry).encode() + b"\n")

    async def chat(self, request):
        body = await request.json()
        if body["model"] == "meta":
            return await self.meta()
        number, do = body["metadata"]["id"], body["metadata"]["do"]
        self.seen[number] += 1
        if do.startswith("once-"):
            do = do.removeprefix("once-") if self.seen[number] == 1 else "ok"
        self.note(number, "came")
        try:
            return await self.behave(request, do)
        except (asyncio.CancelledError, ConnectionResetError):
            self.note(number, "cut")
            raise
        finally:
            self.note(number, "over")

    async def meta(self):
        """The meta-model's verdict, at times late, refused or unreadable."""
        luck = random.random()
        if luck < 0.02:
            await asyncio.sleep(FOREVER_S)
        if luck < 0.05:
            return web.json_response({"error": {"message": "too busy"}}, status=503)
        text = "I had rather not say" if luck < 0.08 else VERDICT
        choice = {"index": 0, "message": {"role": "assistant", "content": text}}
        return web.json_response({"choices": [{**choice, "finish_reason": "stop"}]})

    async def behave(self, request, do):
        if do.startswith("status-"):
            error = {"error": {"message": f"scripted {do}", "type": "scripted"}}
            headers = {"retry-after": "7"} if do == "status-429" else {}
            return web.json_response(error, status=int(do[7:]), headers=headers)
        match do:
            case "broken":
                return web.Response(text='{"choices": [', content_type="application/json")
            case "empty":
                return web.Response(text="", content_type="text/event-stream")
            case "drop-first":
                request.transport.abort()
                return web.Response()
            case "hang" | "silent":
                await asyncio.sleep(FOREVER_S)
        return await self.stream(request, do)

    async def stream(self, request, do):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(10_000 if do == "long" else PIECES):
            delta = {"role": "assistant", "content": "word "}
            await self.send(response, {"index": 0, "delta": delta, "finish_reason": None})
            if number == 5 and do == "drop":
                request.transport.abort()
                return response
            if number == 5 and do == "hang-mid":
                await asyncio.sleep(FOREVER_S)
            await asyncio.sleep(0.03 if do == "long" else random.uniform(0.001, 0.006))
        await self.send(response, {"index": 0, "delta": {}, "finish_reason": "stop"})
        if do != "no-done":
            await response.write(b"data: [DONE]\n\n")
        return response

    async def send(self, response, choice):
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "a"}
        await response.write(
            b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"
        )


async def serve(port, notes):
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", Upstream(notes).chat)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
