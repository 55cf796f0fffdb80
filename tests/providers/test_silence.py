"""Silence is counted while somebody waits for the provider, and only then."""

import asyncio

import pytest

from core.errors import UpstreamTimeout
from core.providers.http import translated
from core.providers.silence import Silence
from core.records import Provider

P = Provider(name="p", base_url="http://x", timeout_s=0.1)


async def wait(silence, *naps):
    """Wait as often and as long as told; between two waits something has come."""
    with translated(P, silence):
        for nap in naps:
            silence.begins()
            await asyncio.sleep(nap)
            silence.ends()


async def test_long_calls_are_healthy_and_silent_ones_are_given_up():
    silence = Silence(0.1)
    await wait(silence, *[0.03] * 8)
    with pytest.raises(UpstreamTimeout, match=r"p was silent for 0\.1 s"):
        await wait(silence, 0.03, 60)
    silence.close()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_the_task_does_otherwise_does_not_count():
    silence = Silence(0.1)
    silence.begins()
    silence.ends()
    await asyncio.sleep(0.35)
    await wait(silence, 0.05)
    silence.close()


async def test_a_cancellation_of_others_stays_one():
    silence = Silence(60)
    task = asyncio.create_task(wait(silence, 60))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    silence.close()


async def test_nothing_fires_after_the_end():
    silence = Silence(0.05)
    silence.begins()
    silence.close()
    await asyncio.sleep(0.15)
    assert not silence.expired
