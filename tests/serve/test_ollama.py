"""Ollama's door."""

import json

import pytest

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
