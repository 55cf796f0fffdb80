"""`touchstone up` over a scripted provider: schedules, a dying database, Ctrl-C."""

import asyncio
import json
import os
import signal
import sys

import httpx
import pytest

from tests.acceptance.machine import ROOT, free_port, start
from tests.door import meta_says
from tests.upstream import run_upstream


@pytest.fixture(scope="module")
async def upstream():
    async with run_upstream(["good", "fast"]) as running:
        running.script["meta"] = meta_says("good")
        yield running


@pytest.fixture(scope="module")
async def machine(upstream, tmp_path_factory):
    home = tmp_path_factory.mktemp("up")
    file = home / "mine.json"
    file.write_text(json.dumps([{"name": "p", "base_url": upstream.url, "timeout": "5s"}]))
    async with start(
        "up", home, PROVIDERS_FILE=str(file), DISCOVERY_SCHEDULE="20s", BENCHMARK_SCHEDULE="30s",
        MODEL_SELECTION_PROVIDER="p", MODEL_SELECTION_MODEL="meta", ANONYMIZED_TELEMETRY="0",
    ) as running:  # fmt: skip
        await running.until(lambda: "Ctrl-C stops" in running.said(), 150)
        yield running


async def scheduled(machine, flow):
    found = (await machine.http.get("/runs", params={"flow": flow})).json()["runs"]
    return [r for r in found if r["trigger"] == "schedule" and r["state"] == "completed"]


async def test_runs_happen_that_nobody_started(machine, upstream):
    await machine.until(lambda: scheduled(machine, "discover_models"), 90)
    for name in ("good", "fast"):
        address = f"/models/p%2F{name}/enable"
        (await machine.http.patch(address, json={"enabled": True})).raise_for_status()

    async def measured():
        return [r for r in await scheduled(machine, "run_benchmarks") if r["total"]]

    await machine.until(measured, 150)
    assert {r["body"]["model"] for r in upstream.asked()} >= {"good", "fast"}


async def test_the_next_runs_are_planned(machine):
    api = (json.loads((machine.home / "up.json").read_text()))["prefect_api_url"]
    wanted = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    async with httpx.AsyncClient(timeout=20) as http:
        found = (await http.post(f"{api}/flow_runs/filter", json={"flow_runs": wanted})).json()
    assert all(run["auto_scheduled"] for run in found)
    assert len(found) >= 4


async def touchstone(machine, *arguments, **more):
    environment = os.environ | {"TOUCHSTONE_HOME": str(machine.home)} | more  # noqa: TID251
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "touchstone", *arguments, env=environment, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_a_flow_typed_by_hand_goes_to_the_server_that_is_up(machine):
    code, out = await touchstone(
        machine, "discover", PROVIDERS_FILE=str(machine.home / "mine.json")
    )
    assert code == 0, out
    assert "temporary server" not in out
    run = (await machine.http.get("/runs", params={"flow": "discover_models"})).json()["runs"]
    typed = next(r for r in run if r["trigger"] == "manual")
    async with httpx.AsyncClient(timeout=20) as http:
        api = json.loads((machine.home / "up.json").read_text())["prefect_api_url"]
        found = await http.get(f"{api}/flow_runs/{typed['prefect_flow_run_id']}")
    assert found.json()["state_type"] == "COMPLETED"


async def test_a_second_up_in_the_same_home_is_refused(machine):
    code, out = await touchstone(machine, "up", PORT=str(free_port()))
    assert code == 1
    assert "up already" in out
    assert (machine.home / "up.json").exists()


async def test_chat_outlives_the_database_which_is_started_again(machine):
    body = {"messages": [{"role": "user", "content": "hello"}]}
    answers = []

    async def ask():
        for _ in range(60):
            answer = await machine.http.post("/v1/chat/completions", json=body)
            answers.append(answer.status_code)
            await asyncio.sleep(0.05)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.5)
    os.kill(machine.postmaster(), signal.SIGKILL)
    await asking
    assert set(answers) == {200}

    async def ready():
        return (await machine.http.get("/readyz")).status_code == 200

    await machine.until(ready, 60)
    assert (await machine.http.get("/models")).status_code == 200


async def test_ctrl_c_leaves_no_process_behind(machine):
    assert len(machine.processes()) > 4
    assert await machine.stop() == 0
    assert machine.processes() == set()
    assert not (machine.home / "up.json").exists()
