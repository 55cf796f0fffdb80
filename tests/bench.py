"""``make bench``: what the service costs, beside the bare upstream and a minimal proxy, in one run.

Compare the lines of one run with each other: machines differ, and are noisy. All servers run at
once, each in its own process, and take their turns in rounds; a line is the median of its rounds.
CPU is that of the measured server's own processes, from /proc. The service runs as ``touchstone
serve`` with chat locked by a key, metrics, and the journal on a real PostgreSQL.

- ``cached``: the same prompt again, so the decision comes from the cache; ``missed``: a new prompt
  each time, so the meta-model is asked too, which makes two calls to the upstream; ``streamed``:
  a cached decision and 20 pieces, 5 ms apart; ``burst``: the same without a pause, so that pieces
  meet in one read.
- First byte added, and the streaming overhead, are differences between two lines of this run.

``--profile`` shows where the time of a worker goes: see ``tests/bench_profile.py``.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psycopg

from core.records import Interview
from core.store.embedded import embedded_url, stop_embedded
from core.store.interviews import save_interview
from core.store.models import upsert_discovered
from core.store.pool import migrate, open_pool
from tests.bench_parts import KEY, KINDS, cpu_s, machine_busy_s
from tests.bench_profile import profile
from tests.bench_report import Line, conclude, median, say, show

ROOT = Path(__file__).parent.parent
PARTS = (sys.executable, "-m", "tests.bench_parts")
WARM_S = 1.0
WITHOUT_ROUTING = ("cached", "streamed", "burst")


@dataclass
class Server:
    """A running server, and the kinds of load that it is measured under."""

    name: str
    port: int
    process: subprocess.Popen
    kinds: tuple[str, ...]


def run_load(port, kind, connections, seconds):
    command = [*PARTS, "load", str(port), "--kind", kind, "--connections", str(connections)]
    done = subprocess.run(
        [*command, "--seconds", str(seconds)], capture_output=True, check=True, cwd=ROOT
    )
    return json.loads(done.stdout)


def measure(server, behind, kind, options, *, database=None):
    """One round: ``behind`` is the upstream's process, ``database`` PostgreSQL's."""
    ours = {server.process.pid, behind.pid, *([database] if database else [])}
    before, started = {pid: cpu_s(pid) for pid in ours}, time.perf_counter()
    busy = machine_busy_s()
    found = run_load(server.port, kind, options.connections, options.seconds)
    took = time.perf_counter() - started
    used = {pid: cpu_s(pid) - before[pid] for pid in ours}
    strangers = machine_busy_s() - busy - sum(used.values()) - found["load_cpu_s"]
    return Line(
        name=server.name,
        kind=kind,
        rate=found["requests"] / found["seconds"],
        cpu_s=used[server.process.pid] / found["requests"] * 1000,
        upstream_cores=used[behind.pid] / took,
        load_cores=found["load_cpu_s"] / took,
        strangers_cores=max(0.0, strangers / took),
        **{name: found[name] for name in ("p50_ms", "p99_ms", "first_byte_ms", "pieces")},
        failures=found["failures"],
        complaint=found["complaint"],
    )


def measure_all(servers, behind, options, database):
    """All servers under all their kinds, in rounds; the medians."""
    turns = [(server, kind) for server in servers for kind in server.kinds]
    for server, kind in turns:
        run_load(server.port, kind, options.connections, WARM_S)
    found = {(server.name, kind): [] for server, kind in turns}
    for _ in range(options.rounds):
        for server, kind in turns:
            line = measure(server, behind, kind, options, database=database)
            found[server.name, kind].append(line)
    return [median(rounds) for rounds in found.values()]


@contextmanager
def running(command, environment=None, log=None, cwd=ROOT):
    with Path(log or os.devnull).open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=cwd)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(40)


def until_up(port, log=None):
    url = f"http://127.0.0.1:{port}/readyz"
    for _ in range(300):
        try:
            if httpx.get(url).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{url} does not come up\n{log.read_text()[-3000:] if log else ''}")


async def prepare(url, provider):
    """Tables, and two enabled models, so that there is something to decide."""
    await migrate(url)
    pool = await open_pool(url)
    await upsert_discovered(pool, provider, {"a": {}, "b": {}})
    for name in ("a", "b"):
        tagged = Interview(provider=provider, model=name, status="ok", strengths=["math"])
        await save_interview(pool, tagged)
    await pool.close()


def environment_of(home, url, upstream_port):
    """Of a service that does all that it does for a living."""
    providers = [{"name": "up", "base_url": f"http://127.0.0.1:{upstream_port}"}]
    (home / "providers.json").write_text(json.dumps(providers))
    return os.environ | {  # noqa: TID251 - for the measured process
        "TOUCHSTONE_HOME": str(home), "DATABASE_URL": url, "PYTHONPATH": str(ROOT),
        "PROVIDERS_FILE": str(home / "providers.json"), "SELECTION_CACHE_TTL": "1h",
        "MODEL_SELECTION_PROVIDER": "up", "MODEL_SELECTION_MODEL": "a",
        "ADMIN_API_KEY": KEY, "REQUIRE_AUTH_FOR_CHAT": "true",
    }  # fmt: skip


@contextmanager
def the_service(home, environment, port, workers=1):
    """Its process, once it is ready."""
    environment = environment | {"PORT": str(port), "WORKERS": str(workers)}
    command = [sys.executable, "-m", "touchstone", "serve"]
    log = home / f"log-{port}"
    with running(command, environment, log, home) as process:  # where no .env is
        until_up(port, log=log)
        yield process


def report(home, url, options):
    upstream_port, proxy_port, one, two = range(options.port, options.port + 4)
    environment = environment_of(home, url, upstream_port)
    gap = ["--gap-ms", str(options.gap_ms)]
    with ExitStack() as stack:
        behind = stack.enter_context(running([*PARTS, "upstream", str(upstream_port), *gap]))
        until_up(upstream_port)
        if options.profile:
            worker = stack.enter_context(the_service(home, environment, one))
            profile(worker.pid, lambda seconds: run_load(one, options.profile, 16, seconds), say)
            return
        proxy_command = [*PARTS, "proxy", str(proxy_port), "--upstream", str(upstream_port)]
        proxy = stack.enter_context(running(proxy_command))
        until_up(proxy_port)
        servers = [
            Server("upstream", upstream_port, behind, WITHOUT_ROUTING),
            Server("minimal proxy", proxy_port, proxy, WITHOUT_ROUTING),
        ]
        for port, workers, name in ((one, 1, "1 worker"), (two, 2, "2 workers")):
            process = stack.enter_context(the_service(home, environment, port, workers))
            servers.append(Server(name, port, process, KINDS))
        postmaster = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
        lines = measure_all(servers, behind, options, postmaster)
    figures = conclude(lines)
    with psycopg.connect(url) as conn:
        [(figures["journal_rows"],)] = conn.execute("SELECT count(*) FROM decisions").fetchall()
    show(lines, figures, options)
    if options.json:
        Path(options.json).write_text(
            json.dumps({"figures": figures, "lines": [asdict(line) for line in lines]}, indent=1)
        )


def main(options):
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        url = embedded_url(home)
        try:
            asyncio.run(prepare(url, "up"))
            report(home, url, options)
        finally:
            stop_embedded(home)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gap-ms", type=float, default=5, help="between two pieces of a stream")
    parser.add_argument("--port", type=int, default=18480, help="the first of four")
    parser.add_argument("--json", help="a file to write the figures to")
    parser.add_argument("--profile", choices=KINDS, nargs="?", const="cached")
    main(parser.parse_args())
