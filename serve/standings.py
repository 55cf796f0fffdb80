"""Scores as the API tells them: with n, interval and failures, and ranks in which ties are ties."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core import evidence
from core.decision import Score
from core.store.results import CategoryScore
from serve.service import Service


def judge_of(service: Service) -> str | None:
    """Who grades the judged tasks, as ``provider/name``."""
    settings = service.settings
    model = settings.benchmark_judge_model or settings.model_selection_model
    provider = settings.benchmark_judge_provider or settings.model_selection_provider
    return f"{provider}/{model}" if model else None


def pooled(rows: Sequence[CategoryScore]) -> Score | None:
    """One score over the items of all ``rows``; None when every try has failed.

    Nothing is lost by going through the categories: n, mean and sd of each give those of all.
    """
    measured = [(row.n, row.mean, row.sd or 0.0) for row in rows if row.mean is not None]
    total = sum(n for n, _, _ in measured)
    if not total:
        return None
    mean = sum(n * m for n, m, _ in measured) / total
    squares = sum((n - 1) * sd * sd + n * (m - mean) ** 2 for n, m, sd in measured)
    sd = math.sqrt(squares / (total - 1)) if total > 1 else None
    dichotomous = all(row.dichotomous for row in rows if row.mean is not None)
    return evidence.score(mean, total, sd, dichotomous=dichotomous)


def score_view(rows: Sequence[CategoryScore]) -> dict[str, Any]:
    """Mean, n and interval (0–10) over ``rows``, null while there is no score; and the failures,
    which are none."""
    score = pooled(rows)
    found = asdict(score) if score else {"mean": None, "n": 0, "low": None, "high": None}
    return found | {"failures": sum(row.failures for row in rows)}


def share(mean: float) -> float:
    """A score of 0–10 as PiPiMink's clients read it: 0–1."""
    return round(mean / 10, 4)


def ranks(scores: Sequence[Score]) -> list[int]:
    """One more than the number of scores that lie clearly above: whole interval over interval.

    So whoever cannot be told from the best is first too, however the means are ordered.
    """
    return [1 + sum(other.low > mine.high for other in scores) for mine in scores]
