"""What the scores say: intervals, a model's standing, the best single model. Pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.decision import Candidate, Score
from core.intervals import interval


def score(
    mean: float, n: int, sd: float | None, *, dichotomous: bool, confidence: float = 0.95
) -> Score:
    """A mean over ``n`` tasks (0–10) with its interval.

    The truth it is meant to hold is the mean over all the tasks that these are a sample of, not
    over repeats of the same tasks: ``mean`` and ``sd`` are those of the tasks' own means.
    """
    low, high = interval(mean, n, sd, dichotomous=dichotomous, confidence=confidence)
    return Score(mean=mean, n=n, low=low, high=high)


def overall(candidate: Candidate) -> float | None:
    """The mean over all its items (0–10); None without any."""
    items = sum(entry.n for entry in candidate.scores.values())
    if not items:
        return None
    return sum(entry.mean * entry.n for entry in candidate.scores.values()) / items


def ranked(candidates: Sequence[Candidate], category: str | None = None) -> list[Candidate]:
    """Best first: by the category's mean where it is known, else by the overall mean.

    The unmeasured come last; latency, then the name, break ties so that the order is stable.
    """

    def key(candidate: Candidate) -> tuple[float, float, str]:
        entry = candidate.scores.get(category) if category else None
        mean = entry.mean if entry else overall(candidate)
        latency = candidate.avg_latency_ms
        return (
            -mean if mean is not None else 1.0,
            latency if latency is not None else math.inf,
            candidate.model.id,
        )

    return sorted(candidates, key=key)


#: results that a category's own mean needs to weigh as much as the model's overall mean, and the
#: spread of single results on the 0–10 scale: standing assumptions until the table estimates both
SHRINKAGE = 10
_SPREAD = 4.0


def expected(candidate: Candidate, category: str | None) -> tuple[float, float] | None:
    """What the model may score in the category: posterior mean and sd; None without any result.

    The category's mean, drawn toward the overall mean the more the fewer its results are
    (empirical Bayes, after Efron and Morris 1975).
    """
    prior = overall(candidate)
    if prior is None:
        return None
    entry = candidate.scores.get(category) if category else None
    n, mean = (entry.n, entry.mean) if entry else (0, prior)
    return prior + n / (n + SHRINKAGE) * (mean - prior), _SPREAD / math.sqrt(n + SHRINKAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A candidate that the scores expect clearly more of: posterior means (0–10) and its sd."""

    best: Candidate
    mean: float
    sd: float
    mean_of_chosen: float


def better(
    chosen: Candidate, candidates: Sequence[Candidate], category: str | None
) -> Objection | None:
    """The best measured candidate, if ``chosen`` is expected to stay more than one posterior sd
    below it; None when the choice stands, or when too little is known to object."""
    mine = expected(chosen, category)
    measured = [(found, c) for c in candidates if (found := expected(c, category))]
    if mine is None or not measured:
        return None
    (mean, sd), best = max(measured, key=lambda pair: (pair[0][0], pair[1].model.id))
    if mean - mine[0] <= mine[1]:
        return None
    return Objection(best=best, mean=mean, sd=sd, mean_of_chosen=mine[0])
