"""The models: what was discovered, who is enabled, and what their last good interview said."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from core.records import Model
from core.store.pool import connection
from core.store.quirks import FORGET_QUIRKS


async def list_models(pool: AsyncConnectionPool) -> list[Model]:
    """Every model, with the tags of its latest good interview since it was last reset."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Model)) as cursor:
        await cursor.execute(
            """SELECT m.provider, m.name, m.enabled, m.switched, m.present, m.capabilities,
                      m.has_reasoning, m.updated_at,
                      coalesce(good.strengths, '{}') AS strengths,
                      coalesce(good.weaknesses, '{}') AS weaknesses,
                      CASE WHEN good.id IS NOT NULL THEN m.provider || '/' || m.name END
                          AS tagged_by,
                      good.created_at AS interviewed_at,
                      last.error AS interview_error
                 FROM models m
                 LEFT JOIN LATERAL (
                      SELECT i.id, i.strengths, i.weaknesses, i.created_at FROM interviews i
                       WHERE i.provider = m.provider AND i.model = m.name AND i.status = 'ok'
                         AND i.created_at > coalesce(m.reset_at, '-infinity')
                       ORDER BY i.created_at DESC LIMIT 1) good ON true
                 LEFT JOIN LATERAL (
                      SELECT i.error FROM interviews i
                       WHERE i.provider = m.provider AND i.model = m.name
                         AND i.created_at > coalesce(m.reset_at, '-infinity')
                       ORDER BY i.created_at DESC LIMIT 1) last ON true
                ORDER BY m.provider, m.name"""
        )
        return await cursor.fetchall()


async def get_model(pool: AsyncConnectionPool, provider: str, name: str) -> Model | None:
    found = [m for m in await list_models(pool) if (m.provider, m.name) == (provider, name)]
    return found[0] if found else None


async def upsert_discovered(
    pool: AsyncConnectionPool, provider: str, found: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], list[str]]:
    """Store what ``provider`` lists now (name → abilities); the new names and the vanished.

    A new model can be named at once and is not enabled; one that is back counts as present again.
    """
    async with connection(pool) as conn:
        rows = await conn.execute(
            "SELECT name, present FROM models WHERE provider = %s FOR UPDATE", [provider]
        )
        known = {str(name): bool(present) for name, present in await rows.fetchall()}
        async with conn.cursor() as cursor:
            await cursor.executemany(
                """INSERT INTO models (provider, name, capabilities) VALUES (%s, %s, %s)
                   ON CONFLICT (provider, name) DO UPDATE
                      SET present = true, vanished_at = NULL,
                          capabilities = models.capabilities || excluded.capabilities,
                          updated_at = now()
                    WHERE NOT models.present
                       OR models.capabilities IS DISTINCT FROM
                          models.capabilities || excluded.capabilities""",
                [(provider, name, Jsonb(dict(told))) for name, told in found.items()],
            )
        vanished = [name for name, present in known.items() if present and name not in found]
        await conn.execute(
            """UPDATE models SET present = false, vanished_at = now(), updated_at = now()
                WHERE provider = %s AND name = ANY(%s)""",
            [provider, vanished],
        )
    return [name for name in found if name not in known], vanished


async def set_enabled(pool: AsyncConnectionPool, provider: str, name: str, enabled: bool) -> bool:
    """A person's switch, which no interview overrides; False when there is no such model."""
    async with connection(pool) as conn:
        done = await conn.execute(
            """UPDATE models SET enabled = %s, switched = %s, updated_at = now()
                WHERE provider = %s AND name = %s""",
            [enabled, enabled, provider, name],
        )
        return done.rowcount > 0


async def reset_model(pool: AsyncConnectionPool, provider: str, name: str) -> bool:
    """Forget tags and switch: as if never interviewed. The history stays readable."""
    async with connection(pool) as conn:
        done = await conn.execute(
            """UPDATE models SET enabled = false, switched = NULL, reset_at = clock_timestamp(),
                                 updated_at = now()
                WHERE provider = %s AND name = %s""",
            [provider, name],
        )
        await conn.execute(FORGET_QUIRKS, [provider, name])
        return done.rowcount > 0


async def delete_model(pool: AsyncConnectionPool, provider: str, name: str) -> bool:
    """Remove the model with its interviews and results."""
    async with connection(pool) as conn:
        await conn.execute(
            "DELETE FROM results WHERE provider = %s AND model = %s", [provider, name]
        )
        await conn.execute(FORGET_QUIRKS, [provider, name])
        done = await conn.execute(
            "DELETE FROM models WHERE provider = %s AND name = %s", [provider, name]
        )
        return done.rowcount > 0


def among(known: Sequence[Model], wanted: Sequence[str]) -> list[Model]:
    """Those of ``known`` that ``wanted`` names, by ``provider/name`` or bare name; all for none."""
    if not wanted:
        return list(known)
    return [model for model in known if model.id in wanted or model.name in wanted]
