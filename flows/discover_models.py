"""Discovery: asks each provider for its models and stores what is new and what has vanished."""

import asyncio
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.logging import get_run_logger

from core import providers
from core.errors import TouchstoneError
from core.records import Provider
from core.store.models import upsert_discovered
from flows.resources import Progress, Resources, as_task, open_resources, stored_run


@flow(name="discover-models", log_prints=False)
async def discover_models(run_id: str | None = None) -> dict[str, Any]:
    """List every provider's models, without asking any model anything.

    New models can be named at once; an interview enables them for routing.

    Args:
        run_id: go on with this run; empty starts a new one.
    """
    async with (
        open_resources() as resources,
        stored_run(resources.pool, "discover_models", run_id, {}) as progress,
    ):
        enabled = [provider for provider in resources.providers if provider.enabled]
        if not enabled:
            get_run_logger().warning(
                "no provider is configured: providers.json, a key such as OPENAI_API_KEY, "
                "or a local server such as Ollama"
            )
        progress.begin(len(enabled))
        rows = await asyncio.gather(*(_discover(resources, progress, p) for p in enabled))
        if rows:
            await acreate_table_artifact(
                rows, key="discovered-models", description="What each provider lists"
            )
        return {"run_id": progress.run_id, "providers": rows}


async def _discover(resources: Resources, progress: Progress, provider: Provider) -> dict[str, Any]:
    """One provider's row; a provider that fails does not stop the others."""
    progress.working_on(provider.name)
    try:
        found = await as_task(
            "list-models",
            f"list {provider.name}",
            lambda: providers.list_models(resources.client, provider),
        )
        new, vanished = await upsert_discovered(resources.pool, provider.name, found)
    except TouchstoneError as exc:
        get_run_logger().error("%s", exc.message)
        progress.ended(failed=True)
        return _row(provider.name, error=exc.message)
    progress.ended(failed=False)
    return _row(provider.name, models=len(found), new=new, vanished=vanished)


def _row(
    provider: str, *, models: int = 0, new: Any = (), vanished: Any = (), error: str = ""
) -> dict[str, Any]:
    return {
        "provider": provider,
        "models": models,
        "new": ", ".join(new),
        "vanished": ", ".join(vanished),
        "error": error,
    }
