"""The runs and their stored progress, which admin, command line and API all show."""

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from core.records import Run, RunState
from core.store.pool import connection


async def start_run(pool: AsyncConnectionPool, run: Run) -> None:
    """Begin it, or go on with it: a run that exists is running again, its beginning kept."""
    async with connection(pool) as conn:
        await conn.execute(
            """INSERT INTO runs (id, flow, state, trigger, params, prefect_flow_run_id)
               VALUES (%s, %s, 'running', %s, %s, %s)
               ON CONFLICT (id) DO UPDATE
                  SET state = 'running', error = NULL, finished_at = NULL, touched_at = now(),
                      prefect_flow_run_id = coalesce(excluded.prefect_flow_run_id,
                                                     runs.prefect_flow_run_id)""",
            [run.id, run.flow, run.trigger, Jsonb(dict(run.params)), run.prefect_flow_run_id],
        )


async def attach_prefect_run(pool: AsyncConnectionPool, run_id: str, flow_run_id: str) -> None:
    async with connection(pool) as conn:
        await conn.execute(
            "UPDATE runs SET prefect_flow_run_id = %s WHERE id = %s", [flow_run_id, run_id]
        )


async def progress(
    pool: AsyncConnectionPool,
    run_id: str,
    *,
    total: int,
    completed: int,
    failed: int,
    current_model: str | None = None,
) -> None:
    """Say how far it is."""
    async with connection(pool) as conn:
        await conn.execute(
            """UPDATE runs SET total = %s, completed = %s, failed = %s, current_model = %s,
                               touched_at = now()
                WHERE id = %s""",
            [total, completed, failed, current_model, run_id],
        )


async def finish_run(
    pool: AsyncConnectionPool, run_id: str, state: RunState, error: str | None = None
) -> None:
    async with connection(pool) as conn:
        await conn.execute(
            """UPDATE runs SET state = %s, error = %s, current_model = NULL, touched_at = now(),
                               finished_at = now()
                WHERE id = %s""",
            [state, error, run_id],
        )


async def cancel_run(pool: AsyncConnectionPool, run_id: str) -> bool:
    """Whether it was running: what has ended keeps how it ended."""
    async with connection(pool) as conn:
        done = await conn.execute(
            """UPDATE runs SET state = 'cancelled', current_model = NULL, touched_at = now(),
                               finished_at = now()
                WHERE id = %s AND state = 'running'""",
            [run_id],
        )
        return done.rowcount > 0


async def get_run(pool: AsyncConnectionPool, run_id: str) -> Run | None:
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Run)) as cursor:
        await cursor.execute(
            """SELECT id, flow, state, trigger, params, total, completed, failed, current_model,
                      error, prefect_flow_run_id, started_at, finished_at
                 FROM runs WHERE id = %s""",
            [run_id],
        )
        return await cursor.fetchone()


async def list_runs(
    pool: AsyncConnectionPool, *, limit: int = 50, flow: str | None = None
) -> list[Run]:
    """The newest first."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Run)) as cursor:
        await cursor.execute(
            """SELECT id, flow, state, trigger, params, total, completed, failed, current_model,
                      error, prefect_flow_run_id, started_at, finished_at
                 FROM runs WHERE flow = %(flow)s OR %(flow)s::text IS NULL
                ORDER BY started_at DESC LIMIT %(limit)s""",
            {"flow": flow, "limit": limit},
        )
        return await cursor.fetchall()


async def latest_run(pool: AsyncConnectionPool, flow: str) -> Run | None:
    found = await list_runs(pool, limit=1, flow=flow)
    return found[0] if found else None


async def reap_runs(pool: AsyncConnectionPool, silent_s: float) -> list[Run]:
    """Fail the runs whose process has not been heard of for ``silent_s`` seconds; those runs."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Run)) as cursor:
        await cursor.execute(
            """UPDATE runs SET state = 'failed', finished_at = now(), current_model = NULL,
                   error = 'its process ended without a word; start it again with the same run id'
                WHERE state = 'running' AND touched_at < now() - make_interval(secs => %s)
               RETURNING id, flow, state, prefect_flow_run_id""",
            [silent_s],
        )
        return await cursor.fetchall()


async def prune_runs(pool: AsyncConnectionPool, days: int) -> int:
    """Remove runs older than ``days`` with their results, but never a model's latest scores."""
    async with connection(pool) as conn:
        done = await conn.execute(
            """DELETE FROM runs r
                WHERE r.started_at < now() - make_interval(days => %s) AND r.state <> 'running'
                  AND NOT EXISTS (
                      SELECT 1 FROM results a
                       WHERE a.run_id = r.id AND a.score IS NOT NULL AND NOT EXISTS (
                             SELECT 1 FROM results b
                              WHERE (b.provider, b.model, b.task_id) =
                                    (a.provider, a.model, a.task_id)
                                AND b.score IS NOT NULL AND b.created_at > a.created_at))""",
            [days],
        )
        return done.rowcount
