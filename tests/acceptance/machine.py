"""`touchstone up` or `demo` as a person starts it, watched from outside."""

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Machine:
    """A running stack: its web address, its home, and all it has printed."""

    url: str
    home: Path
    process: asyncio.subprocess.Process
    log: Path
    http: httpx.AsyncClient

    def said(self):
        return self.log.read_text()

    def processes(self):
        """Everything alive that belongs to it, by its home in environment or command line."""
        mark = str(self.home).encode()
        return {
            pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if owns(pid, mark)
        }

    def postmaster(self):
        return int(next(self.home.rglob("postmaster.pid")).read_text().splitlines()[0])

    async def until(self, holds, within_s):
        """The first true thing that ``holds`` (sync or async) gives."""
        async with asyncio.timeout(within_s):
            while True:
                assert self.process.returncode is None, self.said()[-3000:]
                try:
                    found = holds()
                    if asyncio.iscoroutine(found):
                        found = await found
                    if found:
                        return found
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.25)

    async def stop(self):
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            return await self.process.wait()


def owns(pid, mark):
    proc = Path(f"/proc/{pid}")
    try:
        if proc.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        return mark in proc.joinpath("environ").read_bytes() + proc.joinpath("cmdline").read_bytes()
    except OSError:
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@asynccontextmanager
async def start(command, home, **settings):
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "terminal"
    environment = os.environ | {"TOUCHSTONE_HOME": str(home), "PORT": str(port)} | settings  # noqa: TID251
    with log.open("w") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "touchstone", command, env=environment, cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        machine = Machine(url=url, home=home, process=process, log=log, http=http)
        try:
            yield machine
        finally:
            if process.returncode is None:
                await machine.stop()
            for pid in machine.processes():  # what a failed test leaves
                os.kill(pid, signal.SIGKILL)


def metric(text, name, **labels):
    """The sum of a metric's samples that carry ``labels``."""
    found = 0.0
    for line in text.splitlines():
        sample = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if sample and all(f'{key}="{value}"' in (sample[1] or "") for key, value in labels.items()):
            found += float(sample[2])
    return found
