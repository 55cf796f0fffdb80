"""The results: each stored once, as it lands; failures are kept and give way to a later try."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row, dict_row
from psycopg_pool import AsyncConnectionPool

from core.records import Result
from core.store.pool import connection

#: provider, model, task id, task version, repeat
Key = tuple[str, str, str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryScore:
    """A model's scores in one category: repeats make one mean a task, tasks are the sample."""

    provider: str
    model: str
    category: str
    #: 0–10; None: nothing but failures so far
    mean: float | None
    #: tasks with a score; the spread is that of their means
    n: int
    sd: float | None
    #: whether every task's mean is 0 or 10
    dichotomous: bool
    #: items whose latest try failed
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    provider: str
    model: str
    mean_ms: float
    median_ms: float


async def save_result(pool: AsyncConnectionPool, result: Result) -> bool:
    """Store it with its criteria; False if that item already has an answer in this run.

    A stored failure is replaced, a stored answer never.
    """
    async with connection(pool) as conn:
        rows = await conn.execute(
            """INSERT INTO results (run_id, provider, model, task_id, task_version, category,
                                    repeat, status, score, answer, error, judge, self_judged,
                                    latency_ms, ttft_ms, tokens_in, tokens_out, attempt)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (run_id, provider, model, task_id, task_version, repeat) DO UPDATE
                  SET status = excluded.status, score = excluded.score,
                      answer = excluded.answer, error = excluded.error, judge = excluded.judge,
                      self_judged = excluded.self_judged, latency_ms = excluded.latency_ms,
                      ttft_ms = excluded.ttft_ms, tokens_in = excluded.tokens_in,
                      tokens_out = excluded.tokens_out,
                      attempt = results.attempt + (results.status <> 'judge_error')::int,
                      created_at = clock_timestamp()
                WHERE results.status <> 'ok'
               RETURNING id""",
            _row(result),
        )
        row = await rows.fetchone()
        if row is None:
            return False
        async with conn.cursor() as cursor:
            await cursor.executemany(
                """INSERT INTO criteria (result_id, name, score, reason) VALUES (%s, %s, %s, %s)
                   ON CONFLICT (result_id, name) DO UPDATE
                      SET score = excluded.score, reason = excluded.reason""",
                [(row[0], c.name, c.score, _storable(c.reason)) for c in result.criteria],
            )
        return True


def _row(result: Result) -> tuple[Any, ...]:
    return (
        result.run_id,
        result.provider,
        result.model,
        result.task_id,
        result.task_version,
        result.category,
        result.repeat,
        result.status,
        result.score,
        _storable(result.answer),
        _storable(result.error),
        result.judge,
        result.self_judged,
        result.latency_ms,
        result.ttft_ms,
        result.tokens_in,
        result.tokens_out,
        result.attempt,
    )


def _storable(text: str | None) -> str | None:
    """PostgreSQL's text holds no NUL, which a model may well write."""
    return None if text is None else text.replace("\x00", "\N{SYMBOL FOR NULL}")


async def finished_keys(pool: AsyncConnectionPool, run_id: str) -> set[Key]:
    """The items of a run that have an answer; failed ones are missing, so they are retried."""
    async with connection(pool) as conn:
        rows = await conn.execute(
            """SELECT provider, model, task_id, task_version, repeat FROM results
                WHERE run_id = %s AND status = 'ok'""",
            [run_id],
        )
        return {(str(p), str(m), str(t), int(v), int(r)) for p, m, t, v, r in await rows.fetchall()}


