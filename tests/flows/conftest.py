"""One real Prefect server for these tests, in a process of its own, on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from tests.upstream import run_upstream


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory):
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "0"},  # noqa: TID251
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    api = f"http://127.0.0.1:{port}/api"
    try:
        wait_for(lambda: httpx.get(f"{api}/health").status_code == 200, 90)
        yield api
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def wait_for(holds, within_s):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError


@pytest.fixture
async def upstream():
    async with run_upstream(["good", "fast"]) as running:
        yield running


@pytest.fixture
def environment(upstream, url, prefect_api, tmp_path, monkeypatch):
    """What a flow process needs; set for this process too."""
    file = tmp_path / "providers.json"
    file.write_text(json.dumps([{"name": "p", "base_url": upstream.url, "timeout": "5s"}]))
    found = {
        "DATABASE_URL": url,
        "PROVIDERS_FILE": str(file),
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "MODEL_SELECTION_PROVIDER": "p",
        "MODEL_SELECTION_MODEL": "judge",
        "DO_NOT_TRACK": "1",
    }
    for key, value in found.items():
        monkeypatch.setenv(key, value)
    return os.environ | found  # noqa: TID251
