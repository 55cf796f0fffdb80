import asyncio
import os
import signal

import psycopg
import pytest

from core.errors import StoreUnavailable
from core.store.embedded import embedded_url, postmaster_pid, stop_embedded
from core.store.pool import connection, migrate, open_pool


@pytest.fixture
def own_home(tmp_path_factory):
    """A server of the test's own, since it is going to be killed."""
    home = tmp_path_factory.mktemp("own")
    yield home
    stop_embedded(home)


async def test_many_processes_may_migrate_at_once(own_home):
    url = embedded_url(own_home)
    applied = await asyncio.gather(*(migrate(url) for _ in range(5)))
    assert sorted(map(len, applied))[:4] == [0, 0, 0, 0]
    assert await migrate(url) == []


async def test_a_killed_server_comes_back_and_the_pool_with_it(own_home):
    url = embedded_url(own_home)
    pool = await open_pool(url)
    async with connection(pool) as conn:
        await conn.execute("SELECT 1")
    os.kill(postmaster_pid(own_home), signal.SIGKILL)
    await asyncio.sleep(0.5)
    with pytest.raises(StoreUnavailable):
        await _ask(pool)
    assert embedded_url(own_home) == url
    for _ in range(100):
        if answered := await _answers(pool):
            break
        await asyncio.sleep(0.2)
    assert answered
    await pool.close()


async def _ask(pool):
    async with connection(pool) as conn:
        await conn.execute("SELECT 1")


async def _answers(pool):
    try:
        await _ask(pool)
    except StoreUnavailable:
        return False
    return True


async def test_nobody_there_is_store_unavailable_soon():
    url = "postgresql://postgres@127.0.0.1:1/none"
    pool = await open_pool(url)
    with pytest.raises(StoreUnavailable):
        await _ask(pool)
    with pytest.raises(StoreUnavailable, match="DATABASE_URL"):
        await migrate(url)
    await pool.close()


async def test_a_wrong_statement_is_not_hidden_as_an_outage(pool):
    with pytest.raises(psycopg.errors.UndefinedTable):
        async with connection(pool) as conn:
            await conn.execute("SELECT 1 FROM nowhere")
