"""Intervals of means on a bounded scale, and how many items a difference needs. Pure arithmetic."""

import math
from functools import lru_cache
from statistics import NormalDist

#: a scale's items that all agree may still differ beyond it: their variance is taken for at least
#: this share of the largest that their mean allows
_LEAST_RATIO = 0.03
_NIL = 1e-9
#: degrees of freedom beyond which Student's t is the normal distribution
_MANY = 500


def interval(
    mean: float,
    n: int,
    sd: float | None,
    *,
    dichotomous: bool = False,
    scale: tuple[float, float] = (0.0, 10.0),
    confidence: float = 0.95,
) -> tuple[float, float]:
    """The interval for the mean of the population that ``n`` independent items are drawn from.

    A score interval, Wilson's (1927) with the variance estimated: on a bounded scale no variance
    exceeds that of items at its two ends only; the items show which share of it they have, and
    that share is held while the mean is varied. With all of it this is Wilson's interval
    (``dichotomous``, normal quantile); with little of it Student's t, yet never off the scale and
    never of no width. One item that is not dichotomous says nothing of its spread: the whole scale.
    """
    low, high = scale
    width = high - low
    if not dichotomous and (n < 2 or sd is None):
        return scale
    share = min(1.0, max(0.0, (mean - low) / width))
    ratio = 1.0 if dichotomous else _ratio(share, (sd or 0.0) / width)
    quantile = normal(confidence) if dichotomous else student(confidence, n - 1)
    squared = quantile * quantile * ratio
    centre = (share + squared / (2 * n)) / (1 + squared / n)
    half = math.sqrt(squared * share * (1 - share) / n + (squared / (2 * n)) ** 2) / (
        1 + squared / n
    )
    bottom = low if share < _NIL else low + width * max(0.0, centre - half)
    return bottom, high if share > 1 - _NIL else low + width * min(1.0, centre + half)


def _ratio(share: float, sd: float) -> float:
    """The variance as a share of the largest at this mean: 1 for items at the two ends only."""
    largest = share * (1 - share)
    if largest < _NIL:
        return 1.0
    return min(1.0, sd * sd / largest) if sd > _NIL else _LEAST_RATIO


@lru_cache(maxsize=64)
def normal(confidence: float) -> float:
    """The two-sided quantile of the normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


@lru_cache(maxsize=4096)
def student(confidence: float, degrees: int) -> float:
    """The two-sided quantile of Student's t, by bisection of its distribution."""
    if degrees > _MANY:
        return normal(confidence)
    low, high = 0.0, 1.0
    while _within(high, degrees) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < confidence else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """The probability that Student's t lies between -t and t (Abramowitz and Stegun 26.7.3–4)."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine, odd = math.cos(angle), degrees % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(2 + odd, degrees - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    if not odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if degrees > 1 else 0.0))


def items_to_separate(
    difference: float,
    sd: float,
    *,
    most: int = 1000,
    confidence: float = 0.95,
    power: float = 0.8,
    widest: float = 10.0,
) -> int | None:
    """How many paired items let the interval of a true ``difference`` exclude 0 with ``power``.

    ``sd`` is that of the differences, which lie within ±``widest``. None: more than ``most``.
    """
    if abs(difference) < _NIL:
        return None
    share = (difference / widest + 1) / 2
    ratio = _ratio(share, sd / (2 * widest))
    spread = max(sd, math.sqrt(ratio * share * (1 - share)) * 2 * widest)
    at_nil = math.sqrt(ratio) * widest  # the spread that the interval supposes where it meets 0
    lucky = NormalDist().inv_cdf(power)
    n = 2
    while n <= most:
        needed = ((student(confidence, n - 1) * at_nil + lucky * spread) / difference) ** 2
        if needed <= n:
            return n
        n = max(n + 1, min(math.ceil(needed), n * 2))
    return None
