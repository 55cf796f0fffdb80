"""Real things for the tests: an embedded PostgreSQL for the session, emptied between tests."""

import os
import tempfile
from pathlib import Path

import psycopg
import pytest

from core.store.embedded import embedded_url, stop_embedded
from core.store.pool import migrate, open_pool

TABLES = (
    "decisions, criteria, results, runs, interviews, task_versions, tasks, models, prompts, quirks"
)
_OURS = ("TOUCHSTONE_", "PREFECT_", "MODEL_SELECTION_", "BENCHMARK_", "ROUTING_", "SELECTION_")


@pytest.fixture(autouse=True)
def scrubbed(monkeypatch, tmp_path):
    """No key, setting or .env of the developer's reaches a test."""
    for key in list(os.environ):  # noqa: TID251 - to take out what a test must not see
        if key.endswith("_API_KEY") or key.startswith(_OURS) or key == "DATABASE_URL":
            monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
async def url():
    # not in pytest's own directory: another run of it shuts PostgreSQL's user out of that
    with tempfile.TemporaryDirectory(prefix="touchstone-tests-") as home:
        address = embedded_url(Path(home))
        await migrate(address)
        yield address
        stop_embedded(Path(home))


@pytest.fixture
async def pool(url):
    opened = await open_pool(url)
    yield opened
    await opened.close()
    with psycopg.connect(url) as conn:
        conn.execute(f"TRUNCATE {TABLES} CASCADE")
