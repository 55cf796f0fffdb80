"""The decisions that were made, one row for each answered request."""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from core.decision import JournalEntry
from core.store.pool import connection


async def insert_decisions(pool: AsyncConnectionPool, entries: Sequence[JournalEntry]) -> None:
    """Write a batch; one written before is left as it is."""
    async with connection(pool) as conn, conn.cursor() as cursor:
        await cursor.executemany(
            """INSERT INTO decisions (id, decided_at, provider, model, outcome, category, reason,
                   matching_tags, tag_relevance, runners_up, meta_model, decision_ms,
                   snapshot_id, cached, prompt_hash, prompt_length, prompt, status, total_ms,
                   request_id, answered_by, error)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
                       %s, %s, %s, %s)
               ON CONFLICT (id) DO NOTHING""",
            [_row(entry) for entry in entries],
        )


def _row(entry: JournalEntry) -> tuple[Any, ...]:
    made = entry.decision
    return (
        made.id,
        entry.decided_at,
        made.provider,
        made.model,
        made.outcome,
        None if made.category is None else _storable(made.category),
        _storable(made.reason),
        [_storable(tag) for tag in made.matching_tags],
        Jsonb({_storable(tag): value for tag, value in made.tag_relevance.items()}),
        list(made.runners_up),
        made.meta_model,
        made.decision_ms,
        made.snapshot_id,
        made.cached,
        entry.prompt_hash,
        entry.prompt_length,
        None if entry.prompt is None else _storable(entry.prompt),
        entry.status,
        entry.total_ms,
        _storable(entry.request_id),
        entry.answered_by,
        None if entry.error is None else _storable(entry.error),
    )


def _storable(text: str) -> str:
    """Without what PostgreSQL's text cannot hold: NUL and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


async def list_decisions(
    pool: AsyncConnectionPool, *, limit: int = 50, offset: int = 0
) -> list[dict[str, Any]]:
    """The newest first."""
    async with connection(pool) as conn, conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """SELECT id, decided_at, provider, model, outcome, category, reason, decision_ms,
                      total_ms, cached, status, prompt, prompt_length, answered_by, error
                 FROM decisions ORDER BY decided_at DESC LIMIT %s OFFSET %s""",
            [limit, offset],
        )
        return await cursor.fetchall()


async def prune_decisions(pool: AsyncConnectionPool, days: int) -> int:
    async with connection(pool) as conn:
        done = await conn.execute(
            "DELETE FROM decisions WHERE decided_at < now() - make_interval(days => %s)", [days]
        )
        return done.rowcount
