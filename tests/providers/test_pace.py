"""Limits that several processes keep together: two `Pace`s of one directory are two processes."""

import asyncio
import time
from itertools import pairwise

import pytest

from core.providers.pace import Pace
from core.records import Provider

LIMITED = Provider(name="p", base_url="http://x", max_concurrency=2)
SLOW = Provider(name="p", base_url="http://x", rate_limit_seconds=0.1)


async def most_at_once(paces, calls=8):
    now = most = 0

    async def call(pace):
        nonlocal now, most
        async with pace.turn():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.05)
            now -= 1

    await asyncio.gather(*(call(paces[i % len(paces)]) for i in range(calls)))
    return most


async def test_slots_are_bounded_within_a_process():
    assert await most_at_once([Pace(LIMITED)]) == 2


async def test_slots_are_shared_by_processes_of_one_directory(tmp_path):
    assert await most_at_once([Pace(LIMITED, tmp_path), Pace(LIMITED, tmp_path)]) == 2
    assert await most_at_once([Pace(LIMITED), Pace(LIMITED)]) == 4


async def test_a_slot_is_free_again_when_its_call_fails_or_is_cancelled(tmp_path):
    pace = Pace(LIMITED, tmp_path)

    async def hold():
        async with pace.turn():
            await asyncio.sleep(60)

    held = [asyncio.create_task(hold()) for _ in range(2)]
    await asyncio.sleep(0.05)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with pace.turn():
            raise ZeroDivisionError
    async with asyncio.timeout(1), pace.turn(), pace.turn():
        pass


@pytest.mark.parametrize("shared", [False, True])
async def test_calls_keep_their_distance_across_processes(tmp_path, shared):
    directory = tmp_path if shared else None
    paces = [Pace(SLOW, directory)] * 2 if not shared else [Pace(SLOW, tmp_path) for _ in range(2)]
    moments = []

    async def call(pace):
        async with pace.turn():
            moments.append(time.monotonic())

    await asyncio.gather(*(call(pace) for pace in [*paces, *paces]))
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) > 0.08


async def test_a_provider_without_limits_leaves_no_file(tmp_path):
    async with Pace(Provider(name="p", base_url="http://x"), tmp_path).turn():
        assert list(tmp_path.iterdir()) == []
