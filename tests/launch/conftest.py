"""The command line in a process of its own, as a person types it."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.upstream import run_upstream

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
async def upstream():
    async with run_upstream(["good", "fast"]) as running:
        yield running


@pytest.fixture
def environment(upstream, url, tmp_path):
    file = tmp_path / "providers.json"
    file.write_text(json.dumps([{"name": "p", "base_url": upstream.url, "timeout": "5s"}]))
    return os.environ | {  # noqa: TID251 - for the child
        "DATABASE_URL": url,
        "PROVIDERS_FILE": str(file),
        "TOUCHSTONE_HOME": str(tmp_path / "home"),
        "MODEL_SELECTION_PROVIDER": "p",
        "MODEL_SELECTION_MODEL": "meta",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "200",
    }


@pytest.fixture
def touchstone(environment):
    async def run(*arguments, **more):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "touchstone", *arguments, env=environment | more, cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(120):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    return run