async def unjudged_answers(pool: AsyncConnectionPool, run_id: str) -> dict[Key, Result]:
    """The answers of a run that still want their judge: the model need not be asked again."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Result)) as cursor:
        await cursor.execute(
            """SELECT run_id, provider, model, task_id, task_version, category, repeat, status,
                      answer, error, latency_ms, ttft_ms, tokens_in, tokens_out, attempt
                 FROM results
                WHERE run_id = %s AND status = 'judge_error' AND answer IS NOT NULL""",
            [run_id],
        )
        return {key_of(result): result for result in await cursor.fetchall()}


def key_of(result: Result) -> Key:
    return result.provider, result.model, result.task_id, result.task_version, result.repeat


async def category_scores(
    pool: AsyncConnectionPool, *, provider: str | None = None, model: str | None = None
) -> list[CategoryScore]:
    """Mean, n, spread and failures by model and category: each item's latest result, current
    task versions only, nothing that a model judged itself. Of all models, or of one."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(CategoryScore)) as c:
        await c.execute(
            """WITH latest AS (
                   SELECT DISTINCT ON (r.provider, r.model, r.task_id, r.repeat)
                          r.provider, r.model, r.category, r.task_id, r.score
                     FROM results r
                     JOIN tasks t ON t.id = r.task_id AND t.current_version = r.task_version
                    WHERE NOT r.self_judged AND t.enabled AND t.deleted_at IS NULL
                      AND (r.provider = %(provider)s OR %(provider)s::text IS NULL)
                      AND (r.model = %(model)s OR %(model)s::text IS NULL)
                    ORDER BY r.provider, r.model, r.task_id, r.repeat,
                             (r.score IS NULL), r.created_at DESC),
               per_task AS (
                   SELECT provider, model, category, avg(score) AS score,
                          count(*) FILTER (WHERE score IS NULL) AS failures
                     FROM latest GROUP BY provider, model, category, task_id)
               SELECT provider, model, category, avg(score) AS mean, count(score)::int AS n,
                      stddev_samp(score) AS sd,
                      coalesce(bool_and(score IN (0, 10)), false) AS dichotomous,
                      sum(failures)::int AS failures
                 FROM per_task GROUP BY provider, model, category
                ORDER BY provider, model, category""",
            {"provider": provider, "model": model},
        )
        return await c.fetchall()


async def latencies(pool: AsyncConnectionPool) -> list[Latency]:
    """Mean and median of each model's last 500 answers."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Latency)) as cursor:
        await cursor.execute(
            """SELECT provider, model, avg(latency_ms) AS mean_ms,
                      percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS median_ms
                 FROM (SELECT provider, model, latency_ms,
                              row_number() OVER (PARTITION BY provider, model
                                                 ORDER BY created_at DESC) AS age
                         FROM results WHERE latency_ms IS NOT NULL) recent
                WHERE age <= 500 GROUP BY provider, model"""
        )
        return await cursor.fetchall()


async def results_of_model(
    pool: AsyncConnectionPool, provider: str, name: str, *, limit: int = 500
) -> list[dict[str, Any]]:
    """One model's results task by task, the newest first."""
    async with connection(pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """SELECT id, run_id, task_id, task_version, category, repeat, status, score, answer,
                      error, judge, self_judged, latency_ms, tokens_in, tokens_out, attempt,
                      created_at
                 FROM results WHERE provider = %s AND model = %s
                ORDER BY created_at DESC LIMIT %s""",
            [provider, name, limit],
        )
        return await cursor.fetchall()


async def results_of_run(pool: AsyncConnectionPool, run_id: str) -> list[dict[str, Any]]:
    """A run's results without their answers, for its tables."""
    async with connection(pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """SELECT provider, model, task_id, category, repeat, status, score, error, latency_ms
                 FROM results WHERE run_id = %s ORDER BY provider, model, task_id, repeat""",
            [run_id],
        )
        return await cursor.fetchall()


async def stream_results(pool: AsyncConnectionPool) -> AsyncIterator[dict[str, Any]]:
    """Every result, through a server-side cursor: constant memory, however many there are."""
    async with (
        connection(pool) as conn,
        conn.cursor("touchstone_export", row_factory=dict_row) as cursor,
    ):
        cursor.itersize = 1000
        await cursor.execute(
            """SELECT r.run_id, r.provider, r.model, r.task_id, r.task_version, r.category,
                      r.repeat, r.attempt, r.status, r.score, r.error, r.judge, r.self_judged,
                      r.latency_ms, r.ttft_ms, r.tokens_in, r.tokens_out, r.created_at
                 FROM results r ORDER BY r.id"""
        )
        async for row in cursor:
            yield row
