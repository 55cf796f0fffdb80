"""Measurements as files: CSV and JSONL in constant memory, Parquet by way of a frame."""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

import orjson

from core.errors import BadRequest
from core.store.pool import open_pool
from core.store.results import stream_results
from dashboards import frames

#: a spreadsheet takes a cell that begins so for a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def scores(url: str, output: Path | None) -> int:
    """Write every result to ``output`` by its ending, or as CSV to stdout; their number."""
    kind = output.suffix if output else ".csv"
    if kind not in (".csv", ".jsonl", ".parquet"):
        raise BadRequest(f"{output}: the name must end in .csv, .jsonl or .parquet")
    if kind == ".parquet":
        return await asyncio.to_thread(_parquet, url, str(output))
    pool = await open_pool(url, max_size=1, read_only=True)
    opened = output.open("w", newline="") if output else nullcontext(sys.stdout)
    try:
        with opened as file:
            write = _csv if kind == ".csv" else _jsonl
            return await write(stream_results(pool), file)
    finally:
        await pool.close()


def _parquet(url: str, output: str) -> int:
    frame = frames.scores(url)
    try:
        frame.to_parquet(output, index=False)
    except ImportError as exc:
        raise BadRequest("Parquet needs pyarrow: install touchstone-router[parquet]") from exc
    return len(frame)


async def _csv(rows: AsyncIterator[dict[str, Any]], file: TextIO) -> int:
    writer = csv.writer(file)
    writer.writerow(frames.SCORES)
    count = 0
    async for row in rows:
        writer.writerow([_cell(row[name]) for name in frames.SCORES])
        count += 1
    return count


def _cell(value: Any) -> Any:
    """Times as RFC 3339; a text that a spreadsheet would run is told as text."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


async def _jsonl(rows: AsyncIterator[dict[str, Any]], file: TextIO) -> int:
    count = 0
    async for row in rows:
        file.write(orjson.dumps(row).decode() + "\n")
        count += 1
    return count
