"""The connection pool, the migrations, and the one place where driver errors become ours."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import LiteralString, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from core.errors import BadRequest, SettingsError, StoreUnavailable

logger = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
#: an arbitrary number of ours: whoever holds it migrates, the others wait
_LOCK = 7_036_541
#: seconds a request waits for a connection before the store counts as away
_WAIT_S = 3.0
_CONNECT_S = 5


async def open_pool(
    url: str, *, min_size: int = 1, max_size: int = 8, read_only: bool = False
) -> AsyncConnectionPool:
    """A pool that opens at once, database or not, and mends itself when the database returns."""
    _must_parse(url)
    options = {"options": "-c default_transaction_read_only=on"} if read_only else {}
    pool: AsyncConnectionPool = AsyncConnectionPool(
        url,
        min_size=min_size,
        max_size=max_size,
        open=False,
        timeout=_WAIT_S,
        reconnect_timeout=5.0,
        check=AsyncConnectionPool.check_connection,
        kwargs={"connect_timeout": _CONNECT_S, **options},
    )
    await pool.open(wait=False)
    return pool


@asynccontextmanager
async def connection(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection in a transaction; `StoreUnavailable` when the database is away, `BadRequest` for
    what PostgreSQL's text and numbers cannot hold."""
    try:
        async with pool.connection() as conn:
            yield conn
    except (psycopg.DataError, UnicodeEncodeError) as exc:
        raise BadRequest(
            "that cannot be stored: it holds NUL, half a character, or too large a number"
        ) from exc
    except (psycopg.OperationalError, PoolTimeout, PoolClosed) as exc:
        raise StoreUnavailable("the database is away; it is tried again by itself") from exc


def _must_parse(url: str) -> None:
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # not from it: its words hold the address, and so the password
        raise SettingsError("DATABASE_URL is (hidden); allowed: a postgres:// address") from None


async def migrate(url: str) -> list[str]:
    """Apply what is new in ``migrations/``, each file once; the names of those applied.

    Several processes may start at once: an advisory lock lets one work while the others wait.
    """
    _must_parse(url)
    try:
        conn = await psycopg.AsyncConnection.connect(url, connect_timeout=_CONNECT_S)
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("the database does not answer: see DATABASE_URL") from exc
    async with conn:
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        await conn.execute(
            """CREATE TABLE IF NOT EXISTS touchstone_migrations (
                   name text PRIMARY KEY, sha256 text NOT NULL,
                   applied_at timestamptz NOT NULL DEFAULT now())"""
        )
        rows = await conn.execute("SELECT name, sha256 FROM touchstone_migrations")
        known = {str(name): str(digest) for name, digest in await rows.fetchall()}
        return [path.name for path in _files() if await _apply(conn, path, known)]


def _files() -> list[Path]:
    return sorted(_MIGRATIONS.glob("*.sql"))


async def _apply(conn: psycopg.AsyncConnection, path: Path, known: dict[str, str]) -> bool:
    text = await asyncio.to_thread(path.read_text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if path.name in known:
        if known[path.name] != digest:
            logger.warning("migration %s has changed since it was applied", path.name)
        return False
    await conn.execute(cast("LiteralString", text))
    await conn.execute(
        "INSERT INTO touchstone_migrations (name, sha256) VALUES (%s, %s)", [path.name, digest]
    )
    return True
