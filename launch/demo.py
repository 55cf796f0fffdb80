"""`touchstone demo`: discover → interview → benchmark → leaderboard → a routed answer, on two small
real models that run here."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from core.errors import TouchstoneError
from core.settings import Settings
from core.store.pool import open_pool
from launch.ask import leaderboard_table
from launch.console import console, log_to_console, say_what_runs
from launch.fleet import Fleet
from launch.progress import run_bar
from launch.up import any_port, stack
from launch.weights import GEMMA, SMOLLM2, Weights, fetch, have
from serve.registry import load_snapshot

QUESTION = "What is the capital of France?"
#: short, and scored without a judge but for the last
TASKS = (
    *("factual-qa-chemical-symbol", "factual-qa-boiling-point", "factual-qa-australia"),
    *("reasoning-change-from-fifty", "coding-what-prints-slice", "coding-security-name-the-hole"),
    *("instruction-following-three-bullets", "instruction-following-json-profile"),
    *("creative-writing-product-names", "summarization-short-and-plain"),
    "summarization-one-sentence",
)


async def run_demo(settings: Settings, environment: Mapping[str, str]) -> None:
    """Until it is cancelled; whatever was started is stopped then."""
    log_to_console()
    home = settings.home / "demo"
    try:
        async with AsyncExitStack() as cleaning:
            models = Fleet(home / "logs")
            cleaning.push_async_callback(models.stop)
            config, env = await _serve_models(models, settings, home, environment)
            console.rule("Starting the database, the Prefect server, the runner, the service")
            running = await cleaning.enter_async_context(stack(config, env))
            async with httpx.AsyncClient(base_url=running.url, timeout=600) as http:
                await _walk(http, running.database_url)
            console.rule("It goes on running")
            await say_what_runs(config, running)
            _say_what_next(running.url)
            await asyncio.Event().wait()
    finally:
        console.print("Stopped.")


async def _serve_models(
    fleet: Fleet, settings: Settings, home: Path, environment: Mapping[str, str]
) -> tuple[Settings, dict[str, str]]:
    """The two models behind servers of their own, and the settings that know them."""
    console.rule("Two small models")
    entries = []
    for provider, weights in (("smollm2", SMOLLM2), ("gemma", GEMMA)):
        path = await _weights(weights, home / "weights")
        port = any_port()
        command = [sys.executable, "-m", "launch.llama", str(path), weights.name, str(port)]
        await fleet.start(provider, command, environment)
        base_url = f"http://127.0.0.1:{port}"
        entries.append({"name": provider, "base_url": base_url, "timeout": "2m"})
        await _loaded(base_url, fleet, provider)
        console.print(f"{weights.name} answers at {base_url}/v1")
    file = home / "providers.json"
    file.write_text(json.dumps(entries, indent=2))
    chosen = {
        "TOUCHSTONE_HOME": str(home),
        "PROVIDERS_FILE": str(file),
        "MODEL_SELECTION_PROVIDER": "smollm2",
        "MODEL_SELECTION_MODEL": SMOLLM2.name,
        "BENCHMARK_JUDGE_PROVIDER": "smollm2",
        "BENCHMARK_JUDGE_MODEL": SMOLLM2.name,
        # a model of 135M parameters on two cores thinks slowly, and rambles
        "ROUTING_TIMEOUT": "60s",
        "BENCHMARK_MAX_TOKENS": "160",
        "TAGGING_MAX_TOKENS": "300",
        "BENCHMARK_CONCURRENCY": "1",
    }
    config = replace(settings, touchstone_home=home)
    return config, {**environment, **chosen}


async def _weights(weights: Weights, directory: Path) -> Path:
    found = await asyncio.to_thread(have, weights, directory)
    if found:
        return found
    with console.status(f"fetching {weights.name} ({weights.megabytes} MB, {weights.licence}) …"):
        return await asyncio.to_thread(fetch, weights, directory)


async def _loaded(base_url: str, fleet: Fleet, name: str) -> None:
    async with httpx.AsyncClient(timeout=5) as http:
        for _ in range(240):
            try:
                if (await http.get(f"{base_url}/health")).is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.25)
    raise fleet.fail(name)


async def _walk(http: httpx.AsyncClient, database_url: str) -> None:
    """The path of every installation, by the service's own API."""
    console.rule("Discover: which models are there?")
    await _run(http, "discover", {})
    console.rule("Interview: what does each say it is good at?")
    await _run(http, "tag", {})
    await _enable_all(http)
    console.rule("Benchmark: a short suite, every model on every task")
    await _run(http, "benchmark", {"tasks": list(TASKS)})
    console.rule("Leaderboard: mean, 95 % interval and n by category")
    await _show_scores(database_url)
    console.rule("A question, routed")
    await _ask(http)


