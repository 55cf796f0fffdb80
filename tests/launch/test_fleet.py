"""Children are restarted when they die and gone when the fleet stops, with all they started."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from launch.fleet import CannotStart, Fleet

FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[1] == "deaf" else signal.SIG_DFL)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[2], "a").write(f"{child.pid}\\n")
time.sleep(60)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(holds):
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.05)


def pids(file):
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
async def fleet(tmp_path):
    found = Fleet(tmp_path / "logs")
    yield found
    await found.stop()


async def test_stopping_takes_grandchildren_along(fleet, tmp_path):
    file = tmp_path / "pids"
    command = [sys.executable, "-c", FAMILY, "polite", str(file)]
    await fleet.start("family", command, dict(os.environ))  # noqa: TID251
    await until(lambda: pids(file))
    await fleet.stop()
    await until(lambda: not alive(pids(file)[0]))


async def test_whoever_ignores_the_signal_is_killed(fleet, tmp_path, monkeypatch):
    monkeypatch.setattr(fleet, "_grace_s", 0.3)
    file = tmp_path / "pids"
    command = [sys.executable, "-c", FAMILY, "deaf", str(file)]
    await fleet.start("family", command, dict(os.environ))  # noqa: TID251
    await until(lambda: pids(file))
    process = fleet._children["family"].process
    await fleet.stop()
    assert process.returncode == -signal.SIGKILL
    await until(lambda: not alive(pids(file)[0]))


async def test_one_that_dies_is_started_again(fleet, tmp_path):
    file = tmp_path / "pids"
    command = [sys.executable, "-c", FAMILY, "polite", str(file)]
    await fleet.start("family", command, dict(os.environ))  # noqa: TID251
    await until(lambda: len(pids(file)) == 1)
    fleet._children["family"].process.kill()
    await until(lambda: len(pids(file)) == 2)
    assert fleet.alive("family")
    os.kill(pids(file)[0], signal.SIGKILL)


async def test_one_that_does_not_come_up_shows_the_end_of_its_log(fleet):
    await fleet.start("broken", [sys.executable, "-c", "raise SystemExit('no such thing')"], {})
    await until(lambda: not fleet.alive("broken"))
    failure = fleet.fail("broken")
    assert isinstance(failure, CannotStart)
    assert "no such thing" in failure.message
