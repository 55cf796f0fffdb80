"""The service the clients talk to: the scripted upstream behind a provider of each format.

To see what one script sees, run ``python -m tests.clients.service`` and give the script the address
it prints.
"""

import asyncio
import json
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

from core.providers_file import Providers
from core.records import Interview, Provider
from core.settings import Settings
from core.store.embedded import embedded_url, stop_embedded
from core.store.interviews import save_interview
from core.store.models import upsert_discovered
from core.store.pool import migrate, open_pool
from tests.door import run_app
from tests.upstream import run_upstream

#: what each provider has, by the names that `tests.upstream` knows
MODELS = (
    *("clever", "strict", "thinker", "slow", "flaky-1", "drop", "error-event", "no-done"),
    *("status-400", "status-401", "status-404", "status-429", "status-500"),
    *("html-502", "broken-json"),
)
#: provider → its format and the seconds of silence it is granted; no client sees more in a name
PROVIDERS = {
    "chat": ("openai-compatible", 20),
    "blocks": ("anthropic", 20),
    "items": ("openai-responses", 20),
    "brisk": ("openai-compatible", 0.3),
}
CHOICE = {"category": "reasoning", "modelname": "chat/clever", "reason": "it is"}


@asynccontextmanager
async def open_service(url):
    """The address of a service on the database at ``url``; it rejects models it does not know."""
    pool = await open_pool(url)
    async with run_upstream() as upstream:
        upstream.script["meta"] = json.dumps(CHOICE)
        providers = {
            name: Provider(name=name, type=kind, base_url=upstream.url, timeout_s=silence_s)
            for name, (kind, silence_s) in PROVIDERS.items()
        }
        for name in ("chat", "blocks", "items"):
            await upsert_discovered(pool, name, {model: {} for model in MODELS})
        await upsert_discovered(pool, "brisk", {"hang": {}, "stall": {}})
        for name in ("chat", "blocks"):
            tagged = Interview(provider=name, model="clever", status="ok", strengths=["facts"])
            await save_interview(pool, tagged)
        settings = Settings(
            model_selection_provider="chat",
            model_selection_model="meta",
            unknown_model="reject",
            expose_models="all",
        )
        async with run_app(settings, Providers(providers), url) as (address, _):
            yield address
    await pool.close()


async def main():
    with tempfile.TemporaryDirectory() as home:
        url = embedded_url(Path(home))
        await migrate(url)
        try:
            async with open_service(url) as address:
                sys.stdout.write(f"{address}\n")
                sys.stdout.flush()
                await asyncio.Event().wait()
        finally:
            stop_embedded(Path(home))


if __name__ == "__main__":
    asyncio.run(main())
