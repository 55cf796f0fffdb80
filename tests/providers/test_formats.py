import orjson
import pytest

from core.providers import anthropic, chat, openai_responses, stream
from core.providers.http import Client
from core.records import Message, Provider, Question
from tests.upstream import run_upstream

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
BODY = {
    "model": "m",
    "stop": "END",
    "tools": [TOOL],
    "tool_choice": "required",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "tool", "tool_call_id": "c2", "content": "3"},
    ],
}


def test_anthropic_gets_system_parts_and_tools_in_its_own_words():
    request = anthropic.to_request(BODY, 99)
    assert (request["system"], request["max_tokens"]) == ("Be kind.", 99)
    assert (request["stop_sequences"], request["tool_choice"]) == (["END"], {"type": "any"})
    user, assistant, results = request["messages"]
    assert user["content"][1]["source"]["media_type"] == "image/png"
    assert assistant["content"][0]["input"] == {"a": 1}
    assert [part["tool_use_id"] for part in results["content"]] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")],
)
def test_anthropic_stop_reasons_become_openais(reason, finish):
    found = anthropic.from_response(
        {"content": [{"type": "text", "text": "x"}], "stop_reason": reason}
    )
    assert found["choices"][0]["finish_reason"] == finish


def test_anthropic_tool_use_becomes_a_tool_call():
    part = {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1}}
    message = anthropic.from_response({"content": [part]})["choices"][0]["message"]
    assert orjson.loads(message["tool_calls"][0]["function"]["arguments"]) == {"a": 1}


def test_responses_gets_items_and_tools_in_its_own_words():
    request = openai_responses.to_request({**BODY, "max_tokens": 5})
    kinds = [item.get("type", item.get("role")) for item in request["input"]]
    assert kinds == ["system", "user", "function_call", *["function_call_output"] * 2]
    assert (request["max_output_tokens"], request["tools"][0]["name"]) == (5, "add")


def test_responses_cut_off_is_a_length_stop():
    found = openai_responses.from_response(
        {
            "output": [],
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
        }
    )
    assert found["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("kind", ["anthropic", "openai-responses"])
async def test_both_answer_over_a_socket_whole_and_streamed(kind):
    async with run_upstream() as upstream, Client() as client:
        provider = Provider(name="p", type=kind, base_url=upstream.url)
        question = Question(messages=(Message(role="user", content="hi"),))
        assert (await chat(client, provider, "m", question)).text.startswith("echo")
        body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        async with stream(client, provider, "m", body) as frames:
            whole = b"".join([frame async for frame in frames])
    assert whole.endswith(b"data: [DONE]\n\n")
    assert b"echo" in whole
