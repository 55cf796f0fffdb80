"""Which models are cooling down after repeated failures."""

import time
from collections.abc import Callable

#: failures in a row that send a model to rest
TOLERATED = 3
#: seconds that a provider may send one of its models to rest
_LONGEST_REST_S = 3600.0


class Health:
    """Counts failures in a row; a model that rested gets one trial before it counts as well."""

    def __init__(self, cooldown_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._cooldown_s, self._clock = cooldown_s, clock
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def trying(self, model_id: str) -> None:
        """A call to it begins. If its rest is over this is the trial, and others keep away until
        it has ended."""
        if model_id in self._until:
            self._until[model_id] = self._clock() + self._cooldown_s

    def succeeded(self, model_id: str) -> None:
        if model_id in self._failures:
            del self._failures[model_id]
            self._until.pop(model_id, None)

    def failed(self, model_id: str) -> None:
        count = self._failures[model_id] = self._failures.get(model_id, 0) + 1
        if count >= TOLERATED:
            self._until[model_id] = self._clock() + self._cooldown_s

    def rest(self, model_id: str, seconds: float | None = None) -> None:
        """It said by itself that asking again is of no use, perhaps for how many seconds."""
        self._failures[model_id] = max(TOLERATED, self._failures.get(model_id, 0) + 1)
        wait = self._cooldown_s if seconds is None else min(seconds, _LONGEST_REST_S)
        self._until[model_id] = self._clock() + wait

    def cooling(self) -> frozenset[str]:
        """The ids now at rest."""
        if not self._until:
            return frozenset()
        now = self._clock()
        return frozenset(model_id for model_id, until in self._until.items() if until > now)
