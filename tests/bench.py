"""``make bench``: the cached route beside the bare upstream, in one run on one machine.

Compare the lines of one run with each other; machines differ, and are noisy. CPU is that of the
measured server's processes alone, from /proc; the load comes from a process of its own.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg

from core.records import Interview
from core.store.embedded import embedded_url, stop_embedded
from core.store.interviews import save_interview
from core.store.models import upsert_discovered
from core.store.pool import migrate, open_pool

VERDICT = json.dumps(
    {"category": "reasoning", "modelname": "up/a", "reason": "it is", "matching_tags": ["math"]}
)
BODY = json.dumps(
    {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "a",
        "choices": [{"index": 0, "finish_reason": "stop",
                     "message": {"role": "assistant", "content": VERDICT}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40},
    }
).encode()  # fmt: skip
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
) + BODY


class Canned(asyncio.Protocol):
    """The bare upstream: one answer for every request, as cheaply as Python can."""

    def connection_made(self, transport):
        self.transport, self.rest = transport, b""

    def data_received(self, data):
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) != -1:
            length = 0
            for line in self.rest[:end].lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            if len(self.rest) < end + 4 + length:
                return
            self.rest = self.rest[end + 4 + length :]
            self.transport.write(ANSWER)


async def upstream(port):
    server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", port)
    await server.serve_forever()


class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer."""

    def __init__(self, request, tally):
        self.request, self.tally = request, tally
        self.buffer, self.started = b"", 0.0

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data):
        self.buffer += data
        head, mark, body = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.buffer = b""
        self.tally.append(time.perf_counter() - self.started)
        self.tally.failures += b" 200 " not in head[:20]
        self.ask()


class Tally(list):
    failures = 0


async def load(port, connections, seconds):
    """Prints requests, failures and the median latency as JSON."""
    message = {"role": "user", "content": "Which of two numbers is larger, 9.9 or 9.11?"}
    payload = json.dumps({"model": "touchstone", "messages": [message]}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json"
        f"\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    request, tally = head.encode() + payload, Tally()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Asker(request, tally), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()
    tally.sort()
    found = {
        "requests": len(tally),
        "failures": tally.failures,
        "p50_ms": tally[len(tally) // 2] * 1e3,
    }
    sys.stdout.write(json.dumps(found))


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


def measure(name, process, port, options):
    """One line of the report: load from a process of its own, CPU of ``process``."""
    arguments = [sys.executable, __file__, "--load", str(port)]
    more = ["--connections", str(options.connections)]
    subprocess.run([*arguments, *more, "--seconds", "2"], capture_output=True, check=True)
    before, started = cpu_s(process.pid), time.perf_counter()
    done = subprocess.run(
        [*arguments, *more, "--seconds", str(options.seconds)], capture_output=True, check=True
    )
    used, took = cpu_s(process.pid) - before, time.perf_counter() - started
    found = json.loads(done.stdout)
    rate = found["requests"] / min(took, options.seconds)
    say(
        f"{name:28} {rate:8.0f} requests/s   {used / found['requests'] * 1000:6.3f} CPU s/1000"
        f"   p50 {found['p50_ms']:6.2f} ms   {found['failures']} failures"
    )
    return found["requests"]


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def running(command, environment=None, log=None):
    with Path(log or os.devnull).open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def until_up(url):
    for _ in range(200):
        try:
            if httpx.get(url).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise TimeoutError(url)


async def prepare(url):
    await migrate(url)
    pool = await open_pool(url)
    await upsert_discovered(pool, "up", {"a": {}, "b": {}})
    for name in ("a", "b"):
        await save_interview(
            pool, Interview(provider="up", model=name, status="ok", strengths=["math"])
        )
    await pool.close()


def main(options):
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        url = embedded_url(home)
        try:
            asyncio.run(prepare(url))
            report(home, url, options)
        finally:
            stop_embedded(home)


def report(home, url, options):
    upstream_port, port = options.port, options.port + 1
    providers = [{"name": "up", "base_url": f"http://127.0.0.1:{upstream_port}"}]
    (home / "providers.json").write_text(json.dumps(providers))
    environment = os.environ | {  # noqa: TID251 - for the measured process
        "TOUCHSTONE_HOME": str(home), "DATABASE_URL": url, "PORT": str(port),
        "PROVIDERS_FILE": str(home / "providers.json"), "SELECTION_CACHE_TTL": "1h",
        "MODEL_SELECTION_PROVIDER": "up", "MODEL_SELECTION_MODEL": "a",
    }  # fmt: skip
    bare = [sys.executable, __file__, "--upstream", str(upstream_port)]
    with running(bare) as behind:
        until_up(f"http://127.0.0.1:{upstream_port}/")
        say(f"{options.connections} connections, {options.seconds} s each")
        measure("bare upstream", behind, upstream_port, options)
        for workers in (1, 2):
            environment["WORKERS"] = str(workers)
            serve(home, environment, port, f"service, cached, {workers} worker(s)", options)
    with psycopg.connect(url) as conn:
        [(written,)] = conn.execute("SELECT count(*) FROM decisions").fetchall()
        [(misses,)] = conn.execute("SELECT count(*) FROM decisions WHERE NOT cached").fetchall()
    say(f"journal: {written} decisions written, {misses} of them not from the cache")


def serve(home, environment, port, name, options):
    ours = [sys.executable, "-m", "touchstone", "serve"]
    with running(ours, environment, home / "log") as service:
        until_up(f"http://127.0.0.1:{port}/readyz")
        measure(name, service, port, options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", type=int)
    parser.add_argument("--load", type=int)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--port", type=int, default=18480)
    chosen = parser.parse_args()
    if chosen.upstream:
        asyncio.run(upstream(chosen.upstream))
    elif chosen.load:
        asyncio.run(load(chosen.load, chosen.connections, chosen.seconds))
    else:
        main(chosen)
