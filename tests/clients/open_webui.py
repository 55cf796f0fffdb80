"""Open WebUI, installed as its users do, in a browser, in front of the service of this tree.

    .venv/bin/python -m tests.clients.open_webui DIRECTORY [--mode openai|ollama] [--document]

DIRECTORY keeps the installation (about 3 GB; the first time takes minutes, and a package index) and
receives a picture and a log of each mode. Debian's ``chromium`` is wanted on the PATH, or
``--chromium``. Too large for CI; run it before a release.

Each mode starts an embedded PostgreSQL, the service and the scripted upstream as the tests do, then
an Open WebUI without any state, connected to the service as OpenAI or as Ollama. In its page the
models offered are looked at and two questions are asked; with ``--document`` a third one, about a
file that is attached.

Prints JSON lines: each thing expected, with what was seen, then the mode's figures; exits with 1
when an expectation fails. Knows Open WebUI's settings; all chat requests are Open WebUI's own.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
import venv
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from core.routing_text import text_of
from core.store.decisions import list_decisions
from core.store.embedded import embedded_url, stop_embedded
from core.store.pool import migrate, open_pool
from tests.clients.open_webui_page import DOCUMENT, ask, attach, browse, models_offered
from tests.door import meta_says, open_door

OPEN_WEBUI = "open-webui==0.12.4"
#: installed first: a version for which Open WebUI asks for nothing larger
TORCH = "torch==2.13.0"
PLAYWRIGHT = "playwright==1.65.2"

QUESTIONS = (
    "Why is the sky blue at noon and red in the evening?",
    "Then what colour is the evening sky on Mars, where the dust is red?",
)
DOCUMENT_QUESTION = "By how many metres does the harbour at Sandvik rise, as the file has it?"
#: the router's one name, as each dialect lists it
ROUTER = {"openai": "touchstone", "ollama": "touchstone:latest"}
#: how the prompts of Open WebUI's background calls begin
CHORE = "### Task:"
#: its background calls, the last for a document only: the key their prompt asks for, and the answer
CHORES = {
    "title": "Colours of the sky",
    "tags": ["Science", "Optics"],
    "follow_ups": ["Why is the sea blue?", "Show it with a prism."],
    "queries": ["tide at Sandvik"],
}
#: nothing fetched, nothing reported, no weights wanted, no password
CLOSED = {
    "WEBUI_AUTH": "False",
    "OFFLINE_MODE": "True",
    "HF_HUB_OFFLINE": "1",
    "RAG_EMBEDDING_ENGINE": "openai",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "True",
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
}


async def install(directory):
    """Open WebUI in an environment of its own, the browser's driver beside it; once."""
    done = directory / f"installed-{OPEN_WEBUI}"
    if done.exists():
        return
    venv.create(directory / "venv", with_pip=True, clear=True)
    pip = [directory / "venv/bin/python", "-m", "pip", "install", "--quiet"]
    await run(*pip, TORCH)
    await run(*pip, TORCH, OPEN_WEBUI)
    await run(*pip, "--upgrade", "--target", directory / "browser", PLAYWRIGHT)
    done.touch()


async def run(*command):
    process = await asyncio.create_subprocess_exec(*map(str, command))
    if await process.wait():
        sys.exit(f"failed: {' '.join(map(str, command))}")


@asynccontextmanager
async def touchstone():
    """A `tests.door.Door` on a database of its own; ``slow`` streams, and is always chosen."""
    with tempfile.TemporaryDirectory() as home:
        url = embedded_url(Path(home))
        await migrate(url)
        pool = await open_pool(url)
        try:
            async with open_door(pool, url, enabled=("slow", "fast")) as door:
                door.upstream.script.update(meta=meta_says("slow"), slow=answer, fast=answer)
                yield door
        finally:
            await pool.close()
            stop_embedded(Path(home))


@asynccontextmanager
async def open_webui(directory, mode, service_url):
    """The address of an Open WebUI that knows nothing but the service."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    log = directory / f"open-webui-{mode}.log"
    with tempfile.TemporaryDirectory() as data, log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(directory / "venv/bin/open-webui", "serve", "--host", "127.0.0.1", "--port", port),
            env=environment(data, mode, service_url),
            cwd=data,
            stdout=output,
            stderr=output,
        )
        try:
            await healthy(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def environment(data, mode, service_url):
    """Written from nothing, so that no setting of the developer's reaches it."""
    connection = {
        "openai": {"ENABLE_OLLAMA_API": "False", "OPENAI_API_BASE_URLS": f"{service_url}/v1"},
        "ollama": {"ENABLE_OPENAI_API": "False", "OLLAMA_BASE_URLS": service_url},
    }[mode]
    own = {"PATH": os.defpath, "HOME": data, "DATA_DIR": data, "OPENAI_API_KEYS": "unused"}
    return {**own, **CLOSED, **connection, "WEBUI_SECRET_KEY": secrets.token_hex(32)}


async def healthy(process, url, log, within_s=180):
    async with asyncio.timeout(within_s), httpx.AsyncClient() as http:
        while True:
            if process.returncode is not None:
                sys.exit(f"Open WebUI did not start; see {log}")
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get(f"{url}/health")).is_success:
                    return
            await asyncio.sleep(0.5)


def answer(body):
    """What shows how much of the conversation arrived; for a chore, the JSON it wants."""
    prompt = asked(body)
    if chore := chore_in(prompt):
        return json.dumps({chore: CHORES[chore]})
    heard = sum(message["role"] == "user" for message in body["messages"])
    return expected_answer(heard, prompt)


