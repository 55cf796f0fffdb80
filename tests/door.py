"""The real application on a real socket, over a real PostgreSQL and a scripted upstream."""

import itertools
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from core.providers_file import Providers
from core.records import Interview, Provider
from core.settings import Settings
from core.store.interviews import save_interview
from core.store.models import upsert_discovered
from serve.app import create_app
from serve.service import Service
from tests.upstream import Upstream, run_upstream

_names = itertools.count()


@asynccontextmanager
async def run_app(settings, providers, url):
    """(address, Service) of a running application."""
    app = create_app(settings, providers, url, name=f"touchstone-{next(_names)}")
    app.config.TOUCHUP = False  # it rewrites Sanic's own classes, which a process can do but once
    listening = socket.create_server(("127.0.0.1", 0))
    server = await app.create_server(sock=listening, return_asyncio_server=True, access_log=False)
    assert server is not None
    await server.startup()
    await server.before_start()
    await server.after_start()
    port = listening.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", app.ctx.service
    finally:
        await server.before_stop()
        server.close()
        await server.wait_closed()
        await server.after_stop()


@dataclass
class Door:
    """A service with two enabled models, ``good`` and ``fast``, and a meta-model, ``meta``."""

    url: str
    service: Service
    upstream: Upstream
    http: httpx.AsyncClient

    async def ask(self, text="hello", **more):
        body = {"model": "touchstone", "messages": [{"role": "user", "content": text}], **more}
        return await self.http.post("/v1/chat/completions", json=body)


def meta_says(name, category="reasoning"):
    return f'{{"category": "{category}", "modelname": "p/{name}", "reason": "it is", ' \
           '"matching_tags": ["math"]}'  # fmt: skip


@asynccontextmanager
async def open_door(pool, url, *, enabled=("good", "fast"), others=(), provider=None, **settings):
    async with run_upstream([*enabled, *others]) as upstream:
        await upsert_discovered(pool, "p", {name: {} for name in (*enabled, *others)})
        for name in enabled:
            tagged = Interview(provider="p", model=name, status="ok", strengths=["math"])
            await save_interview(pool, tagged)
        upstream.script["meta"] = meta_says("good")
        found = Provider(name="p", base_url=upstream.url, timeout_s=5, **(provider or {}))
        config = Settings(
            **{"model_selection_provider": "p", "model_selection_model": "meta", **settings}
        )
        async with (
            run_app(config, Providers({"p": found}), url) as (address, service),
            httpx.AsyncClient(base_url=address, timeout=20) as http,
        ):
            yield Door(url=address, service=service, upstream=upstream, http=http)
