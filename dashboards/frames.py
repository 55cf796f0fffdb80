"""Measurements as pandas frames with documented columns; they only ever read.

>>> from dashboards import frames
>>> scores = frames.scores()   # doctest: +SKIP
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pandas as pd
from psycopg_pool import AsyncConnectionPool

from core.settings import load_settings
from core.store.embedded import embedded_url
from core.store.pool import open_pool
from core.store.results import stream_results

Rows = Callable[[AsyncConnectionPool], AsyncIterator[dict[str, Any]]]

#: column → dtype: one row for each run, model, task and attempt
SCORES = {
    "run_id": "string",
    "provider": "category",
    "model": "category",
    "task_id": "category",
    "task_version": "Int64",
    "category": "category",
    "repeat": "Int64",
    "attempt": "Int64",
    #: ok, model_error, infra_error, judge_error
    "status": "category",
    #: 0–10; missing: a failure, which is never a score
    "score": "Float64",
    "error": "string",
    "judge": "category",
    "self_judged": "boolean",
    "latency_ms": "Float64",
    "ttft_ms": "Float64",
    "tokens_in": "Int64",
    "tokens_out": "Int64",
    "created_at": "datetime64[us, UTC]",
}


def scores(database_url: str | None = None) -> pd.DataFrame:
    """Every result, in the order in which they were stored; columns and dtypes as in `SCORES`.

    ``database_url``: DATABASE_URL, or the embedded database, unless it is given.
    """
    rows = _read(database_url, stream_results)
    frame = pd.DataFrame(rows, columns=list(SCORES))
    return frame.astype(SCORES)


def _read(database_url: str | None, rows: Rows) -> list[dict[str, Any]]:
    """All rows, read in a thread of its own: a notebook has a loop that is running already."""
    settings = load_settings()
    url = database_url or settings.database_url or embedded_url(settings.home)
    found: list[dict[str, Any]] = []
    failures: list[BaseException] = []

    async def read() -> None:
        pool = await open_pool(url, max_size=1, read_only=True)
        try:
            found.extend([row async for row in rows(pool)])
        finally:
            await pool.close()

    def work() -> None:
        try:
            asyncio.run(read())
        except BaseException as exc:  # noqa: BLE001 - handed to the caller's thread just below
            failures.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return found
