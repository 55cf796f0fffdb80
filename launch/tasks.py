"""`touchstone tasks`: the benchmark tasks as a table and as files."""

import json
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from core.errors import BadRequest
from core.settings import Settings
from core.store import tasks
from core.store.pool import open_pool
from core.suite import parse_task, task_to_dict
from launch.up import database

console = Console()


async def show_tasks(settings: Settings) -> None:
    table = Table()
    for head in ("id", "category", "scoring", "version", "enabled"):
        table.add_column(head)
    for task in await _all(settings):
        table.add_row(
            task.id, task.category, task.scoring, str(task.version), "yes" if task.enabled else "no"
        )
    console.print(table)


async def print_tasks(settings: Settings) -> None:
    entries = [task_to_dict(task) for task in await _all(settings)]
    Console(soft_wrap=True).out(
        yaml.safe_dump(entries, sort_keys=False, allow_unicode=True), end="", highlight=False
    )


async def _all(settings: Settings) -> list[Any]:
    async with database(settings) as url:
        pool = await open_pool(url, max_size=1)
        try:
            return await tasks.list_tasks(pool)
        finally:
            await pool.close()


async def read_tasks(settings: Settings, file: str) -> None:
    """All of them or none: every entry is checked before the first is stored."""
    found = [parse_task(entry) for entry in _entries(Path(file))]
    async with database(settings) as url:
        pool = await open_pool(url, max_size=1)
        try:
            await tasks.save_tasks(pool, found)
        finally:
            await pool.close()
    console.print(f"{len(found)} tasks read from {file}", markup=False)


def _entries(path: Path) -> list[Any]:
    try:
        text = path.read_text()
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        found = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise BadRequest(f"{path} cannot be read: {exc}") from exc
    if not isinstance(found, list):
        raise BadRequest(f"{path} must hold a list of tasks")
    return found
