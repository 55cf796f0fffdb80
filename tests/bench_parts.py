"""The processes of ``tests/bench.py``: scripted upstream, minimal proxy, load; and reading /proc.

The load is a raw asyncio client in a process of its own, not ``wrk``: it is there on every machine,
costs less than a tenth of what it measures, sends a new prompt with each request where that is
wanted, and times the first byte of a stream. Connections ask again as soon as they have an answer.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import sys
import time
from pathlib import Path
from types import MappingProxyType

import httpx
import uvloop
from sanic import Sanic
from sanic.response import raw

PIECES = 20
KEY = "bench-key"
KINDS = ("cached", "missed", "streamed", "burst")
VERDICT = json.dumps(
    {"category": "reasoning", "modelname": "up/a", "reason": "it is", "matching_tags": ["math"]}
)


def _chunk(delta, reason=None, more=MappingProxyType({})):
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    found = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "a"}
    return _event({**found, "choices": choices, **more})


def _event(found):
    return b"data: " + json.dumps(found, separators=(",", ":")).encode() + b"\n\n"


def _framed(event):
    return b"%x\r\n%b\r\n" % (len(event), event)


_COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "a",
        "choices": [{"index": 0, "finish_reason": "stop",
                     "message": {"role": "assistant", "content": VERDICT}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40},
    }
).encode()  # fmt: skip
WHOLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    % len(_COMPLETION)
) + _COMPLETION
_EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _stream(more, usage):
    """The pieces of a stream; with usage asked for, as OpenAI has it: null but in a last chunk."""
    return (
        _EVENTS + _framed(_chunk({"role": "assistant", "content": "word "}, None, more)),
        *[_framed(_chunk({"content": "word "}, None, more))] * (PIECES - 2),
        _framed(_chunk({}, "stop", more) + usage + b"data: [DONE]\n\n") + b"0\r\n\r\n",
    )


_COUNTED = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
STREAM = _stream({}, b"")
STREAM_WITH_USAGE = _stream({"usage": None}, _event({"choices": [], "usage": _COUNTED}))


class Canned(asyncio.Protocol):
    """The upstream: the same answer for every request, as cheaply as Python can."""

    def __init__(self, gap_s):
        self.gap_s = gap_s

    def connection_made(self, transport):
        self.transport, self.rest = transport, b""

    def data_received(self, data):
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) != -1:
            length = content_length(self.rest[:end]) or 0
            if len(self.rest) < end + 4 + length:
                return
            body, self.rest = self.rest[end : end + 4 + length], self.rest[end + 4 + length :]
            if b'"stream":true' not in body:
                self.transport.write(WHOLE)
                continue
            gap_s = 0 if b'"burst"' in body else self.gap_s
            pieces = STREAM_WITH_USAGE if b'"include_usage":true' in body else STREAM
            self.go_on(iter(pieces), gap_s)

    def go_on(self, pieces, gap_s):
        """One piece after another, each in a packet of its own; streams do not march in step."""
        piece = next(pieces, None)
        if piece is not None and not self.transport.is_closing():
            self.transport.write(piece)
            later_s = gap_s * random.uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(later_s, self.go_on, pieces, gap_s)


def content_length(head):
    """Of a request's or an answer's head; None without one."""
    _, mark, after = head.lower().partition(b"content-length:")
    return int(after.split(b"\r\n", 1)[0]) if mark else None


async def upstream(port, gap_s):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Canned(gap_s), "127.0.0.1", port)
    await server.serve_forever()


def minimal_proxy(port, upstream_port):
    """What the mandated packages give without more: Sanic and httpx's client as they come."""
    app = Sanic("minimal", configure_logging=False)
    url = f"http://127.0.0.1:{upstream_port}/v1/chat/completions"
    headers = {"content-type": "application/json"}

    @app.before_server_start
    async def opened(app):
        app.ctx.client = httpx.AsyncClient(timeout=60)

    @app.get("/readyz")
    async def ready(_request):
        return raw(b"ready")

    @app.post("/v1/chat/completions")
    async def forward(request):
        client = app.ctx.client
        if b'"stream":true' not in request.body:
            answer = await client.post(url, content=request.body, headers=headers)
            return raw(answer.content, content_type=answer.headers["content-type"])
        async with client.stream("POST", url, content=request.body, headers=headers) as answer:
            response = await request.respond(content_type=answer.headers["content-type"])
            async for piece in answer.aiter_raw():
                await response.send(piece)
            await response.eof()
        return None

    app.run("127.0.0.1", port, single_process=True, access_log=False, motd=False)


