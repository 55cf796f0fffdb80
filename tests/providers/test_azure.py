"""Azure AI Foundry: one provider, a key and an address for each model, in all its URL patterns."""

import pytest
from aiohttp import web

from core.providers import Asked, forward, stream
from core.providers.http import Client
from core.providers_file import parse_providers
from tests.upstream_formats import CHAT, MESSAGES
from tests.upstream_model import clever
from tests.upstream_responses import RESPONSES

VERSION = "api-version=2024-10-21"
#: model → its configuration, where it must be asked, the header of its key, the format spoken there
PATTERNS = {
    "deployed": (
        {"chat_path": f"/openai/deployments/deployed/chat/completions?{VERSION}"},
        f"/openai/deployments/deployed/chat/completions?{VERSION}",
        ("api-key", "key-of-deployed"),
        CHAT,
    ),
    "inferred": (
        {"chat_path": f"/models/chat/completions?{VERSION}"},
        f"/models/chat/completions?{VERSION}",
        ("authorization", "Bearer key-of-inferred"),
        CHAT,
    ),
    "new": (
        {"chat_path": "/openai/v1/chat/completions"},
        "/openai/v1/chat/completions",
        ("authorization", "Bearer key-of-new"),
        CHAT,
    ),
    "responding": (
        {"chat_path": "/openai/v1/responses"},
        "/openai/v1/responses",
        ("authorization", "Bearer key-of-responding"),
        RESPONSES,
    ),
    "claude": (
        {"type": "anthropic", "chat_path": "/anthropic/v1/messages"},
        "/anthropic/v1/messages",
        ("x-api-key", "key-of-claude"),
        MESSAGES,
    ),
}


@pytest.fixture
async def foundry():
    """(address, what was asked): a server that answers in whatever format its address has."""
    asked = []

    async def answer(request):
        body = await request.json()
        asked.append((request.path_qs, request.headers, body))
        form = PATTERNS[body["model"]][3]
        said = clever(form.read(body))
        if not body.get("stream"):
            return web.json_response(form.whole(body["model"], said, body))
        frames = form.frames(body["model"], said, body)
        whole = [*frames.before, *frames.pieces, *frames.after]
        return web.Response(body=b"".join(whole), content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


@pytest.mark.parametrize("model", PATTERNS)
async def test_each_pattern_is_asked_where_and_how_it_wants(foundry, model):
    url, asked = foundry
    configs = [
        {"name": name, "api_key_env": f"KEY_{name}".upper(), **config}
        for name, (config, *_) in PATTERNS.items()
    ]
    keys = {f"KEY_{name}".upper(): f"key-of-{name}" for name in PATTERNS}
    entry = {"name": "foundry", "base_url": f"{url}/", "model_configs": configs}
    provider = parse_providers([entry], keys).for_model("foundry", model)
    body = {"messages": [{"role": "user", "content": "How are you?"}]}
    async with Client() as client:
        whole = await forward(client, provider, model, Asked(body=body))
        asking = Asked(body={**body, "stream": True})
        async with stream(client, provider, model, asking) as found:
            streamed = b"".join([frame async for frame in found.frames])
    _, address, (header, key), _ = PATTERNS[model]
    message = whole.found["choices"][0]["message"]
    assert message["content"] == "question 1 was: How are you?"
    assert streamed.endswith(b"data: [DONE]\n\n")
    for path, headers, sent in asked:
        assert (path, headers[header], sent["model"]) == (address, key, model)
        keys_sent = {"api-key", "x-api-key", "authorization"} & {name.lower() for name in headers}
        assert keys_sent == {header}
        assert ("anthropic-version" in headers) == (model == "claude")
