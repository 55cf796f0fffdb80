"""Every door before every kind of provider, over real sockets: whole, streamed, and its errors."""

import asyncio
import json

import httpx
import psycopg
import pytest

from core.providers.quirks import Quirks
from core.providers_file import Providers
from core.records import Provider
from core.settings import Settings
from core.store.models import upsert_discovered
from core.store.pool import open_pool
from core.store.quirks import list_quirks
from serve.registry import Registry
from serve.remembered import Remembered
from tests.conftest import TABLES
from tests.door import run_app
from tests.upstream import run_upstream

KINDS = {"chat": "openai-compatible", "messages": "anthropic", "responses": "openai-responses"}
MODELS = ("clever", "thinker", "drop", "error-event", "no-done", "status-400", "status-429",
          "status-500", "html-502", "empty", "no-temperature")  # fmt: skip
DOORS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat")


@pytest.fixture(scope="module")
async def service(url):
    """A client of a service with a provider of each kind, all of them one scripted upstream."""
    async with run_upstream(MODELS) as upstream:
        pool = await open_pool(url)
        for name in KINDS:
            await upsert_discovered(pool, name, {model: {} for model in MODELS})
        found = {
            name: Provider(name=name, type=kind, base_url=upstream.url, timeout_s=5)
            for name, kind in KINDS.items()
        }
        async with (
            run_app(Settings(), Providers(found), url) as (address, running),
            httpx.AsyncClient(base_url=address, timeout=20) as http,
        ):
            http.upstream, http.service = upstream, running
            yield http
        await pool.close()
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {TABLES} CASCADE")


@pytest.fixture
async def doors(service):
    service.upstream.requests.clear()
    return service


def body_for(door, model, *, text="How are you?", **more):
    if door == "/v1/responses":
        return {"model": model, "input": text, "stream": False, **more}
    limit = {"max_tokens": 100} if door == "/v1/messages" else {}
    messages = [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, "stream": False, **limit, **more}


def text_of(door, found):
    match door:
        case "/v1/chat/completions":
            return found["choices"][0]["message"]["content"]
        case "/v1/messages":
            return "".join(part.get("text", "") for part in found["content"])
        case "/v1/responses":
            parts = [p for item in found["output"] for p in item.get("content", ())]
            return "".join(part.get("text", "") for part in parts)
    return found["message"]["content"]


