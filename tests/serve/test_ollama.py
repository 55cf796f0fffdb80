"""Ollama's door."""

import json

import pytest
from aiohttp import web

from core.store.models import upsert_discovered
from tests.door import open_door


async def test_chat_streams_records_and_ends_with_counts(door):
    body = {"model": "touchstone:latest", "messages": [{"role": "user", "content": "one two"}]}
    answer = await door.http.post("/api/chat", json=body)
    records = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(r["message"]["content"] for r in records) == "echo: one two"
    assert [r["done"] for r in records] == [False] * (len(records) - 1) + [True]
    assert records[-1]["done_reason"] == "stop"
    assert records[-1]["eval_count"] == 3
    assert answer.headers["x-touchstone-model"] == "p/good"


async def test_chat_answers_whole_when_told_not_to_stream(door):
    body = {
        "model": "touchstone", "stream": False, "options": {"temperature": 0.5, "num_predict": 9},
        "format": {"type": "object"}, "messages": [{"role": "user", "content": "hi"}],
    }  # fmt: skip
    answer = (await door.http.post("/api/chat", json=body)).json()
    assert answer["message"]["content"] == "echo: hi"
    assert answer["done"] is True
    sent = door.upstream.asked("good")[0]["body"]
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 9)
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}


async def test_tool_calls_come_with_arguments_as_objects(pool, url):
    async with open_door(pool, url, others=("tool-caller",)) as door:
        tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
        body = {
            "model": "tool-caller", "stream": False, "tools": [tool],
            "messages": [{"role": "user", "content": "hi"}],
        }  # fmt: skip
        answer = (await door.http.post("/api/chat", json=body)).json()
    assert answer["message"]["tool_calls"][0]["function"] == {"name": "add", "arguments": {"a": 1}}


async def test_errors_are_told_in_ollamas_words(pool, url):
    async with open_door(pool, url, others=("drop", "status-500")) as door:
        assert (await door.http.post("/api/chat", content=b"{")).json()["error"].startswith("the")
        body = {"model": "status-500", "messages": [{"role": "user", "content": "a b c"}]}
        failed = await door.http.post("/api/chat", json=body)
        assert failed.status_code == 502
        assert isinstance(failed.json()["error"], str)
        broken = await door.http.post("/api/chat", json={**body, "model": "drop"})
        assert "error" in json.loads(broken.text.splitlines()[-1])


async def test_tags_have_a_digest_for_each_model(pool, url):
    async with open_door(pool, url, expose_models="all") as door:
        found = (await door.http.get("/api/tags")).json()["models"]
    assert found[0]["name"] == "touchstone:latest"
    assert len({entry["digest"] for entry in found}) == 3


async def test_version_is_told(door):
    assert (await door.http.get("/api/version")).json()["version"]


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"num_predict": "x"}},
        {"options": {"num_predict": [1]}},
        {"options": 5},
        {"messages": [{"role": "user", "content": "hi", "images": 5}]},
        {"messages": [{"role": "user", "content": "hi", "tool_calls": [1]}]},
        {"messages": [{"role": "user", "content": "hi", "tool_calls": [{"function": None}]}]},
    ],
)
async def test_wrong_types_are_the_clients_fault(door, change):
    body = {"model": "good", "messages": [{"role": "user", "content": "hi"}]}
    answer = await door.http.post("/api/chat", json=body | change)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


async def test_an_option_of_null_counts_as_not_given(door):
    body = {"model": "good", "messages": [{"role": "user", "content": "hi"}]}
    answer = await door.http.post("/api/chat", json=body | {"options": {"num_predict": None}})
    assert answer.status_code == 200


@pytest.mark.parametrize("streaming", [False, True])
async def test_half_a_character_becomes_a_question_mark(pool, url, streaming):
    async with open_door(pool, url) as door:
        door.upstream.script["good"] = "half \ud800 whole"
        messages = [{"role": "user", "content": "hi"}]
        body = {"model": "good", "stream": streaming, "messages": messages}
        answer = await door.http.post("/api/chat", json=body)
    records = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(r["message"]["content"] for r in records) == "half ? whole"


async def test_generate_is_chat_with_one_prompt(door):
    body = {"model": "touchstone", "prompt": "one two", "system": "be brief"}
    answer = await door.http.post("/api/generate", json=body)
    records = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(r["response"] for r in records) == "echo: one two"
    assert records[-1]["done"] is True
    assert "message" not in records[-1]
    whole = (await door.http.post("/api/generate", json={**body, "stream": False})).json()
    assert whole["response"] == "echo: one two"
    roles = [m["role"] for m in door.upstream.asked("good")[0]["body"]["messages"]]
    assert roles == ["system", "user"]


@pytest.mark.parametrize(("path", "body"), [("/api/generate", {}), ("/api/chat", {"messages": []})])
async def test_a_request_that_only_loads_asks_nobody(door, path, body):
    answer = (await door.http.post(path, json={"model": "touchstone", **body})).json()
    assert (answer["done"], answer["done_reason"]) == (True, "load")
    assert not door.upstream.asked()


@pytest.mark.parametrize("streaming", [False, True])
async def test_reasoning_is_told_as_thinking(pool, url, streaming):
    async with open_door(pool, url) as door:
        door.upstream.script["good"] = lambda body: thinking(streaming)
        messages = [{"role": "user", "content": "hi"}]
        body = {"model": "good", "think": "low", "stream": streaming, "messages": messages}
        answer = await door.http.post("/api/chat", json=body)
    records = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(r["message"].get("thinking", "") for r in records) == "hm"
    assert "".join(r["message"]["content"] for r in records) == "yes"
    assert door.upstream.asked("good")[0]["body"]["reasoning_effort"] == "low"


def thinking(streaming):
    if not streaming:
        message = {"role": "assistant", "content": "yes", "reasoning_content": "hm"}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})
    deltas = [{"reasoning_content": "hm"}, {"content": "yes"}]
    chunks = [json.dumps({"choices": [{"delta": delta}]}) for delta in deltas]
    text = "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"])
    return web.Response(text=text, content_type="text/event-stream")


async def test_show_tells_what_the_router_and_a_model_can(pool, url):
    async with open_door(pool, url) as door:
        await upsert_discovered(pool, "p", {"good": {"vision": True, "context": 4096}, "fast": {}})
        await door.service.registry.refresh()
        router = (await door.http.post("/api/show", json={"model": "touchstone:latest"})).json()
        fast = (await door.http.post("/api/show", json={"name": "p/fast"})).json()
        nobody = await door.http.post("/api/show", json={"model": "nobody"})
        running = (await door.http.get("/api/ps")).json()["models"]
    assert router["capabilities"] == ["completion", "tools", "vision"]
    assert router["model_info"]["touchstone.context_length"] == 4096
    assert fast["capabilities"] == ["completion", "tools"]
    assert (nobody.status_code, isinstance(nobody.json()["error"], str)) == (404, True)
    assert running[0]["name"] == "touchstone:latest"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/pull"), ("DELETE", "/api/delete"), ("POST", "/api/copy")]
)
async def test_models_are_managed_where_they_run(door, method, path):
    answer = await door.http.request(method, path, json={"model": "x"})
    assert answer.status_code == 501
    assert "owns none" in answer.json()["error"]


async def test_an_address_that_is_not_there_is_told_in_json(door):
    answer = await door.http.post("/api/chat/api/show", json={})
    assert answer.status_code == 404
    assert isinstance(answer.json()["error"], str)
