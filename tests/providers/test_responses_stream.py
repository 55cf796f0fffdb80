"""A Responses stream for a chat client: each event, and what is an error."""

import asyncio

import pytest

from core.errors import UpstreamError
from core.providers.responses.stream import to_chat

ANSWER = {"id": "resp_1", "created_at": 9, "model": "m", "status": "in_progress"}
CREATED = {"type": "response.created", "response": ANSWER}
USAGE = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
ENDED = {**ANSWER, "status": "completed", "output": [], "usage": USAGE}
COMPLETED = {"type": "response.completed", "response": ENDED}


async def each(items):
    for item in items:
        yield item


def read(*events):
    async def chunks():
        return [chunk async for chunk in to_chat(each(events))]

    return asyncio.run(chunks())


def deltas(*events):
    chunks = read(CREATED, *events, COMPLETED)
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]][1:-1]


def text(delta, place=0, **more):
    return {"type": "response.output_text.delta", "output_index": place, "delta": delta, **more}


def added(item, place=0):
    return {"type": "response.output_item.added", "output_index": place, "item": item}


def done(item, place=0):
    return {"type": "response.output_item.done", "output_index": place, "item": item}


ADD = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "add", "arguments": ""}
SHELL = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "sh", "input": ""}


def test_role_words_reason_and_usage_come_in_this_order():
    head = {"id": "resp_1", "object": "chat.completion.chunk", "created": 9, "model": "m"}
    found = read(CREATED, text("hi"), COMPLETED)
    assert [{name: chunk[name] for name in head} for chunk in found] == [head] * 4
    role, words, end, usage = found
    assert role["choices"][0]["delta"] == {"role": "assistant"}
    assert words["choices"] == [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]
    assert end["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 12)


def test_the_model_asked_of_is_named_until_the_provider_names_it():
    async def chunks():
        events = [text("hi"), COMPLETED]
        return [chunk["model"] async for chunk in to_chat(each(events), "asked")]

    assert asyncio.run(chunks()) == ["asked", "asked", "m", "m"]


def test_nothing_is_sent_before_there_is_something_to_say():
    # so that an answer that fails at once can still be asked of another model
    async def first():
        return await anext(to_chat(each([CREATED, {"type": "error", "message": "busy"}])))

    with pytest.raises(UpstreamError, match="busy"):
        asyncio.run(first())


def test_an_answer_without_usage_sends_no_chunk_of_it():
    found = read(CREATED, {**COMPLETED, "response": {**ENDED, "usage": None}})
    assert [len(chunk["choices"]) for chunk in found] == [1, 1]


def test_reasoning_and_refusals_have_their_own_fields():
    def part(kind, index, delta, **more):
        return {"type": f"response.{kind}.delta", "output_index": index, "delta": delta, **more}

    found = deltas(
        part("reasoning_summary_text", 0, "a", summary_index=0),
        part("reasoning_summary_text", 0, "b", summary_index=0),
        part("reasoning_summary_text", 0, "c", summary_index=1),
        part("reasoning_text", 1, "d", content_index=0),
        part("refusal", 2, "no", content_index=0),
    )
    thoughts = ["a", "b", "\n\nc", "\n\nd"]
    assert found == [*({"reasoning_content": t} for t in thoughts), {"refusal": "no"}]


def test_a_second_message_stands_apart_and_its_citations_move():
    note = {"type": "url_citation", "start_index": 0, "end_index": 1, "title": "t", "url": "u"}
    cited = {"type": "response.output_text.annotation.added", "annotation": note}
    second = {"output_index": 1, "content_index": 0}
    found = deltas(text("ab", content_index=0), text("c", 1, content_index=0), cited | second)
    moved = {"start_index": 4, "end_index": 5, "title": "t", "url": "u"}
    assert found[1] == {"content": "\n\nc"}
    assert found[2] == {"annotations": [{"type": "url_citation", "url_citation": moved}]}


def test_token_probabilities_go_with_their_words():
    score = {"token": "a", "logprob": -0.5}
    found = read(text("a", logprobs=[score]), COMPLETED)[1]["choices"][0]["logprobs"]
    assert found["content"] == [{**score, "bytes": None, "top_logprobs": []}]
    assert read(text("", logprobs=[score]), COMPLETED)[1]["choices"][0]["logprobs"] == found


@pytest.mark.parametrize(
    "where",
    [
        lambda place, name: {"output_index": place},
        lambda place, name: {"item_id": name},
        lambda place, name: {"output_index": place, "item_id": f"{name} of another day"},
        lambda place, name: {"output_index": 0, "item_id": name},
    ],
    ids=["place", "id", "ids change", "all in one place"],
)
def test_words_find_their_call(where):
    def start(place, item):
        return {**where(place, None), "type": "response.output_item.added", "item": item}

    def given(kind, place, name, delta):
        return {"type": f"response.{kind}.delta", "delta": delta, **where(place, name)}

    found = deltas(
        {**start(0, ADD), "item_id": None},
        {**start(1, SHELL), "item_id": None},
        given("function_call_arguments", 0, "fc_1", '{"a":'),
        given("custom_tool_call_input", 1, "ctc_1", "ls"),
        given("function_call_arguments", 0, "fc_1", "1}"),
    )
    assert [call for delta in found for call in delta["tool_calls"]] == [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}},
        {"index": 1, "id": "c2", "type": "custom", "custom": {"name": "sh", "input": ""}},
        {"index": 0, "function": {"arguments": '{"a":'}},
        {"index": 1, "custom": {"input": "ls"}},
        {"index": 0, "function": {"arguments": "1}"}},
    ]


