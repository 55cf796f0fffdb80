"""OpenAI's door: routing, caching, streaming, passing through, and its errors."""

import asyncio
import json

import openai
import pytest

from core.store.decisions import list_decisions
from tests.door import meta_says, open_door


async def test_a_prompt_is_routed_to_the_model_the_meta_model_chose(door):
    answer = await door.ask("What is 2+2?")
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "echo: What is 2+2?"
    assert answer.headers["x-touchstone-model"] == "p/good"
    assert answer.headers["x-touchstone-outcome"] == "meta"
    assert answer.headers["x-touchstone-cache"] == "miss"


async def test_the_same_prompt_again_is_a_hit_without_a_meta_model_call(door):
    await door.ask("same")
    again = await door.ask("same", temperature=0.1, tools=[])
    assert again.headers["x-touchstone-cache"] == "hit"
    assert len(door.upstream.asked("meta")) == 1
    assert len(door.upstream.asked("good")) == 2


async def test_fifty_equal_prompts_at_once_cost_one_meta_model_call(door):
    await asyncio.gather(*(door.ask("together") for _ in range(50)))
    assert len(door.upstream.asked("meta")) == 1


async def test_all_but_the_model_goes_through_untouched(door):
    body = {
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        ],
        "temperature": 0.25, "logprobs": True, "n": 1, "seed": 7, "unheard_of": {"x": [1, None]},
    }  # fmt: skip
    await door.http.post("/v1/chat/completions", json={"model": "auto", **body})
    sent = door.upstream.asked("good")[0]["body"]
    assert sent == {**body, "model": "good"}


async def test_a_named_model_answers_without_a_decision(door):
    for name in ("p/fast", "fast"):
        answer = await door.ask(model=name)
        assert answer.headers["x-touchstone-model"] == "p/fast"
        assert answer.headers["x-touchstone-outcome"] == "named"
    assert not door.upstream.asked("meta")


async def test_the_clients_own_key_never_reaches_a_provider(door):
    await door.http.post(
        "/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "hi"}]},
        headers={"authorization": "Bearer client-secret"},
    )
    assert "client-secret" not in json.dumps(door.upstream.requests)


async def test_the_official_sdk_streams_in_several_chunks(door):
    client = openai.AsyncOpenAI(base_url=f"{door.url}/v1", api_key="none")
    stream = await client.chat.completions.create(
        model="touchstone",
        messages=[{"role": "user", "content": "one two three"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    texts = [c.choices[0].delta.content for c in chunks if c.choices]
    assert "".join(text or "" for text in texts) == "echo: one two three"
    assert len(chunks) > 4
    assert chunks[-1].usage.completion_tokens == 4
    await client.close()


async def test_a_streams_first_chunk_comes_before_its_last_is_made(pool, url):
    async with (
        open_door(pool, url, enabled=("slow",)) as door,
        door.http.stream(
            "POST",
            "/v1/chat/completions",
            json={"stream": True, "messages": [{"role": "user", "content": "a b c d e f"}]},
        ) as answer,
    ):
        moments = [asyncio.get_running_loop().time() async for _ in answer.aiter_raw()]
    assert moments[-1] - moments[0] > 0.3


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("status-400", 400, None),
        ("status-401", 502, "provider_auth"),
        ("status-404", 404, None),
        ("status-429", 429, None),
        ("status-500", 502, "upstream_error"),
        ("html-502", 502, "upstream_error"),
        ("broken-json", 502, "upstream_error"),
        ("empty", 502, "upstream_error"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
async def test_upstream_failures_keep_their_meaning(pool, url, model, status, code, streaming):
    async with open_door(pool, url, others=(model,)) as door:
        answer = await door.ask(model=f"p/{model}", stream=streaming)
    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code
    if status == 429:
        assert answer.headers["retry-after"] == "1"


async def test_a_refused_key_names_the_variable_to_check(pool, url):
    provider = {"api_key_env": "MY_KEY", "api_key": "sk-secret"}
    async with open_door(pool, url, others=("status-401",), provider=provider) as door:
        answer = await door.ask(model="status-401")
    assert "MY_KEY" in answer.json()["error"]["message"]
    assert "sk-secret" not in answer.text


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_routed_request_goes_on_to_the_runner_up(pool, url, streaming):
    async with open_door(pool, url, enabled=("good", "status-500")) as door:
        door.upstream.script["meta"] = meta_says("status-500")
        answer = await door.ask(stream=streaming)
        assert answer.status_code == 200
        assert answer.headers["x-touchstone-model"] == "p/good"


async def test_a_named_request_is_retried_on_the_same_model_only(pool, url):
    async with open_door(pool, url, others=("flaky-1",)) as door:
        assert (await door.ask(model="flaky-1")).status_code == 200
        assert len(door.upstream.asked("flaky-1")) == 2
        assert not door.upstream.asked("good")


async def test_after_failures_a_model_rests_and_gets_one_trial(pool, url):
    async with open_door(pool, url, enabled=("good", "flaky-3"), cooldown_seconds=0.4) as door:
        door.upstream.script["meta"] = lambda body: meta_says(
            "flaky-3" if "flaky-3" in json.dumps(body) else "good"
        )
        for number in range(3):
            await door.ask(f"try {number}")
        assert len(door.upstream.asked("flaky-3")) == 3
        assert (await door.ask("rest")).headers["x-touchstone-model"] == "p/good"
        await asyncio.sleep(0.5)
        assert (await door.ask("trial")).headers["x-touchstone-model"] == "p/flaky-3"


async def test_a_broken_stream_ends_with_an_error_event(pool, url):
    async with open_door(pool, url, others=("drop", "no-done")) as door:
        for model in ("drop", "no-done"):
            answer = await door.ask("a b c d", model=model, stream=True)
            last = answer.text.strip().split("\n\n")[-1]
            assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_error"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "messages must be a list"),
        (b'{"messages": []}', "at least one"),
        (b'{"messages": ["x"]}', "messages[0]"),
        (b'{"messages": [{"role": "user"}], "model": 7}', "model must be text"),
    ],
)
async def test_bad_input_is_told_in_openais_words(door, content, says):
    answer = await door.http.post("/v1/chat/completions", content=content)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_unknown_models_are_routed_or_rejected_as_set(pool, url):
    async with open_door(pool, url) as door:
        assert (await door.ask(model="gpt-99")).headers["x-touchstone-outcome"] == "meta"
    async with open_door(pool, url, unknown_model="reject") as door:
        answer = await door.ask(model="gpt-99")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nowhere", 404),
        ("POST", "/v1/completions", 404),
        ("DELETE", "/v1/models", 405),
        ("GET", "/api/nowhere", 404),
    ],
)
async def test_unknown_addresses_are_told_in_the_dialect(door, method, path, status):
    answer = await door.http.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert isinstance(error, str) if path.startswith("/api/") else error["message"]


