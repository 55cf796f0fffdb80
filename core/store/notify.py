"""Tells when tags, scores or prompts changed (LISTEN on the channel the triggers notify)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg

from core.errors import StoreUnavailable


async def snapshot_changes(url: str) -> AsyncIterator[None]:
    """Yields once when listening and at each change; `StoreUnavailable` when the line breaks."""
    try:
        async with await _connected(url) as conn:
            await conn.execute("LISTEN touchstone_snapshot")
            yield
            async for _ in conn.notifies():
                yield
    except psycopg.Error as exc:
        raise StoreUnavailable("the database's notifications are away") from exc


async def _connected(url: str) -> psycopg.AsyncConnection:
    """A connection of its own. One that is cancelled while it opens would stay open, so it is
    waited for, and closed."""
    opening = asyncio.create_task(
        psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with contextlib.suppress(psycopg.Error):
            await (await opening).close()
        raise
