"""The editable prompts: versions of what a person changed; what nobody changed is not here."""

from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from core.records import Prompt
from core.store.pool import connection


async def current_prompts(pool: AsyncConnectionPool) -> dict[str, Prompt]:
    """Key → the edited prompt in force; a key whose latest version is a reset is left out."""
    async with connection(pool) as conn:
        rows = await conn.execute(
            """SELECT DISTINCT ON (key) key, text, version, is_default FROM prompts
                ORDER BY key, version DESC"""
        )
        return {
            str(key): Prompt(key=str(key), text=str(text), version=int(version))
            for key, text, version, is_default in await rows.fetchall()
            if not is_default
        }


async def save_prompt(
    pool: AsyncConnectionPool, key: str, text: str, *, is_default: bool = False
) -> int:
    """A new version; its number."""
    async with connection(pool) as conn:
        await conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"prompt {key}"])
        rows = await conn.execute(
            """INSERT INTO prompts (key, version, text, is_default)
               SELECT %s, coalesce(max(version), 0) + 1, %s, %s FROM prompts WHERE key = %s
               RETURNING version""",
            [key, text, is_default, key],
        )
        row = await rows.fetchone()
        assert row is not None
        return int(row[0])


async def prompt_history(pool: AsyncConnectionPool, key: str) -> list[Prompt]:
    """All versions, the newest first."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Prompt)) as cursor:
        await cursor.execute(
            """SELECT key, text, version, created_at FROM prompts WHERE key = %s
                ORDER BY version DESC""",
            [key],
        )
        return await cursor.fetchall()