def expected_answer(heard, prompt):
    return f"I have heard {heard} questions, the last of them ends with: {prompt[-40:]}"


def asked(body):
    """The last message's text."""
    return text_of(body["messages"][-1])


def chore_in(prompt):
    """Which background call a prompt is; None: a person's question."""
    if not prompt.startswith(CHORE):
        return None
    return next((chore for chore in CHORES if f'"{chore}"' in prompt), None)


async def quiet(door, for_s=4.0, within_s=60):
    """Wait until nothing was asked of the upstream for a while: the chores are done."""
    async with asyncio.timeout(within_s):
        before = -1
        while before != len(door.upstream.requests):
            before = len(door.upstream.requests)
            await asyncio.sleep(for_s)


async def visit(options, mode):
    """One mode from start to end: its expectations, each as (what, expected, seen), and figures."""
    driver, picture = options.directory / "browser", options.directory / f"open-webui-{mode}.png"
    questions = [*QUESTIONS, *([DOCUMENT_QUESTION] if options.document else [])]
    async with touchstone() as door, open_webui(options.directory, mode, door.url) as url:
        async with browse(driver, options.chromium, url, picture) as page:
            selected, offered = await models_offered(page)
            states = [await turn(options, page, door, question) for question in questions]
            title = await page.title()
            follow_up = await page.get_by_text(CHORES["follow_ups"][1]).first.is_visible()
        figures = await count(door)
    expectations = [
        ("the model selected", ROUTER[mode], selected),
        ("the models offered", [ROUTER[mode]], offered),
        *conversation(questions, states),
        ("the title the page shows", True, CHORES["title"] in title),
        ("a follow-up the page shows", True, follow_up),
        *bookkeeping(len(questions), options.document, figures),
    ]
    return expectations, figures


async def turn(options, page, door, question):
    """One question, until its answer has come and the background calls are done."""
    if question == DOCUMENT_QUESTION:
        await attach(page, options.directory)
    states = await ask(page, question, ending=question[-40:])
    await quiet(door)
    return states


def conversation(questions, states):
    """Each answer is whole, tells of all questions before it, and was seen to grow."""
    for number, (question, seen) in enumerate(zip(questions, states, strict=True), 1):
        yield f"answer {number}", expected_answer(number, question), seen[-1]
        yield f"answer {number} came in pieces", True, len(seen) > 2


def bookkeeping(questions, document, figures):
    """The meta-model was asked for each question; the chores cost neither it nor the cache."""
    chores = figures["chores"]
    kinds = sorted(CHORES.keys() - ({"queries"} if not document else ()))
    yield "meta-model calls", questions, figures["meta_calls"]
    yield "meta-model calls about a chore", 0, figures["meta_calls_about_chores"]
    yield "questions that reached a model", questions, figures["questions"]
    yield "questions that brought the document", int(document), figures["with_document"]
    yield "kinds of chores that reached a model", kinds, sorted(chores)
    yield "decision-cache entries", questions, figures["cache_entries"]
    wanted = {"meta": questions, "policy": sum(chores.values())}
    yield "decisions journalled, by outcome", wanted, figures["outcomes"]
    yield "statuses journalled", ["200"], sorted(figures["statuses"])
    yield "answers of the service that were errors", {}, figures["errors"]


async def count(door):
    """What was asked of the upstream, and what the service remembers of it."""
    meta = [asked(request["body"]) for request in door.upstream.asked("meta")]
    rest = [r["body"] for r in door.upstream.asked() if r["body"]["model"] != "meta"]
    texts = [asked(body) for body in rest]
    chores = Counter(map(chore_in, texts))
    questions = chores.pop(None, 0)
    requests = await requests_served(door)
    journal = await list_decisions(door.service.pool, limit=1000)
    return {
        "meta_calls": len(meta),
        "meta_calls_about_chores": sum(CHORE in prompt for prompt in meta),
        "questions": questions,
        "with_document": sum(DOCUMENT.strip() in text for text in texts if not chore_in(text)),
        "chores": dict(chores),
        "tools_with_a_question": max(len(body.get("tools") or ()) for body in rest),
        "largest_request_bytes": max(len(json.dumps(body)) for body in rest),
        "outcomes": Counter(decision["outcome"] for decision in journal),
        "statuses": Counter(str(decision["status"]) for decision in journal),
        "cache_entries": len(door.service.cache),
        "requests": requests,
        "errors": {key: n for key, n in requests.items() if not key.endswith(" 200")},
    }


async def requests_served(door):
    """How often each endpoint was asked, with the status, by the service's own metrics."""
    text = (await door.http.get("/metrics")).text
    found = re.findall(r"^touchstone_http_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE)
    labels = [(dict(re.findall(r'(\w+)="([^"]*)"', line)), value) for line, value in found]
    return {" ".join(label.values()): int(float(value)) for label, value in labels}


def report(mode, expectations, figures):
    """Print a mode's lines; whether all was as expected."""
    for what, expected, seen in expectations:
        line = {"mode": mode, "expect": what, "wanted": expected, "seen": seen}
        sys.stdout.write(json.dumps({**line, "ok": seen == expected}) + "\n")
    sys.stdout.write(json.dumps({"mode": mode, "figures": figures}) + "\n")
    return all(seen == expected for _, expected, seen in expectations)


async def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=lambda text: Path(text).resolve())
    parser.add_argument("--mode", action="append", choices=[*ROUTER])
    parser.add_argument("--document", action="store_true")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    await install(options.directory)
    fine = [report(mode, *await visit(options, mode)) for mode in options.mode or ROUTER]
    sys.exit(not all(fine))


if __name__ == "__main__":
    asyncio.run(main())
