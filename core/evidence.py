"""What the scores say: intervals, a model's standing, the best single model. Pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.decision import Candidate, Score

#: two-sided 95 % quantiles of Student's t for 1 … 30 degrees of freedom; normal beyond
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_Z95 = 1.959964


def score(mean: float, n: int, sd: float | None, *, dichotomous: bool) -> Score:
    """A mean of ``n`` items (0–10) with its 95 % interval.

    Wilson's score interval (Wilson 1927) where 0/10 items take part, Student's t clipped to the
    scale for judged sets. One judged item alone says nothing of its spread: the whole scale.
    """
    if dichotomous:
        low, high = _wilson(mean / 10, n)
    elif n < 2 or sd is None:
        low, high = 0.0, 10.0
    else:
        half = (_T95[n - 2] if n <= 31 else _Z95) * sd / math.sqrt(n)
        low, high = max(0.0, mean - half), min(10.0, mean + half)
    return Score(mean=mean, n=n, low=low, high=high)


def _wilson(share: float, n: int) -> tuple[float, float]:
    z2 = _Z95 * _Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if share == 0 else 10 * max(0.0, centre - half)
    return low, 10.0 if share == 1 else 10 * min(1.0, centre + half)


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
