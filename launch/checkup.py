"""`touchstone check`: settings, providers, database, Prefect; a line each."""

import httpx
from rich.console import Console

from core import providers
from core.errors import TouchstoneError
from core.providers.http import Client
from core.records import Provider
from core.settings import Settings
from core.store.models import list_models
from core.store.pool import open_pool
from launch.up import database, running

console = Console()


async def checkup(settings: Settings) -> bool:
    """Whether all is well; what is not well names its remedy."""
    _say(True, "settings", f"listening at {settings.host}:{settings.port}")
    async with Client() as client:
        found = await providers.configured(client, settings)
        well = [await _provider(client, provider) for provider in found if provider.enabled]
    if not well:
        well = [_say(False, "providers", "none: write providers.json, or set OPENAI_API_KEY, say")]
    return all([*well, await _database(settings), await _prefect(settings)])


def _say(well: bool, what: str, detail: str) -> bool:
    console.print(f"{'ok  ' if well else 'FAIL'} {what}: {detail}", markup=False, highlight=False)
    return well


async def _provider(client: Client, provider: Provider) -> bool:
    try:
        found = await providers.list_models(client, provider)
    except TouchstoneError as exc:
        return _say(False, f"provider {provider.name}", exc.message)
    return _say(True, f"provider {provider.name}", f"{len(found)} models")


async def _database(settings: Settings) -> bool:
    try:
        async with database(settings) as url:
            pool = await open_pool(url, max_size=1)
            try:
                known = await list_models(pool)
            finally:
                await pool.close()
    except TouchstoneError as exc:
        return _say(False, "database", exc.message)
    enabled = sum(model.enabled for model in known)
    return _say(True, "database", f"{len(known)} models known, {enabled} enabled")


async def _prefect(settings: Settings) -> bool:
    up = running(settings.home)
    api = settings.prefect_api_url or (up["prefect_api_url"] if up else "")
    if not api:
        return _say(True, "Prefect", "none is running; `touchstone up` starts one")
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            (await client.get(f"{api}/health")).raise_for_status()
    except httpx.HTTPError:
        return _say(False, "Prefect", f"no answer at {api}")
    return _say(True, "Prefect", api)
