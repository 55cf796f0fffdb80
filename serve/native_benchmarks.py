"""Touchstone's own dialect, the scores: of one model, its results, and the leaderboard."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sanic import HTTPResponse, Request

from core.decision import Score, Snapshot
from core.errors import NotFound
from core.records import Model
from core.store import results, tasks
from core.store.results import CategoryScore, Latency
from serve.named import find_model
from serve.operations import Operation, described
from serve.reply import send_json
from serve.service import Service
from serve.standings import judge_of, pooled, ranks, score_view, share

_RESULTS = 500


async def _meant(request: Request, name: str) -> Model:
    service: Service = request.app.ctx.service
    await service.registry.settled()
    return find_model(service, name, request.args.get("source"))


@described(
    Operation(
        query={"source": "the provider, where the address holds the bare name"},
        answer="`scores` (0–10 by category: mean, n, low, high, failures), `overall`, "
        "`benchmarkScores` (0–1)",
    )
)
async def model_scores(request: Request, name: str) -> HTTPResponse:
    """GET /models/{id}/benchmarks: one model's scores by category.

    A category in which every try has failed has failures and no mean.
    """
    service: Service = request.app.ctx.service
    model = await _meant(request, name)
    rows = await results.category_scores(service.pool, provider=model.provider, model=model.name)
    means = {row.category: row.mean for row in rows if row.mean is not None}
    found = {
        "id": model.id,
        "model": model.name,
        "source": model.provider,
        "scores": {row.category: score_view([row]) for row in rows},
        "overall": score_view(rows),
        "benchmarkScores": {category: share(mean) for category, mean in means.items()},
        "benchmarkJudge": judge_of(service),
    }
    return send_json(found)


@described(
    Operation(
        query={"source": "the provider, where the address holds the bare name"},
        answer=f"`results`, the newest first, at most {_RESULTS}",
    )
)
async def model_results(request: Request, name: str) -> HTTPResponse:
    """GET /models/{id}/benchmark-results: one model's results task by task."""
    service: Service = request.app.ctx.service
    model = await _meant(request, name)
    found = await results.results_of_model(service.pool, model.provider, model.name, limit=_RESULTS)
    return send_json({"model": model.id, "results": found})


@described(
    Operation(
        query={"category": "rank by this category alone"},
        answer="`leaderboard` (rank, tied, mean, n, low, high, failures, latency), `categories`, "
        "`unranked`",
    )
)
async def leaderboard(request: Request) -> HTTPResponse:
    """GET /benchmarks/leaderboard: the models by score, all categories together or one.

    A model's rank is one more than the number of models whose 95 % interval lies wholly above its
    own: whoever cannot be told apart shares a rank. `unranked` holds those that have only failed.
    """
    service: Service = request.app.ctx.service
    category = request.args.get("category")
    rows = await results.category_scores(service.pool)
    known = {task.category for task in await tasks.list_tasks(service.pool, enabled_only=True)}
    categories = sorted(known | {row.category for row in rows})
    if category and category not in categories:
        raise NotFound(
            f"there is no category {category}; there are {', '.join(categories)}", param="category"
        )
    wanted = [row for row in rows if category in (None, "", row.category)]
    latency = await results.latencies(service.pool)
    entries, unranked = _standings(await service.registry.settled(), wanted, latency)
    found = {
        "category": category or None,
        "categories": categories,
        "leaderboard": entries,
        "unranked": unranked,
        "count": len(entries),
        "benchmarkJudge": judge_of(service),
    }
    return send_json(found)


def _standings(
    snapshot: Snapshot, rows: Sequence[CategoryScore], latency: Sequence[Latency]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The ranked models, best first, and the ids of those without any score."""
    models = [*(c.model for c in snapshot.candidates), *snapshot.others]
    by_id = {model.id: model for model in models}
    quick = {f"{entry.provider}/{entry.model}": entry for entry in latency}
    measured: list[tuple[Model, Score, Sequence[CategoryScore]]] = []
    unranked: list[str] = []
    for name, grouped in groupby(rows, key=lambda row: f"{row.provider}/{row.model}"):
        own = list(grouped)
        if name not in by_id:
            continue  # deleted while its benchmark ran on
        score = pooled(own)
        if score is None:
            unranked.append(name)
        else:
            measured.append((by_id[name], score, own))
    found = ranks([score for _, score, _ in measured])
    entries = [
        _entry(model, own, quick.get(model.id)) | {"rank": rank, "tied": found.count(rank) > 1}
        for rank, (model, _, own) in zip(found, measured, strict=True)
    ]
    return sorted(entries, key=_order), unranked


def _entry(model: Model, rows: Sequence[CategoryScore], latency: Latency | None) -> dict[str, Any]:
    means = {row.category: row.mean for row in rows if row.mean is not None}
    score = score_view(rows)
    return {
        "id": model.id,
        "model": model.name,
        "source": model.provider,
        "enabled": model.enabled,
        **score,
        "avg_score": share(score["mean"]),
        "scores": {category: share(mean) for category, mean in means.items()},
        "avg_latency_ms": latency and latency.mean_ms,
        "median_latency_ms": latency and latency.median_ms,
    }


def _order(entry: Mapping[str, Any]) -> tuple[int, float, float, str]:
    latency = entry["avg_latency_ms"]
    quick = float("inf") if latency is None else latency
    return entry["rank"], -entry["mean"], quick, entry["id"]
