"""The decisions that were made, one row for each answered request."""

from collections.abc import Sequence
from typing import Any

import orjson
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from core.decision import JournalEntry
from core.errors import BadRequest
from core.store.pool import connection


async def insert_decisions(pool: AsyncConnectionPool, entries: Sequence[JournalEntry]) -> None:
    """Write a batch; one written before is left as it is.

    It travels as one JSON array: to bind each column of each row costs several times the work.
    """
    try:
        rows = orjson.dumps([_row(entry) for entry in entries]).decode()
    except orjson.JSONEncodeError as exc:
        raise BadRequest(f"a decision cannot be written as JSON: {exc}") from exc
    async with connection(pool) as conn:
        await conn.execute(
            """INSERT INTO decisions (id, decided_at, provider, model, outcome, category, reason,
                   matching_tags, tag_relevance, runners_up, meta_model, decision_ms,
                   snapshot_id, cached, prompt_hash, prompt_length, prompt, status, total_ms,
                   request_id, answered_by, error)
               SELECT id, decided_at, provider, model, outcome, category, reason,
                   matching_tags, tag_relevance, runners_up, meta_model, decision_ms,
                   snapshot_id, cached, prompt_hash, prompt_length, prompt, status, total_ms,
                   request_id, answered_by, error
                 FROM jsonb_populate_recordset(NULL::decisions, %s::jsonb)
               ON CONFLICT (id) DO NOTHING""",
            [rows],
        )


def _row(entry: JournalEntry) -> dict[str, Any]:
    made = entry.decision
    return {
        "id": made.id,
        "decided_at": entry.decided_at,
        "provider": made.provider,
        "model": made.model,
        "outcome": made.outcome,
        "category": None if made.category is None else _storable(made.category),
        "reason": _storable(made.reason),
        "matching_tags": [_storable(tag) for tag in made.matching_tags],
        "tag_relevance": {_storable(tag): value for tag, value in made.tag_relevance.items()},
        "runners_up": made.runners_up,
        "meta_model": made.meta_model,
        "decision_ms": made.decision_ms,
        "snapshot_id": made.snapshot_id,
        "cached": made.cached,
        "prompt_hash": entry.prompt_hash,
        "prompt_length": entry.prompt_length,
        "prompt": None if entry.prompt is None else _storable(entry.prompt),
        "status": entry.status,
        "total_ms": entry.total_ms,
        "request_id": _storable(entry.request_id),
        "answered_by": entry.answered_by,
        "error": None if entry.error is None else _storable(entry.error),
    }


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
