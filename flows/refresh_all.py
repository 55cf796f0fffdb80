"""The three flows in their order."""

from typing import Any

from prefect import flow

from flows.discover_models import discover_models
from flows.interview_models import interview_models
from flows.run_benchmarks import run_benchmarks


@flow(name="refresh-all", log_prints=False)
async def refresh_all(run_id: str | None = None) -> dict[str, Any]:
    """Discover models, interview the new ones, then benchmark all that are enabled.

    Args:
        run_id: the benchmark run to go on with; empty starts a new one.
    """
    found = await discover_models()
    held = await interview_models()
    measured = await run_benchmarks(run_id=run_id)
    return {"discover": found, "interview": held, "benchmark": measured}
