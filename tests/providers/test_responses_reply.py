"""Whole answers: each part of either side, and what is an error."""

import pytest

from core.errors import UpstreamError
from core.providers.responses.reply import from_chat, to_chat

REQUEST = {"model": "m", "input": "hi"}
DONE = {"id": "resp_1", "created_at": 9.0, "model": "m", "status": "completed", "error": None}
SCORE = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def text(words, **more):
    return {"type": "output_text", "text": words, "annotations": [], **more}


def message(*parts):
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": list(parts)}


def chat(*output, **more):
    return to_chat({**DONE, "output": list(output), **more})


def said(*output):
    return chat(*output)["choices"][0]["message"]


def answered(finish="stop", request=REQUEST, told=None, **given):
    choice = {"index": 0, "message": {"role": "assistant", **given}, "finish_reason": finish}
    return from_chat({"created": 9, "model": "m", "choices": [choice], **(told or {})}, request)


def test_an_answer_becomes_a_completion():
    usage = {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 12,
    }
    assert chat(message(text("hi")), usage=usage, service_tier="default") == {
        "id": "resp_1",
        "object": "chat.completion",
        "created": 9,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "service_tier": "default",
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    }


def test_an_unknown_usage_stays_unknown():
    assert "usage" not in chat(message(text("hi")), usage=None)
    assert answered(content="hi")["usage"] is None


def test_what_a_sparse_usage_leaves_out_is_counted_as_nothing():
    found = chat(message(text("hi")), usage={"input_tokens": 7, "output_tokens": None})["usage"]
    assert found == {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    told = {"usage": {"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": None}}
    assert answered(content="hi", told=told)["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    }


def test_parts_of_a_message_are_joined_and_messages_stand_apart():
    found = said(message(text("a"), text("b")), message(text("c")), message(text("")))
    assert found["content"] == "ab\n\nc"


def test_reasoning_is_told_in_its_own_words_or_in_summaries():
    summary = [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]
    whole = [{"type": "reasoning_text", "text": "all"}]
    assert said({"type": "reasoning", "summary": summary})["reasoning_content"] == "one\n\ntwo"
    found = said({"type": "reasoning", "summary": [], "content": whole})
    assert found["reasoning_content"] == "all"


def test_calls_of_both_kinds_become_tool_calls():
    added = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"}
    custom = {"type": "custom_tool_call", "call_id": "c2", "name": "sh", "input": "ls"}
    found = chat(added, custom)["choices"][0]
    assert found["finish_reason"] == "tool_calls"
    assert found["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        ],
    }


def test_a_refusal_is_no_content():
    found = said(message({"type": "refusal", "refusal": "no"}))
    assert found == {"role": "assistant", "content": None, "refusal": "no"}


def test_items_of_hosted_tools_are_left_out():
    assert said({"type": "web_search_call", "id": "ws_1"}, message(text("hi")))["content"] == "hi"


def test_token_probabilities_cross_and_a_token_without_bytes_keeps_none():
    scored = {**SCORE, "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": []}]}
    found = chat(message(text("a", logprobs=[scored])))["choices"][0]["logprobs"]
    assert found["content"][0]["bytes"] == [97]
    assert found["content"][0]["top_logprobs"] == [{"token": "b", "logprob": -2.0, "bytes": None}]
    completion = chat(message(text("a", logprobs=[scored])))
    (item,) = from_chat(completion, REQUEST)["output"]
    assert item["content"][0]["logprobs"] == [scored]


