"""The interviews: append-only; a good one enables its model, none disables it."""

from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from core.records import Interview, Model
from core.store.models import list_models
from core.store.pool import connection


async def save_interview(pool: AsyncConnectionPool, interview: Interview) -> None:
    """Append it; usable strengths enable the model unless a person switched it off."""
    async with connection(pool) as conn:
        await conn.execute(
            """INSERT INTO interviews (provider, model, status, strengths, weaknesses, raw_reply,
                                       error, prompt_version, run_id)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                interview.provider,
                interview.model,
                interview.status,
                list(interview.strengths),
                list(interview.weaknesses),
                interview.raw_reply,
                interview.error,
                interview.prompt_version,
                interview.run_id,
            ],
        )
        if interview.status == "ok" and interview.strengths:
            await conn.execute(
                """UPDATE models SET enabled = true, updated_at = now()
                    WHERE provider = %s AND name = %s AND switched IS NOT false""",
                [interview.provider, interview.model],
            )


async def list_interviews(
    pool: AsyncConnectionPool, provider: str, name: str, limit: int = 50
) -> list[Interview]:
    """One model's history, the newest first."""
    async with connection(pool) as conn, conn.cursor(row_factory=class_row(Interview)) as cursor:
        await cursor.execute(
            """SELECT provider, model, status, strengths, weaknesses, raw_reply, error,
                      prompt_version, run_id, created_at
                 FROM interviews WHERE provider = %s AND model = %s
                ORDER BY created_at DESC LIMIT %s""",
            [provider, name, limit],
        )
        return await cursor.fetchall()


async def interviewed_in(pool: AsyncConnectionPool, run_id: str) -> set[str]:
    """``provider/name`` of the models that a run has interviewed already."""
    async with connection(pool) as conn:
        rows = await conn.execute(
            """SELECT provider || '/' || model FROM interviews
                WHERE run_id = %s AND status <> 'infra_error'""",
            [run_id],
        )
        return {str(name) for (name,) in await rows.fetchall()}


async def never_interviewed(pool: AsyncConnectionPool) -> list[Model]:
    """The present models without a good interview since they were last reset."""
    return [m for m in await list_models(pool) if m.present and m.tagged_by is None]
