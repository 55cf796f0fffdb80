"""The benchmark tasks and their versions: editing one makes a new version, never a mixture."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from core.records import Task
from core.store.pool import connection


async def list_tasks(
    pool: AsyncConnectionPool, *, enabled_only: bool = False, category: str | None = None
) -> list[Task]:
    """The current version of each task."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(
            """SELECT t.id, v.category, v.prompt, v.scoring, v.version, t.enabled, t.builtin,
                      v.spec
                 FROM tasks t
                 JOIN task_versions v ON v.task_id = t.id AND v.version = t.current_version
                WHERE t.deleted_at IS NULL
                  AND (t.enabled OR NOT %(enabled_only)s)
                  AND (v.category = %(category)s OR %(category)s::text IS NULL)
                ORDER BY v.category, t.id""",
            {"enabled_only": enabled_only, "category": category},
        )
        return await cursor.fetchall()


async def get_task(pool: AsyncConnectionPool, task_id: str) -> Task | None:
    found = [task for task in await list_tasks(pool) if task.id == task_id]
    return found[0] if found else None


async def save_task(pool: AsyncConnectionPool, task: Task, *, shipped: bool = False) -> int:
    """Insert or edit; the version it now has. Only a change of content makes a new one."""
    async with connection(pool) as conn:
        return await _save(conn, task, shipped)


async def add_task(pool: AsyncConnectionPool, task: Task) -> int | None:
    """Insert; its version, None when there is one by that id. A deleted one comes back anew."""
    async with connection(pool) as conn:
        done = await conn.execute(
            """INSERT INTO tasks (id, current_version, enabled, builtin) VALUES (%s, 0, %s, %s)
               ON CONFLICT (id) DO UPDATE SET enabled = excluded.enabled, deleted_at = NULL
                WHERE tasks.deleted_at IS NOT NULL""",
            [task.id, task.enabled, task.builtin],
        )
        return await _new_version(conn, task, False) if done.rowcount else None


async def save_tasks(pool: AsyncConnectionPool, found: Sequence[Task]) -> None:
    """All of them, or none."""
    async with connection(pool) as conn:
        for task in found:
            await _save(conn, task, False)


async def _save(conn: psycopg.AsyncConnection, task: Task, shipped: bool) -> int:
    await conn.execute(
        """INSERT INTO tasks (id, current_version, enabled, builtin) VALUES (%s, 0, %s, %s)
           ON CONFLICT (id) DO UPDATE SET enabled = excluded.enabled, deleted_at = NULL""",
        [task.id, task.enabled, task.builtin],
    )
    return await _new_version(conn, task, shipped)


async def _new_version(conn: psycopg.AsyncConnection, task: Task, shipped: bool) -> int:
    """The current version if its content is the same, else the next one."""
    await conn.execute("SELECT 1 FROM tasks WHERE id = %s FOR UPDATE", [task.id])
    rows = await conn.execute(
        """SELECT v.version FROM tasks t
             JOIN task_versions v ON v.task_id = t.id AND v.version = t.current_version
            WHERE t.id = %s AND (v.category, v.prompt, v.scoring, v.spec) = (%s, %s, %s, %s)""",
        [task.id, task.category, task.prompt, task.scoring, Jsonb(dict(task.spec))],
    )
    if (same := await rows.fetchone()) is not None:
        return int(same[0])
    rows = await conn.execute(
        """INSERT INTO task_versions (task_id, version, category, prompt, scoring, spec, shipped)
           SELECT %s, coalesce(max(version), 0) + 1, %s, %s, %s, %s, %s
             FROM task_versions WHERE task_id = %s RETURNING version""",
        [
            task.id,
            task.category,
            task.prompt,
            task.scoring,
            Jsonb(dict(task.spec)),
            shipped,
            task.id,
        ],
    )
    made = await rows.fetchone()
    assert made is not None
    await conn.execute("UPDATE tasks SET current_version = %s WHERE id = %s", [made[0], task.id])
    return int(made[0])


async def set_task_enabled(pool: AsyncConnectionPool, task_id: str, enabled: bool) -> bool:
    async with connection(pool) as conn:
        done = await conn.execute(
            "UPDATE tasks SET enabled = %s WHERE id = %s AND deleted_at IS NULL",
            [enabled, task_id],
        )
        return done.rowcount > 0


async def delete_task(pool: AsyncConnectionPool, task_id: str) -> bool:
    """Take it out of sight and out of the benchmark; its results stay readable."""
    async with connection(pool) as conn:
        done = await conn.execute(
            "UPDATE tasks SET deleted_at = now() WHERE id = %s AND deleted_at IS NULL", [task_id]
        )
        return done.rowcount > 0


async def seed_tasks(pool: AsyncConnectionPool, shipped: Sequence[Task]) -> None:
    """Bring the shipped tasks in: absent ones are added, a changed one renews a task that nobody
    edited, and what a person edited, disabled or deleted stays theirs."""
    async with connection(pool) as conn:
        await conn.execute("SELECT pg_advisory_xact_lock(hashtext('touchstone seed'))")
        rows = await conn.execute(
            """SELECT t.id, v.shipped FROM tasks t
                 JOIN task_versions v ON v.task_id = t.id AND v.version = t.current_version"""
        )
        untouched = {str(task_id): bool(ours) for task_id, ours in await rows.fetchall()}
        for task in shipped:
            if task.id not in untouched:
                await conn.execute(
                    """INSERT INTO tasks (id, current_version, enabled, builtin)
                       VALUES (%s, 0, %s, true)""",
                    [task.id, task.enabled],
                )
            if untouched.get(task.id, True):
                await _new_version(conn, task, True)