async def _run(http: httpx.AsyncClient, what: str, body: Mapping[str, Any]) -> None:
    """Start a flow by the API and follow its stored progress to the end."""
    answer = await http.post(f"/models/{what}", json=body)
    if answer.is_error:
        raise TouchstoneError(answer.json()["error"]["message"])
    run_id = answer.json()["run_id"]
    with run_bar(console) as progress:
        bar = progress.add_task(what, total=None, now="Prefect starts the flow")
        while True:
            run = (await http.get(f"/runs/{run_id}")).json()
            now = run["current_model"] or ""
            progress.update(bar, total=run["total"] or None, completed=run["completed"], now=now)
            if run["state"] != "running":
                break
            await asyncio.sleep(0.3)
    failed = f", {run['failed']} failed" if run["failed"] else ""
    console.print(f"{run['state']}{failed} {run['error'] or ''}", markup=False)
    if run["state"] != "completed":
        raise TouchstoneError(f"the {what} run did not complete: {run['error']}")


async def _enable_all(http: httpx.AsyncClient) -> None:
    """Show the tags; switch on by hand whom the interview did not enable."""
    for model in (await http.get("/models")).json()["models"]:
        tags = model["tags"]
        console.print(f"[bold]{model['id']}[/]")
        console.print(f"  strengths:  {', '.join(tags['strengths']) or '–'}", markup=False)
        console.print(f"  weaknesses: {', '.join(tags['weaknesses']) or '–'}", markup=False)
        if not model["enabled"]:
            console.print(f"  not enabled: {model['interviewError']}", markup=False)
            console.print("  switched on by hand for this demo, as you may in the admin")
            address = f"/models/{model['id'].replace('/', '%2F')}/enable"
            (await http.patch(address, json={"enabled": True})).raise_for_status()


async def _show_scores(database_url: str) -> None:
    pool = await open_pool(database_url, max_size=1)
    try:
        snapshot = await load_snapshot(pool)
    finally:
        await pool.close()
    console.print(leaderboard_table(snapshot.candidates, snapshot.categories, None))


async def _ask(http: httpx.AsyncClient) -> None:
    console.print(f"[bold]You:[/] {QUESTION}")
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": QUESTION},
    ]
    body = {"model": "touchstone", "messages": messages, "max_tokens": 60, "temperature": 0}
    with console.status("deciding, then asking the chosen model …"):
        decided = await http.post("/route", json={"messages": messages})
        answer = await http.post("/v1/chat/completions", json=body)
    if answer.is_error:
        raise TouchstoneError(answer.json()["error"]["message"])
    text = answer.json()["choices"][0]["message"]["content"].strip()
    decision = decided.json()
    console.print(f"[bold]{answer.headers['x-touchstone-model']}:[/] ", end="")
    console.print(text, markup=False)
    console.print("\n[bold]The decision[/]")
    for key in ("target", "outcome", "category", "reason", "matching_tags", "runners_up"):
        console.print(f"  {key}: {decision[key]}", markup=False, highlight=False)
    console.print(f"  meta-model: {decision['meta_model']}, {decision['decision_ms']:.0f} ms")
    cache = answer.headers["x-touchstone-cache"]
    console.print(f"  asked again for the answer: a cache {cache}", markup=False)


def _say_what_next(url: str) -> None:
    console.print(
        f"""
[bold]Try next[/]
  curl -i {url}/v1/chat/completions -H 'content-type: application/json' \\
       -d '{{"messages": [{{"role": "user", "content": "What is 7 times 6?"}}]}}'
  curl {url}/models
  open {url}/admin
Ctrl-C stops all of it.""",
        highlight=False,
    )