class Tally:
    """What all connections of a load have seen."""

    def __init__(self):
        self.whole_s, self.first_byte_s = [], []
        self.failures = self.pieces = 0
        #: the first failed answer
        self.complaint = ""
        self.over = False


class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer, until it is over."""

    def __init__(self, requests, tally):
        self.requests, self.tally = requests, tally
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.buffer, self.first_s, self.pieces = b"", None, 0
        self.started = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data):
        self.buffer += data
        head, _, body = self.buffer.partition(b"\r\n\r\n")
        if not body:
            return
        self.pieces += 1
        if self.first_s is None:
            self.first_s = time.perf_counter() - self.started
            self.length = content_length(head)
        streamed = self.length is None
        if self.buffer.endswith(b"\r\n0\r\n\r\n") if streamed else len(body) >= self.length:
            self.answered(b" 200 " in head[:20] and (not streamed or b"[DONE]" in body))

    def answered(self, well):
        tally = self.tally
        tally.whole_s.append(time.perf_counter() - self.started)
        tally.first_byte_s.append(self.first_s)
        if not well:
            tally.failures += 1
            tally.complaint = tally.complaint or self.buffer[-300:].decode(errors="replace")
        tally.pieces += self.pieces
        if tally.over:
            self.transport.abort()
        else:
            self.ask()

    def connection_lost(self, _exc):
        self.tally.failures += not self.tally.over
        self.ended.set_result(None)


def requests_of(kind):
    """The bytes of one request after another; ``missed`` asks something new each time."""
    text = "Which of two numbers is larger, 9.9 or 9.11? And what of NNNNNNNNNNNNNNNN?"
    body = {"model": "touchstone", "messages": [{"role": "user", "content": text}]}
    if kind in ("streamed", "burst"):
        body |= {"stream": True, "metadata": {"kind": kind}}
    payload = json.dumps(body, separators=(",", ":")).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json"
        f"\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    same, number = head.encode() + payload, os.getpid() * 10**9
    before, _, after = same.partition(b"N" * 16)
    while True:
        number += 1
        yield b"%b%016d%b" % (before, number, after) if kind == "missed" else same


async def load(port, kind, connections, seconds):
    """Prints what it saw as JSON, with the CPU seconds that it took itself."""
    requests, tally = requests_of(kind), Tally()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Asker(requests, tally), "127.0.0.1", port)
        for _ in range(connections)
    ]
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    tally.over = True
    # whoever has an answer to come waits for it: nothing is cut off and counted by halves
    await asyncio.wait_for(asyncio.gather(*(asker.ended for _, asker in made)), 30)
    own = resource.getrusage(resource.RUSAGE_SELF)
    count = len(tally.whole_s)
    found = {
        "requests": count,
        "seconds": time.perf_counter() - started,
        "failures": tally.failures,
        "complaint": tally.complaint,
        "p50_ms": percentile(tally.whole_s, 0.5) * 1e3,
        "p99_ms": percentile(tally.whole_s, 0.99) * 1e3,
        "first_byte_ms": percentile(tally.first_byte_s, 0.5) * 1e3,
        "pieces": tally.pieces / count,
        "load_cpu_s": own.ru_utime + own.ru_stime,
    }
    sys.stdout.write(json.dumps(found))


def percentile(values, share):
    return sorted(values)[int(len(values) * share)]


def cpu_s(pid):
    """User and system seconds of a process and its children so far."""
    found = 0.0
    for one in [pid, *children(pid)]:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        found += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    direct = [int(child) for child in text.split()]
    return direct + [grandchild for child in direct for grandchild in children(child)]


def machine_busy_s():
    """CPU seconds that the whole machine has spent on anything, what was stolen from it too."""
    numbers = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("upstream", "proxy", "load"))
    parser.add_argument("port", type=int)
    parser.add_argument("--gap-ms", type=float, default=5)
    parser.add_argument("--upstream", type=int)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--seconds", type=float)
    chosen = parser.parse_args()
    match chosen.part:
        case "upstream":
            uvloop.run(upstream(chosen.port, chosen.gap_ms / 1e3))
        case "proxy":
            minimal_proxy(chosen.port, chosen.upstream)
        case "load":
            uvloop.run(load(chosen.port, chosen.kind, chosen.connections, chosen.seconds))
