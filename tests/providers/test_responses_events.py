"""A chat stream for a Responses client: each event, and what is an error."""

import asyncio

import orjson
import pytest

from core.errors import UpstreamError
from core.providers.responses.stream import from_chat

FINISHED = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def each(items):
    for item in items:
        yield item


def written(*chunks, done=None):
    async def frames():
        return [frame async for frame in from_chat(each(chunks), {"input": "hi"}, "m", done)]

    return asyncio.run(frames())


def events(*chunks):
    blocks = b"".join(written(*chunks)).split(b"\n\n")[:-1]
    return [orjson.loads(block.split(b"\ndata: ")[1]) for block in blocks]


def chunk(**delta):
    return {"created": 9, "model": "m", "choices": [{"index": 0, "delta": delta}]}


def of_call(index, **given):
    return chunk(tool_calls=[{"index": index, **given}])


def test_events_of_an_answer_come_in_openais_order():
    called = [
        of_call(0, id="c1", type="function", function={"name": "add", "arguments": ""}),
        of_call(0, function={"arguments": "{}"}),
    ]
    said = [chunk(reasoning_content="hm"), chunk(content="hi"), chunk(refusal="no")]
    kinds = [event["type"] for event in events(*said, *called, FINISHED)]
    assert [kind.removeprefix("response.") for kind in kinds] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.done"),
        *("content_part.done", "content_part.added", "refusal.delta", "refusal.done"),
        *("content_part.done", "output_item.done", "output_item.added"),
        *("function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]


def test_an_answer_begins_with_the_first_chunk():
    async def first():
        return await anext(from_chat(each([chunk(role="assistant")]), {"input": "hi"}, "m"))

    begun = asyncio.run(first())
    assert begun.startswith(b"event: response.created\n")
    assert b'"status":"in_progress"' in begun


def test_the_caller_has_the_answer_before_the_client_knows_its_end():
    async def until_done():
        seen = []
        stream = from_chat(each([chunk(content="hi"), FINISHED]), {"input": "hi"}, "m", seen.append)
        async for frame in stream:
            if b"response.completed" in frame:
                return seen
        return None

    (answer,) = asyncio.run(until_done())
    assert answer["output"][0]["content"][0]["text"] == "hi"


def test_words_after_calls_or_reasoning_between_words_are_items_of_their_own():
    called = of_call(0, id="c1", function={"name": "add", "arguments": "{}"})
    said = [chunk(content="a"), chunk(reasoning_content="hm"), chunk(content="b")]
    answer = events(*said, called, chunk(content="c"), FINISHED)[-1]["response"]
    kinds = ["message", "reasoning", "message", "function_call", "message"]
    assert [item["type"] for item in answer["output"]] == kinds
    assert {item.get("status", "completed") for item in answer["output"]} == {"completed"}


@pytest.mark.parametrize(
    "heads",
    [[{"index": 0, "id": "c1"}, {"index": 0, "id": "c2"}], [{"id": "c1"}, {"id": "c2"}], [{}, {}]],
)
def test_calls_that_share_an_index_or_have_none_are_kept_apart(heads):
    calls = [{**head, "function": {"name": "a", "arguments": "1"}} for head in heads]
    last = {name: value for name, value in heads[1].items() if name == "index"}
    more = chunk(tool_calls=[{**last, "function": {"arguments": "!"}}])
    answer = events(*(chunk(tool_calls=[call]) for call in calls), more, FINISHED)[-1]["response"]
    assert [item["arguments"] for item in answer["output"]] == ["1", "1!"]
    assert len({item["call_id"] for item in answer["output"]}) == 2


def test_a_server_may_repeat_a_calls_name_and_id():
    call = {"id": "c1", "function": {"name": "a", "arguments": "1"}}
    (item,) = events(of_call(0, **call), of_call(0, **call), FINISHED)[-1]["response"]["output"]
    assert item["arguments"] == "11"


def test_the_answer_names_the_model_it_was_asked_of_and_ends_though_more_chunks_come():
    answer = events({**chunk(content="a"), "model": "other"}, FINISHED, chunk())[-1]["response"]
    assert (answer["model"], answer["status"]) == ("m", "completed")


def test_a_function_that_is_given_nothing_is_given_an_empty_object():
    found = events(of_call(0, id="c1", function={"name": "now", "arguments": ""}), FINISHED)
    delta = next(event for event in found if event["type"].endswith("arguments.delta"))
    assert delta["delta"] == "{}"
    assert found[-1]["response"]["output"][0]["arguments"] == "{}"


def test_an_answer_that_stopped_short_ends_incomplete():
    cut = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
    found = events(chunk(reasoning_content="hm"), chunk(content="h"), cut)
    assert found[-1]["type"] == "response.incomplete"
    assert found[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert found[-2]["item"]["status"] == "incomplete"


def test_a_citation_is_an_event_and_stays_in_the_text():
    cited = {"start_index": 0, "end_index": 2, "title": "t", "url": "u"}
    note = {"type": "url_citation", "url_citation": cited}
    found = events(chunk(content="hi"), chunk(annotations=[note]), FINISHED)
    event = next(event for event in found if event["type"].endswith("annotation.added"))
    assert (event["annotation_index"], event["content_index"]) == (0, 0)
    assert event["annotation"] == {"type": "url_citation", **cited}
    assert found[-1]["response"]["output"][0]["content"][0]["annotations"] == [event["annotation"]]


def test_only_the_first_choice_is_told():
    other = {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}]}
    answer = events(chunk(content="a"), other, FINISHED)[-1]["response"]
    assert answer["output"][0]["content"][0]["text"] == "a"


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([{"error": {"message": "no GPU"}}], "no GPU"),
        ([chunk(content="half"), {"error": "no GPU", "choices": []}], "no GPU"),
        ([chunk(content="half")], "before the end"),
        ([], "before the end"),
    ],
)
def test_chunks_that_fail_or_just_end_are_the_providers_failure(chunks, words):
    seen = []
    with pytest.raises(UpstreamError, match=words):
        written(*chunks, done=seen.append)
    assert seen == []


@pytest.mark.parametrize("odd", [chunk(content=["hi"]), of_call(0, function={"arguments": "{"})])
def test_a_chunk_of_an_unknown_form_is_not_passed_over(odd):
    with pytest.raises((LookupError, TypeError)):
        written(odd, FINISHED)