def test_citations_move_with_the_text_they_stand_in():
    note = {"type": "url_citation", "start_index": 0, "end_index": 1, "title": "t", "url": "u"}
    other = {"type": "file_citation", "file_id": "f", "filename": "f", "index": 0}
    completion = chat(message(text("ab")), message(text("c", annotations=[note, other])))
    cited = {"start_index": 4, "end_index": 5, "title": "t", "url": "u"}
    notes = completion["choices"][0]["message"]["annotations"]
    assert notes == [{"type": "url_citation", "url_citation": cited}]
    (item,) = from_chat(completion, REQUEST)["output"]
    assert item["content"][0]["annotations"] == [{"type": "url_citation", **cited}]


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_an_answer_that_stopped_short_says_why_on_both_sides(reason, finish):
    short = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    assert chat(message(text("h")), **short)["choices"][0]["finish_reason"] == finish
    found = answered(finish=finish, content="h", reasoning_content="hm")
    assert {name: found[name] for name in short} == short
    assert found["completed_at"] is None
    assert found["output"][-1]["status"] == "incomplete"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"status": "failed", "error": {"code": "server_error", "message": "no GPU"}}, "no GPU"),
        ({"error": {"code": "server_error", "message": "no GPU"}}, "no GPU"),
        ({"error": "no GPU"}, "no GPU"),
        ({"status": "failed"}, "failed"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "in_progress"}, "in_progress"),
    ],
)
def test_an_answer_that_is_none_is_the_providers_failure(broken, words):
    with pytest.raises(UpstreamError, match=words):
        chat(message(text("half")), **broken)


@pytest.mark.parametrize(
    "output",
    [
        [{"type": "message"}],
        [{"type": "function_call", "call_id": "c1", "name": "add", "arguments": {}}],
        [message({"type": "output_text", "text": 5})],
        ["hi"],
    ],
)
def test_an_output_of_an_unknown_form_is_no_answer(output):
    with pytest.raises((LookupError, TypeError, AttributeError, ValueError)):
        chat(*output)


def test_ids_say_what_they_name_and_are_all_different():
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}},
        {"type": "custom", "custom": {"name": "sh", "input": "ls"}},
    ]
    answers = [answered(reasoning_content="hm", content="x", tool_calls=calls) for _ in range(2)]
    ids = [item["id"] for found in answers for item in [found, *found["output"]]]
    assert [name.split("_")[0] for name in ids] == ["resp", "rs", "msg", "fc", "ctc"] * 2
    assert len(set(ids)) == len(ids)
    assert answers[0]["output"][2]["arguments"] == "{}"
    assert answers[0]["output"][3]["call_id"].startswith("call_")


def test_reasoning_is_found_under_its_other_name():
    (thought, _) = answered(reasoning="hm", content="x")["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]


def test_settings_are_told_back_and_defaults_are_the_apis():
    asked = {
        "instructions": "be kind",
        "max_output_tokens": 5,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "previous_response_id": "resp_0",
        "store": False,
        "temperature": 0.0,
        "tool_choice": {"type": "function", "name": "add"},
        "truncation": "auto",
    }
    more = {
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_object"}},
        "tools": [{"type": "function", "name": "add"}, {"type": "custom", "name": "sh"}],
    }
    found = answered(content="x", request={**REQUEST, **asked, **more})
    assert {name: found[name] for name in asked} == asked
    assert found["reasoning"] == {"effort": "low", "summary": None}
    assert found["text"] == {"format": {"type": "json_object"}, "verbosity": "medium"}
    tool = {"type": "function", "name": "add", "description": None, "parameters": None}
    assert found["tools"] == [{**tool, "strict": False}, {"type": "custom", "name": "sh"}]
    plain = answered(content="x")
    assert (plain["temperature"], plain["tool_choice"], plain["tools"]) == (1.0, "auto", [])
    assert (plain["store"], plain["truncation"], plain["metadata"]) == (True, "disabled", {})
    assert plain["text"] == {"format": {"type": "text"}, "verbosity": "medium"}


def test_the_tier_that_served_is_told_not_the_one_asked_for():
    asked = {**REQUEST, "service_tier": "priority"}
    assert answered(content="x", request=asked)["service_tier"] == "priority"
    served = answered(content="x", request=asked, told={"service_tier": "default"})
    assert served["service_tier"] == "default"


def test_an_answer_of_no_time_is_given_ours():
    assert answered(content="x")["created_at"] == 9
    assert answered(content="x", told={"created": 0})["created_at"] > 1_700_000_000
