"""What a Responses client may refer to later instead of sending it again.

OpenAI's own servers keep each response for that; here it is kept for an hour, in memory, or as
files of the directory that several workers share. Nothing outlives the service.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from cachetools import TTLCache

from core.errors import BadRequest

TTL_S = 3600.0
#: bytes held in memory by each worker, or in the shared directory
CAPACITY = 128 * 1024 * 1024
_SWEEP_S = 60.0
_GONE = "is not known here, or no longer: send the whole conversation as input, with store: false"


class Remembered:
    """Conversations by the response that ended them, and output items, both by id."""

    def __init__(
        self, shared: Path | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._known: TTLCache[str, bytes] = TTLCache(CAPACITY, TTL_S, timer=clock, getsizeof=len)
        self._files = shared / "responses" if shared else None
        self._swept = 0.0
        if self._files:
            self._files.mkdir(exist_ok=True)

    def keep(self, owner: str, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """Remember a response to ``request``, unless that said ``store: false``.

        ``owner``: the client's key. What one remembers nobody else can refer to.
        """
        if request.get("store") is False:
            return
        output = response.get("output")
        items = [item for item in output if isinstance(item, dict)] if output else []
        for item in items:
            if isinstance(name := item.get("id"), str):
                self._put(owner + name, item)
        if isinstance(name := response.get("id"), str):
            self._put(owner + name, [*_as_items(request.get("input")), *items])

    def resolved(self, owner: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request with all that it refers to written out; `BadRequest` for what is unknown."""
        found = dict(request)
        items = [self._item(owner, item) for item in _as_items(request.get("input"))]
        name = found.pop("previous_response_id", None)
        if name is not None:
            earlier = self._get(owner + name) if isinstance(name, str) else None
            if not isinstance(earlier, list):
                raise BadRequest(
                    f"the response {name!r} {_GONE}",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            items = [*earlier, *items]
        elif not any(_is_reference(item) for item in _as_items(request.get("input"))):
            return found
        found["input"] = [bare for item in items if (bare := _bare(item)) is not None]
        return found

    def _item(self, owner: str, item: Any) -> Any:
        if not _is_reference(item):
            return item
        name = item.get("id")
        known = self._get(owner + name) if isinstance(name, str) else None
        if not isinstance(known, dict):
            raise BadRequest(f"the item {name!r} {_GONE}", param="input")
        return known

    def _put(self, name: str, value: Any) -> None:
        raw = orjson.dumps(value)
        if self._files is None:
            if len(raw) <= CAPACITY:
                self._known[name] = raw
            return
        self._sweep(self._files)
        file = _file(self._files, name)
        new = file.with_suffix(f".{os.getpid()}")
        new.write_bytes(raw)
        new.replace(file)  # whoever reads meanwhile finds the whole of one or the other

    def _get(self, name: str) -> Any:
        if self._files is None:
            raw = self._known.get(name)
        else:
            try:
                raw = _file(self._files, name).read_bytes()
            except FileNotFoundError:
                raw = None
        return None if raw is None else orjson.loads(raw)

    def _sweep(self, files: Path) -> None:
        """Remove what is too old, or too much."""
        now = time.time()
        if now - self._swept < _SWEEP_S:
            return
        self._swept = now
        total = 0
        found: list[tuple[os.stat_result, Path]] = []
        for file in files.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another worker sweeps too
                found.append((file.stat(), file))
        for stat, file in sorted(found, key=lambda entry: -entry[0].st_mtime):
            total += stat.st_size
            if now - stat.st_mtime > TTL_S or total > CAPACITY:
                file.unlink(missing_ok=True)


def _file(files: Path, name: str) -> Path:
    return files / hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _as_items(given: Any) -> Sequence[Any]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return given if isinstance(given, list) else []


def _is_reference(item: Any) -> bool:
    """Its type may be left out, as may that of a message."""
    if not isinstance(item, dict):
        return False
    return item.get("type") == "item_reference" or item.keys() == {"id"}


def _bare(item: Any) -> Any:
    """An item as any model takes it: without the id, by which a provider would look it up among its
    own, and no reasoning but what is sealed for whoever can open it."""
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return {k: v for k, v in item.items() if k != "id"} if isinstance(item, dict) else item
    return item if item.get("encrypted_content") else None
