"""Tells when tags, scores or prompts changed (LISTEN on the channel the triggers notify)."""

from collections.abc import AsyncIterator

import psycopg

from core.errors import StoreUnavailable


async def snapshot_changes(url: str) -> AsyncIterator[None]:
    """Yields once when listening and at each change; `StoreUnavailable` when the line breaks."""
    try:
        conn = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
        async with conn:
            await conn.execute("LISTEN touchstone_snapshot")
            yield
            async for _ in conn.notifies():
                yield
    except psycopg.Error as exc:
        raise StoreUnavailable("the database's notifications are away") from exc
