"""What a chat client is told of Anthropic's answer, and a Messages client of a chat's."""

import pytest

from core.errors import UpstreamError
from core.providers.messages import reply as messages_reply
from core.providers.messages import stream as messages_stream
from tests.providers.test_messages import (
    CALL,
    ODD,
    SIGNED,
    USE,
    chunk,
    collected,
    each,
    piece,
    read,
    text,
)

# Whole


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_a_stop_reason_becomes_a_finish_reason(stop, finish):
    found = messages_reply.to_chat({"content": [text("x")], "stop_reason": stop})
    assert found["choices"][0]["finish_reason"] == finish


def completion(finish="stop", **message):
    return {"choices": [{"message": message, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", "end_turn"),
        (None, "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("tool_calls", "tool_use"),
    ],
)
def test_a_finish_reason_becomes_a_stop_reason(finish, stop):
    assert messages_reply.from_chat(completion(finish, content="x"))["stop_reason"] == stop


def test_an_answer_that_calls_tools_stops_for_them_whatever_its_server_says():
    found = messages_reply.from_chat(completion(content=None, tool_calls=[CALL]))
    assert (found["content"], found["stop_reason"]) == ([USE], "tool_use")


def test_a_refusal_without_words_is_told_in_some():
    found = messages_reply.to_chat({"content": [], "stop_reason": "refusal", "usage": {}})
    assert "refused" in found["choices"][0]["message"]["refusal"]


def test_what_was_cached_is_of_the_prompt_in_chat_and_apart_from_it_in_messages():
    counts = {"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 4}
    usage = messages_reply.chat_usage({**counts, "output_tokens": 8})
    assert (usage["prompt_tokens"], usage["total_tokens"]) == (7, 15)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 2
    assert messages_reply.message_usage(usage).items() >= counts.items()


def test_reasoning_of_another_model_is_a_block_without_a_signature():
    block, _ = messages_reply.from_chat(completion(reasoning="hm", content="x"))["content"]
    assert block == SIGNED | {"signature": ""}


@pytest.mark.parametrize(
    "answer", [{}, {"content": "x"}, {"content": [{"type": "text"}]}, {"content": [{"id": "t"}]}]
)
def test_an_answer_of_an_unknown_form_is_no_completion(answer):
    with pytest.raises(ODD):
        messages_reply.to_chat(answer)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"choices": []},
        completion(tool_calls=[CALL | {"function": {"name": "f", "arguments": "{"}}]),
    ],
)
def test_a_completion_of_an_unknown_form_is_no_answer(given):
    with pytest.raises(ODD):
        messages_reply.from_chat(given)


# Streamed


async def test_calls_told_apart_by_their_ids_alone_are_several_and_need_no_arguments():
    chunks = [piece(0, "{}", id="a"), piece(0, "", id="b"), chunk(finish="tool_calls")]
    assert [block["id"] for block in (await read(chunks))["content"]] == ["a", "b"]


async def test_a_piece_that_comes_after_a_whole_call_and_words_after_it_make_no_old_block_new():
    pieces = [piece(0, "{}", id="a"), piece(1, "{", id="b"), piece(0, " "), piece(1, "}")]
    chunks = [chunk(content="x"), *pieces, chunk(content="y"), chunk(finish="tool_calls")]
    found = (await read(chunks))["content"]
    assert found == [text("x"), *(USE | {"id": n, "input": {}} for n in "ab"), text("y")]


async def test_a_call_after_words_goes_out_as_it_comes():
    stream = messages_stream.from_chat(each([chunk(content="x"), piece(0, "{", id="a")]), "m")
    await anext(stream)
    assert b'"partial_json":"{"' in await anext(stream)


async def test_message_start_goes_out_with_the_first_chunk_and_events_have_names():
    stream = messages_stream.from_chat(each([chunk(role="assistant")]), "m")
    assert (await anext(stream)).startswith(b'event: message_start\ndata: {"type":"message_start"')


async def test_what_a_block_starts_with_is_told_too_and_unknown_events_are_not():
    kinds = [text("so"), SIGNED, {"type": "server_tool_use", "id": "s", "name": "web_search"}]
    events = [{"type": "message_start", "message": {}}, {"type": "news"}]
    for block in kinds:
        events.append({"type": "content_block_start", "index": 0, "content_block": block})
        delta = {"type": "input_json_delta", "partial_json": "{}"}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
        events.append({"type": "content_block_stop", "index": 0})
    chunks = await collected(messages_stream.to_chat(each([*events, {"type": "message_stop"}])))
    deltas = [c["choices"][0]["delta"] for c in chunks[1:-2]]
    assert deltas == [{"content": "so"}, {"reasoning_content": "hm"}, {"thinking_blocks": [SIGNED]}]


async def test_a_call_without_input_tells_an_empty_object():
    start = {"type": "content_block_start", "index": 0, "content_block": USE | {"input": {}}}
    events = [{"type": "message_start", "message": {}}, start]
    events += [{"type": "content_block_stop", "index": 0}, {"type": "message_stop"}]
    chunks = await collected(messages_stream.to_chat(each(events)))
    deltas = [c["choices"][0]["delta"] for c in chunks[:-1]]
    assert [d["tool_calls"][0]["function"]["arguments"] for d in deltas[1:3]] == ["", "{}"]


ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([{"type": "message_start", "message": {}}, ERROR], "overloaded"),
        ([{"type": "message_start", "message": {}}], "broke off"),
        ([{"type": "content_block_delta", "index": 0, "delta": {}}], "unknown form"),
    ],
)
async def test_a_stream_of_anthropics_that_fails_is_an_upstream_error(events, said):
    with pytest.raises(UpstreamError, match=said):
        await collected(messages_stream.to_chat(each(events)))


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([chunk(content="a"), {"error": {"message": "no more"}}], "no more"),
        ([chunk(content="a")], "broke off"),
        ([], "broke off"),
        ([chunk(content=5)], "unknown form"),
    ],
)
async def test_a_chat_stream_that_fails_is_an_upstream_error(chunks, said):
    with pytest.raises(UpstreamError, match=said):
        await collected(messages_stream.from_chat(each(chunks), "m"))


async def test_reasoning_of_another_model_streams_as_a_block_without_a_signature():
    chunks = [chunk(reasoning_content="h"), chunk(reasoning_content="m"), chunk(content="x")]
    found = await read([*chunks, chunk(finish="stop")])
    assert found["content"] == [SIGNED | {"signature": ""}, text("x")]


async def test_usage_that_comes_after_the_finish_is_told_and_nothing_after_unsays_it():
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    other = {"choices": [{"index": 1, "delta": {"content": "y"}}]}
    told = [{"choices": [], "usage": usage}, chunk() | {"usage": None}, other]
    found = await read([chunk(content="x"), chunk("length"), *told])
    assert (found["id"], found["content"], found["stop_reason"]) == (
        "msg_1",
        [text("x")],
        "max_tokens",
    )
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (3, 4)
