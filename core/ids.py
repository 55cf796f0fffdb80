"""Ids for decisions and requests: 128 random bits in hexadecimal."""

import os
from collections.abc import Iterator

#: bytes asked of the system at once: a call for each id shows in the cost of a request
_POOL = 4096


def _ids() -> Iterator[str]:
    while True:
        pool = os.urandom(_POOL)
        for at in range(0, _POOL, 16):
            yield pool[at : at + 16].hex()


_source = _ids()


def new_id() -> str:
    return next(_source)
