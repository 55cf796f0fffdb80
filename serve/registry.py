"""The snapshot the service decides by: loaded from the store, renewed when the store says so."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Mapping

from psycopg_pool import AsyncConnectionPool

from core import evidence
from core.decision import Candidate, Score, Snapshot
from core.errors import AmbiguousModel, StoreUnavailable
from core.providers.quirks import Quirks
from core.records import Model
from core.store import models, notify, prompts, quirks, results
from core.suite import builtin_prompts

logger = logging.getLogger(__name__)

#: seconds between two looks at the store when no notification comes
POLL_S = 15.0
#: seconds to gather notifications: a benchmark run sends many
SETTLE_S = 0.2


async def load_snapshot(pool: AsyncConnectionPool) -> Snapshot:
    """All models with tags, scores and latency as the store has them now."""
    known = await models.list_models(pool)
    scores: dict[tuple[str, str], dict[str, Score]] = {}
    for row in await results.category_scores(pool):
        if row.mean is None:
            continue  # nothing but failures, which are no score
        scores.setdefault((row.provider, row.model), {})[row.category] = evidence.score(
            row.mean, row.n, row.sd, dichotomous=row.dichotomous
        )
    latency = {(r.provider, r.model): r.mean_ms for r in await results.latencies(pool)}
    edited = await prompts.current_prompts(pool)
    routing_prompt = edited["routing"].text if "routing" in edited else builtin_prompts()["routing"]
    candidates = tuple(
        Candidate(
            model=model,
            scores=scores.get((model.provider, model.name), {}),
            avg_latency_ms=latency.get((model.provider, model.name)),
        )
        for model in sorted(known, key=lambda model: model.id)
        if model.enabled and model.present
    )
    others = tuple(m for m in known if not (m.enabled and m.present))
    categories = tuple(sorted({name for found in scores.values() for name in found}))
    return Snapshot(
        id=_digest(candidates, routing_prompt),
        candidates=candidates,
        others=others,
        categories=categories,
        routing_prompt=routing_prompt,
    )


def _digest(candidates: tuple[Candidate, ...], routing_prompt: str) -> str:
    """Changes with any tag, score or prompt, so that no decision outlives what it rests on."""
    digest = hashlib.sha256(routing_prompt.encode())
    for c in candidates:
        scores = sorted((name, round(s.mean, 6), s.n) for name, s in c.scores.items())
        words = (c.model.id, c.model.strengths, c.model.weaknesses, scores)
        digest.update(repr((words, sorted(c.model.capabilities.items()))).encode())
    return digest.hexdigest()[:16]


class Registry:
    """Keeps the last snapshot that could be read; the store may go away and come back."""

    def __init__(self, pool: AsyncConnectionPool, url: str, learnt: Quirks | None = None) -> None:
        """``learnt``: is kept as the store has it too."""
        self.snapshot = Snapshot(id="")
        self.loaded = False
        #: whether the last look at the store succeeded
        self.healthy = False
        self._pool, self._url = pool, url
        self._learnt = learnt or Quirks()
        self._by_id: Mapping[str, Model] = {}
        self._by_name: Mapping[str, list[Model]] = {}
        self._stale = asyncio.Event()
        self._reading = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.refresh()
        self._tasks = [
            asyncio.create_task(self._keep_fresh()),
            asyncio.create_task(self._listen()),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refresh(self) -> None:
        """Read the store once; on failure the last snapshot stays."""
        try:
            snapshot = await load_snapshot(self._pool)
            self._learnt.loaded(await quirks.list_quirks(self._pool))
        except StoreUnavailable as exc:
            if self.healthy or not self.loaded:
                logger.warning("the snapshot stays as it is: %s", exc.message)
            self.healthy = False
            return
        known = [c.model for c in snapshot.candidates] + list(snapshot.others)
        by_name: dict[str, list[Model]] = {}
        for model in known:
            by_name.setdefault(model.name, []).append(model)
        self._by_id, self._by_name = {model.id: model for model in known}, by_name
        self.snapshot, self.loaded, self.healthy = snapshot, True, True

    async def settled(self) -> Snapshot:
        """The snapshot, read anew if the store has told of a change that is not in it yet."""
        async with self._reading:
            if self._stale.is_set():
                self._stale.clear()
                await self.refresh()
        return self.snapshot

    def named(self, name: str) -> Model | None:
        """The model that ``name`` (``provider/name`` or a bare name) means; None if unknown.

        `AmbiguousModel` when several providers have it.
        """
        found = self._by_id.get(name)
        if found is not None:
            return found
        matches = self._by_name.get(name, [])
        if len(matches) > 1:
            raise AmbiguousModel(name, [model.id for model in matches])
        return matches[0] if matches else None

    async def _keep_fresh(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                # not wait_for, which in Python 3.11 may swallow the cancellation of stop()
                async with asyncio.timeout(POLL_S if self.healthy else 1.0):
                    await self._stale.wait()
            await asyncio.sleep(SETTLE_S)
            async with self._reading:
                self._stale.clear()
                await self.refresh()

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in notify.snapshot_changes(self._url):
                    self._stale.set()
            except StoreUnavailable:
                await asyncio.sleep(1.0)
