import pytest

from tests.door import open_door


@pytest.fixture
async def door(pool, url):
    async with open_door(pool, url) as opened:
        yield opened
