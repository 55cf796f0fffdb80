"""What a careless or hostile client sends: a clear 400, and nothing that others would feel."""

import json

import pytest
from aiohttp import web

from core.errors import BadRequest
from serve.ollama_request import to_openai
from serve.remembered import Remembered
from tests.door import open_door

DOORS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat",
         "/v1/messages/count_tokens")  # fmt: skip


def nested(depth):
    return json.loads("[" * depth + "]" * depth)


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("depth", [230, 300, 900])
async def test_deep_nesting_is_refused_before_anybody_is_asked(door, path, depth):
    body = {"model": "p/good", "messages": [{"role": "user", "content": "x"}], "input": "x"}
    for field in ("metadata", "truncation", "format", "tools"):
        answer = await door.http.post(path, json=body | {field: nested(depth), "stream": True})
        assert answer.status_code == 400, field
        assert "deep" in answer.text
    assert not door.upstream.asked()
    assert not door.service.health.cooling()


async def test_many_brackets_are_no_depth(door):
    assert (await door.ask("[" * 500, metadata={"a": [{}] * 300})).status_code == 200


@pytest.mark.parametrize("value", ["caf\u00e9".encode(), b"\xff"])
async def test_odd_headers_are_refused(pool, url, value):
    async with open_door(pool, url, provider={"type": "anthropic"}) as door:
        body = {"model": "p/good", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        headers = {"anthropic-beta": value}
        answer = await door.http.post("/v1/messages", json=body, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (400, "error")
        both = [("anthropic-beta", "one"), ("anthropic-beta", "two")]
        await door.http.post("/v1/messages", json=body, headers=both)
        assert door.upstream.asked("good")[-1]["headers"]["anthropic-beta"] == "one,two"


async def test_a_compressed_body_is_told_apart_from_a_broken_one(door):
    answer = await door.http.post(
        "/v1/messages", content=b"\x1f\x8b", headers={"content-encoding": "gzip"}
    )
    assert answer.status_code == 400
    assert "content-encoding" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "hi"}], "images": ["iVBOR"]},
        {"role": "tool", "content": 5},
        {"role": "assistant", "tool_calls": [{"function": {"name": 5}}]},
    ],
)
async def test_ollamas_messages_are_checked_before_they_are_sent(door, message):
    answer = await door.http.post("/api/chat", json={"messages": [message]})
    assert answer.status_code == 400
    assert not door.upstream.asked()


def test_an_odd_id_of_a_call_gives_way_to_ours():
    calls = [{"id": {}, "function": {"name": "f", "arguments": {}}}]
    found = to_openai({"messages": [{"role": "assistant", "tool_calls": calls}]})
    assert found["messages"][0]["tool_calls"][0]["id"] == "call_0_0"


CALLS = [
    {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
    {"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": {"x": 1}}}]},
]


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        (CALLS, [("f", {}), ("g", {"x": 1})]),
        ([{"content": "hi"}], []),
    ],
)
async def test_ollama_reads_what_odd_servers_stream(pool, url, deltas, expected):
    chunks = [{"choices": [{"index": 0, "delta": delta}], "error": None} for delta in deltas]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    text = "".join(lines) + "data: [DONE]\n\n"
    async with open_door(pool, url, others=("odd",)) as door:
        door.upstream.script["odd"] = lambda _: web.Response(
            text=text, content_type="text/event-stream"
        )
        body = {"model": "p/odd", "messages": [{"role": "user", "content": "x"}]}
        answer = await door.http.post("/api/chat", json=body)
    last = json.loads(answer.text.splitlines()[-1])
    found = [(c["function"]["name"], c["function"]["arguments"])
             for c in last["message"].get("tool_calls", ())]  # fmt: skip
    assert (last["done"], found) == (True, expected)


@pytest.mark.parametrize("shared", [False, True])
def test_what_one_client_left_behind_is_not_anothers(tmp_path, shared):
    known = Remembered(tmp_path if shared else None)
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    known.keep("key-a", {"input": "hi"}, {"id": "resp_1", "output": [item]})
    asked = {"input": "on", "previous_response_id": "resp_1"}
    assert len(known.resolved("key-a", asked)["input"]) == 3
    for owner, wrong in (("key-b", "resp_1"), ("key-a", "msg_1"), ("key-a", "resp_2")):
        with pytest.raises(BadRequest, match="not known here"):
            known.resolved(owner, {"input": "on", "previous_response_id": wrong})
    with pytest.raises(BadRequest, match="not known here"):
        known.resolved("key-a", {"input": [{"type": "item_reference", "id": "resp_1"}]})
