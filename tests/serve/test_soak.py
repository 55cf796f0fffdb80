"""A small run of ``tests/soak.py``, which ``make soak`` does at its full length."""

from tests.soak import soak_through


async def test_streams_that_break_in_every_way_leave_nothing_behind(pool, url, tmp_path):
    found = await soak_through(tmp_path, url, 300, concurrency=20, within_s=15)
    assert found["wrong"] == []
    assert found["calls_cancelled"]
    assert found["decisions_promised"]
