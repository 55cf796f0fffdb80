import asyncio
import time
from dataclasses import replace

import pytest
from aiohttp import web

from core.errors import ProviderRefusesKey, UpstreamError, UpstreamRejected, UpstreamTimeout
from core.providers import Asked, chat, forward, list_models, stream
from core.providers.addresses import auth_headers, chat_url, models_url
from core.providers.http import Client, retry_after_s
from core.records import Message, Provider, Question
from tests.upstream import run_upstream

HI = Question(messages=(Message(role="user", content="hi there"),))


@pytest.fixture
async def upstream():
    models = ["echo", "text-embedding-3", {"id": "big", "context_length": 9}]
    async with run_upstream(models) as running:
        yield running


@pytest.fixture
async def client():
    async with Client() as opened:
        yield opened


@pytest.fixture
def provider(upstream):
    return Provider(
        name="p", base_url=upstream.url, api_key="sk-secret", api_key_env="P_KEY", timeout_s=5
    )


def asked(*, streamed=False):
    body = {"messages": [{"role": "user", "content": "a b c"}]}
    return Asked(body=body | ({"stream": True} if streamed else {}))


@pytest.mark.parametrize(
    ("base", "more", "url"),
    [
        ("http://x", {}, "http://x/v1/chat/completions"),
        ("http://x/v1", {}, "http://x/v1/chat/completions"),
        ("http://x/v1beta/openai", {}, "http://x/v1beta/openai/chat/completions"),
        ("http://x/api/v1", {}, "http://x/api/v1/chat/completions"),
        ("http://x/api", {}, "http://x/api/v1/chat/completions"),
        ("http://x", {"chat_path": "/m/chat?v=1"}, "http://x/m/chat?v=1"),
        ("http://x", {"type": "anthropic"}, "http://x/v1/messages"),
        ("http://x", {"type": "openai-responses"}, "http://x/v1/responses"),
        (
            "https://r.services.ai.azure.com",
            {"type": "openai-responses"},
            "https://r.services.ai.azure.com/openai/v1/responses",
        ),
    ],
)
def test_addresses(base, more, url):
    assert chat_url(Provider(name="p", base_url=base, **more)) == url


def test_the_model_list_stands_beside_the_chat():
    assert models_url(Provider(name="p", base_url="http://x/v1")) == "http://x/v1/models"


def test_keys_travel_as_each_provider_wants_them():
    plain = Provider(name="p", base_url="http://x", api_key="k")
    assert auth_headers(plain, "http://x") == {"authorization": "Bearer k"}
    assert auth_headers(replace(plain, type="anthropic"), "http://x")["x-api-key"] == "k"
    assert auth_headers(plain, "http://x/openai/deployments/d/chat") == {"api-key": "k"}
    assert auth_headers(replace(plain, api_key=""), "http://x") == {}


async def test_an_answer_comes_with_its_time_and_usage(client, provider):
    reply = await chat(client, provider, "echo", HI)
    assert (reply.text, reply.usage.tokens_in) == ("echo: hi there", 7)
    assert reply.latency_ms > 0


@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("status-401", ProviderRefusesKey, 502),
        ("status-404", UpstreamRejected, 404),
        ("status-429", UpstreamRejected, 429),
        ("status-500", UpstreamError, 502),
        ("html-502", UpstreamError, 502),
        ("empty", UpstreamError, 502),
        ("broken-json", UpstreamError, 502),
    ],
)
async def test_each_failure_has_its_error(client, provider, model, kind, status):
    with pytest.raises(kind) as caught:
        await chat(client, provider, model, HI)
    assert caught.value.status == status
    assert "sk-secret" not in str(caught.value)


async def test_a_refused_key_names_the_variable_to_check(client, provider):
    with pytest.raises(ProviderRefusesKey, match="P_KEY"):
        await chat(client, provider, "status-403", HI)


async def test_retry_after_is_kept(client, provider):
    with pytest.raises(UpstreamRejected) as caught:
        await chat(client, provider, "status-429", HI)
    assert (caught.value.retry_after_s, caught.value.transient) == (1.0, True)


def test_retry_after_reads_both_forms():
    assert retry_after_s("3") == 3
    assert retry_after_s("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert retry_after_s("soon") is None


async def test_silence_is_a_timeout(client, provider):
    with pytest.raises(UpstreamTimeout, match="silent"):
        await chat(client, replace(provider, timeout_s=0.2), "hang", HI)


async def test_many_calls_to_one_provider_are_in_flight_at_once(client, provider, upstream):
    calls = [asyncio.create_task(forward(client, provider, "hang", asked())) for _ in range(150)]
    async with asyncio.timeout(10):
        while len(upstream.requests) < 150:
            await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_cookies_of_a_provider_are_not_kept(client):
    seen = []

    async def answer(request):
        seen.append(request.headers.get("cookie"))
        response = web.json_response({"choices": [{"message": {"content": "x"}}]})
        response.set_cookie("session", "of another client")
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for _ in range(2):
        await forward(client, Provider(name="p", base_url=url), "m", asked())
    await runner.cleanup()
    assert seen == [None, None]


async def test_nobody_there_is_said_plainly(client):
    with pytest.raises(UpstreamError, match="nobody is unreachable"):
        await chat(client, Provider(name="nobody", base_url="http://127.0.0.1:1"), "x", HI)


async def test_a_refused_parameter_is_left_out_and_asked_again(client, provider, upstream):
    question = replace(HI, temperature=0.0, schema={"type": "object"})
    assert (await chat(client, provider, "no-temperature", question)).text
    assert (await chat(client, provider, "no-schema", question)).text
    assert len(upstream.asked()) == 4


async def test_what_was_refused_once_is_not_asked_again(client, provider, upstream):
    for _ in range(2):
        await chat(client, provider, "no-temperature", replace(HI, temperature=0.0))
    assert ["temperature" in r["body"] for r in upstream.asked()] == [True, False, False]
    assert client.quirks.take_unsaved() == [("p/no-temperature", "drop:temperature")]


async def test_chunks_arrive_as_they_are_made(client, provider):
    stamps = []
    async with stream(client, provider, "slow", asked(streamed=True)) as found:
        async for _ in found.frames:
            stamps.append(time.perf_counter())  # noqa: PERF401 - the moments are the point
    assert stamps[-1] - stamps[0] > 0.15


@pytest.mark.parametrize("model", ["drop", "no-done"])
async def test_a_stream_that_breaks_off_is_an_error(client, provider, model):
    async def read():
        async with stream(client, provider, model, asked(streamed=True)) as found:
            return [frame async for frame in found.frames]

    with pytest.raises(UpstreamError):
        await read()


async def test_leaving_cancels_the_upstream_call(client, provider, upstream):
    call = asyncio.create_task(forward(client, provider, "hang", asked()))
    await asyncio.sleep(0.2)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await asyncio.sleep(0.3)
    assert upstream.cancelled == 1


async def test_requests_keep_the_providers_distance(client, provider):
    paced = replace(provider, name="paced", rate_limit_seconds=0.15)
    started = time.perf_counter()
    replies = await asyncio.gather(*(chat(client, paced, "echo", HI) for _ in range(3)))
    assert time.perf_counter() - started >= 0.3
    assert all(reply.latency_ms < 140 for reply in replies)


async def test_the_list_leaves_out_what_is_no_chat_model(client, provider):
    assert await list_models(client, provider) == {"echo": {}, "big": {"context": 9}}
    static = replace(provider, models=("a", "b"))
    assert list(await list_models(client, static)) == ["a", "b"]