def test_a_called_answer_finishes_with_its_calls():
    assert read(added(ADD), COMPLETED)[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("before", [[], [added(ADD)]])
def test_a_call_without_deltas_is_taken_from_its_end(before):
    found = deltas(*before, done({**ADD, "arguments": "{}"}))
    given = [call["function"]["arguments"] for delta in found for call in delta["tool_calls"]]
    assert "".join(given) == "{}"
    assert {call["index"] for delta in found for call in delta["tool_calls"]} == {0}


@pytest.mark.parametrize("whole", [{**ADD, "arguments": "{}"}, {**SHELL, "input": "ls"}])
def test_a_call_that_begins_with_all_it_is_given_is_not_given_it_twice(whole):
    assert len(deltas(added(whole), done(whole))) == 1


MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "content": [{"type": "output_text", "text": "hi"}, {"type": "refusal", "refusal": "no"}],
}


def test_words_without_deltas_are_taken_from_the_items_end_else_from_the_answers():
    assert deltas(done(MESSAGE)) == [{"content": "hi"}, {"refusal": "no"}]
    ended = {**ENDED, "output": [MESSAGE, {**ADD, "arguments": "{}"}]}
    found = read(CREATED, {**COMPLETED, "response": ended})
    assert found[1]["choices"][0]["delta"] == {"content": "hi"}
    assert found[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("named", [{}, {"item_id": "msg_1"}, {"output_index": 0}])
def test_words_that_came_as_deltas_do_not_come_again(named):
    event = {"type": "response.output_text.delta", "delta": "hi", **named}
    ended = {**COMPLETED, "response": {**ENDED, "output": [MESSAGE]}}
    found = read(CREATED, event, done(MESSAGE), ended)
    said = [choice["delta"].get("content", "") for chunk in found for choice in chunk["choices"]]
    assert "".join(said) == "hi"


def test_an_incomplete_answer_finishes_by_length_and_what_follows_is_not_read():
    short = {**ENDED, "status": None, "incomplete_details": {"reason": "max_output_tokens"}}
    found = read(text("h"), {"type": "response.incomplete", "response": short}, text("late"))
    assert found[-2]["choices"][0]["finish_reason"] == "length"
    assert found[-1]["choices"] == []


FAILED = {**ANSWER, "status": "failed", "error": {"code": "server_error", "message": "no GPU"}}


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"type": "error", "code": "server_error", "message": "no GPU"}, "no GPU"),
        ({"type": "error", "error": {"type": "server_error", "message": "no GPU"}}, "no GPU"),
        ({"error": {"message": "no GPU"}}, "no GPU"),
        ({"type": "error"}, "did not say why"),
        ({"type": "response.failed", "response": FAILED}, "no GPU"),
        ({"type": "response.failed", "response": {**ANSWER, "status": None}}, "failed"),
        ({"type": "response.completed", "response": FAILED}, "no GPU"),
        ({"type": "response.in_progress", "response": ANSWER}, "before the end"),
    ],
)
def test_a_stream_that_fails_or_just_ends_is_the_providers_failure(last, words):
    with pytest.raises(UpstreamError, match=words):
        read(CREATED, text("half"), last)


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.output_text.delta"},
        {"type": "response.function_call_arguments.delta", "output_index": 7, "delta": "{"},
        {"type": "response.completed"},
    ],
)
def test_an_event_of_an_unknown_form_is_not_passed_over(odd):
    with pytest.raises((LookupError, TypeError)):
        read(CREATED, odd, COMPLETED)
