"""What models were found not to take. It is forgotten after a while, and then learnt anew, for
providers mend their models."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from psycopg_pool import AsyncConnectionPool

from core.errors import StoreUnavailable
from core.store.pool import connection

KEPT_DAYS = 30
#: of one model, by its provider and name
FORGET_QUIRKS = "DELETE FROM quirks WHERE provider = %s AND model = %s"


class Learnt(Protocol):
    """What `core.providers.quirks.Quirks` is to the store."""

    def take_unsaved(self) -> list[tuple[str, str]]: ...

    def give_back(self, entries: Iterable[tuple[str, str]]) -> None: ...


async def list_quirks(pool: AsyncConnectionPool) -> dict[str, list[str]]:
    """Model (``provider/name``) → its quirks."""
    async with connection(pool) as conn:
        rows = await conn.execute(
            """SELECT provider || '/' || model, array_agg(quirk ORDER BY quirk) FROM quirks
                WHERE learnt_at > now() - make_interval(days => %s) GROUP BY 1""",
            [KEPT_DAYS],
        )
        return {str(target): list(found) for target, found in await rows.fetchall()}


async def save_learnt(pool: AsyncConnectionPool, learnt: Learnt) -> None:
    """Store what is new in ``learnt``; while the store is away it stays there."""
    entries = learnt.take_unsaved()
    if not entries:
        return
    try:
        await save_quirks(pool, entries)
    except StoreUnavailable:
        learnt.give_back(entries)
        raise


async def save_quirks(pool: AsyncConnectionPool, learnt: Sequence[tuple[str, str]]) -> None:
    """Store pairs of model (``provider/name``) and quirk."""
    async with connection(pool) as conn, conn.cursor() as cursor:
        await cursor.executemany(
            """INSERT INTO quirks (provider, model, quirk) VALUES (%s, %s, %s)
               ON CONFLICT (provider, model, quirk) DO UPDATE SET learnt_at = now()""",
            [(*target.split("/", 1), quirk) for target, quirk in learnt],
        )