def streamed_text(door, answer):
    """The text that the pieces of a stream add up to."""
    if door == "/api/chat":
        return "".join(text_of(door, json.loads(line)) for line in answer.text.splitlines())
    events = [json.loads(line[6:]) for line in answer.text.splitlines()
              if line.startswith("data: {")]  # fmt: skip
    match door:
        case "/v1/chat/completions":
            choices = [choice for event in events for choice in event["choices"]]
            return "".join(choice["delta"].get("content") or "" for choice in choices)
        case "/v1/messages":
            deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
            return "".join(delta.get("text", "") for delta in deltas)
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("provider", KINDS)
async def test_every_door_answers_before_every_kind_of_provider(doors, door, provider):
    model = f"{provider}/clever"
    whole = await doors.post(door, json=body_for(door, model))
    streamed = await doors.post(door, json=body_for(door, model, stream=True))
    assert text_of(door, whole.json()) == "question 1 was: How are you?"
    assert streamed_text(door, streamed) == "question 1 was: How are you?"
    for answer in (whole, streamed):
        assert answer.headers["x-touchstone-model"] == model
        assert answer.headers["x-touchstone-decision-id"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("provider", KINDS)
@pytest.mark.parametrize("model", ["drop", "error-event", "no-done"])
async def test_a_stream_that_dies_says_so_in_its_dialect(doors, door, provider, model):
    body = body_for(door, f"{provider}/{model}", text="a b c d e", stream=True)
    answer = await doors.post(door, json=body)
    last = answer.text.strip().splitlines()[-1]
    error = json.loads(last.removeprefix("data: "))
    assert error["error"], last
    assert "[DONE]" not in answer.text
    assert "message_stop" not in answer.text
    assert "response.completed" not in answer.text
    if door == "/v1/messages":
        assert (error["type"], error["error"]["type"]) == ("error", "api_error")
    if door == "/v1/responses":
        assert error["message"] == error["error"]["message"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("provider", KINDS)
@pytest.mark.parametrize(
    ("model", "status"),
    [("status-400", 400), ("status-429", 429), ("status-500", 502), ("html-502", 502),
     ("empty", 502)],
)  # fmt: skip
@pytest.mark.parametrize("streaming", [False, True])
async def test_failures_keep_their_meaning(doors, door, provider, model, status, streaming):
    body = body_for(door, f"{provider}/{model}", stream=streaming)
    answer = await doors.post(door, json=body)
    assert answer.status_code == status
    if status == 429:
        assert answer.headers["retry-after"] == "1"
    error = answer.json()["error"]
    words = error if isinstance(error, str) else error["message"]
    assert words == "scripted " + model[-3:] if status < 500 else words
    if door == "/v1/messages":
        kinds = {400: "invalid_request_error", 429: "rate_limit_error", 502: "api_error"}
        assert error["type"] == kinds[status]
    if door == "/v1/chat/completions" and status == 400:
        assert error["type"] == "scripted"


async def test_where_both_sides_speak_alike_all_fields_go_through(doors):
    for door, provider in (("/v1/messages", "messages"), ("/v1/responses", "responses")):
        body = body_for(door, f"{provider}/thinker", metadata={"user_id": "u"}, store=False)
        if door == "/v1/messages":
            del body["store"]
        await doors.post(door, json=body, headers={"anthropic-beta": "some-beta"})
        sent = doors.upstream.requests[-1]
        assert sent["body"] == {**body, "model": "thinker"}
        assert ("anthropic-beta" in sent["headers"]) == (door == "/v1/messages")


async def test_usage_is_asked_for_always_and_shown_to_who_asked(doors):
    door = "/v1/chat/completions"
    for provider in KINDS:
        body = body_for(door, f"{provider}/clever", stream=True)
        silent = await doors.post(door, json=body)
        told = await doors.post(door, json=body | {"stream_options": {"include_usage": True}})
        assert '"usage"' not in silent.text
        assert '"prompt_tokens":' in told.text
        assert silent.text.count("data: ") == told.text.count("data: ") - 1
    asked = [r["body"]["stream_options"] for r in doors.upstream.requests
             if r["path"] == door]  # fmt: skip
    assert asked == [{"include_usage": True}] * 2
    scrape = (await doors.get("/metrics")).text
    for provider in KINDS:
        assert (
            f'gen_ai_client_token_usage_count{{gen_ai_operation_name="chat",'
            f'gen_ai_provider_name="{provider}",gen_ai_request_model="clever",'
            f'gen_ai_token_type="output"}} ' in scrape
        )


async def test_earlier_responses_and_items_may_be_referred_to(doors):
    body = body_for("/v1/responses", "chat/clever", text="First?")
    first = (await doors.post("/v1/responses", json=body)).json()
    by_id = body_for("/v1/responses", "chat/clever", text="Second?")
    answer = await doors.post("/v1/responses", json=by_id | {"previous_response_id": first["id"]})
    assert text_of("/v1/responses", answer.json()) == "question 2 was: Second?"
    item = {"type": "item_reference", "id": first["output"][0]["id"]}
    turns = [{"role": "user", "content": "First?"}, item, {"role": "user", "content": "Third?"}]
    answer = await doors.post("/v1/responses", json={"model": "messages/clever", "input": turns})
    assert text_of("/v1/responses", answer.json()) == "question 2 was: Third?"
    said = doors.upstream.requests[-1]["body"]["messages"][1]
    assert said["content"][0]["text"] == "question 1 was: First?"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("provider", KINDS)
async def test_a_streamed_response_is_remembered_too_unless_told_not_to(doors, provider, streaming):
    for store in (False, True):
        doors.service.remembered = Remembered()  # a scripted provider of Responses has but one id
        body = body_for("/v1/responses", f"{provider}/clever", stream=streaming, store=store)
        answer = await doors.post("/v1/responses", json=body)
        last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
        name = last.get("response", last)["id"]
        again = body_for("/v1/responses", f"{provider}/clever", previous_response_id=name)
        answer = await doors.post("/v1/responses", json=again)
        assert answer.status_code == (200 if store else 400)
        if not store:
            assert answer.json()["error"]["code"] == "previous_response_not_found"


async def test_threads_are_anthropics_own(doors):
    thread = {"thread": {"type": "create"}}
    body = body_for("/v1/messages", "chat/clever") | thread
    answer = await doors.post("/v1/messages", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == {
        "error_code": "thread_unsupported_request", "unsupported": ["thread"]}  # fmt: skip
    body = body_for("/v1/messages", "messages/thinker") | thread
    assert (await doors.post("/v1/messages", json=body)).status_code == 200


async def test_the_tokens_of_a_message_are_estimated_in_its_dialect(doors):
    body = body_for("/v1/messages", "touchstone", text="x" * 400)
    answer = await doors.post("/v1/messages/count_tokens", json=body)
    assert 100 <= answer.json()["input_tokens"] < 130
    answer = await doors.post("/v1/messages/count_tokens", json={})
    assert answer.json()["type"] == "error"


async def test_a_learnt_quirk_is_stored_and_known_after_a_restart(doors, url):
    body = body_for("/v1/chat/completions", "chat/no-temperature", temperature=0.3)
    for _ in range(2):
        assert (await doors.post("/v1/chat/completions", json=body)).status_code == 200
    sent = ["temperature" in r["body"] for r in doors.upstream.asked("no-temperature")]
    assert sent == [True, False, False]
    pool = await open_pool(url)
    async with asyncio.timeout(5):
        while "chat/no-temperature" not in await list_quirks(pool):
            await asyncio.sleep(0.1)
    learnt = Quirks()
    await Registry(pool, url, learnt).refresh()
    await pool.close()
    assert learnt.of("chat/no-temperature") == {"drop:temperature"}