async def test_a_body_too_large_is_told_in_json(pool, url):
    async with open_door(pool, url, max_request_size=1000) as door:
        answer = await door.ask("x" * 5000)
    assert answer.status_code == 413
    assert "error" in answer.json()


async def test_every_decision_is_written_down_and_no_prompt_with_it(door, pool):
    await door.ask("my secret plan")
    await door.ask("my secret plan")
    await door.ask(model="fast")
    await door.service.journal.flush()
    rows = await list_decisions(pool)
    assert [row["outcome"] for row in rows] == ["named", "cache", "meta"]
    assert {row["status"] for row in rows} == {200}
    assert all(row["prompt"] is None for row in rows)


async def test_the_router_is_one_model_unless_all_are_shown(pool, url):
    async with open_door(pool, url) as door:
        found = (await door.http.get("/v1/models")).json()["data"]
        assert [entry["id"] for entry in found] == ["touchstone"]
    async with open_door(pool, url, expose_models="all") as door:
        found = (await door.http.get("/v1/models")).json()["data"]
        assert [entry["id"] for entry in found] == ["touchstone", "p/fast", "p/good"]
        assert (await door.http.get("/v1/models/p/fast")).json()["id"] == "p/fast"


async def test_chat_can_be_locked(pool, url):
    async with open_door(pool, url, require_auth_for_chat=True, admin_api_key="k") as door:
        assert (await door.ask()).status_code == 401
        opened = await door.http.get("/healthz")
        assert opened.status_code == 200
        door.http.headers["authorization"] = "Bearer k"
        assert (await door.ask()).status_code == 200


@pytest.mark.parametrize("kind", ["anthropic", "openai-responses"])
@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 5}]}]},
        {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"function": 5}]}]},
        {"tools": [5]},
        {"tools": {"a": 1}},
        {"messages": [{"role": "user", "content": 5}]},
    ],
)
async def test_what_another_format_cannot_hold_is_no_fault_of_ours(pool, url, kind, change):
    async with open_door(pool, url, provider={"type": kind}) as door:
        answer = await door.ask("x", **{"model": "p/good", **change})
    assert answer.status_code in (200, 400)
    assert answer.headers["content-type"] == "application/json"
