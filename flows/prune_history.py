"""Retention: old runs and decisions go, a model's latest scores stay."""

from prefect import flow
from prefect.logging import get_run_logger

from core.store.decisions import prune_decisions
from core.store.runs import prune_runs
from flows.resources import open_resources


@flow(name="prune-history", log_prints=False)
async def prune_history(days: int | None = None) -> dict[str, int]:
    """Remove what is older than the retention time.

    Args:
        days: how many days are kept; empty means HISTORY_DAYS.
    """
    async with open_resources() as resources:
        kept = days or resources.settings.history_days
        removed = {
            "runs": await prune_runs(resources.pool, kept),
            "decisions": await prune_decisions(resources.pool, kept),
        }
    get_run_logger().info("older than %d days: %s", kept, removed)
    return removed
