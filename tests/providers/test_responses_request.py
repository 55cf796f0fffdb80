"""Requests: each field of either side, and what is refused."""

import pytest

from core.errors import BadRequest
from core.providers.responses.request import from_chat, to_chat

SCHEMA = {"type": "object"}
HELLO = [{"role": "user", "content": "hi"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
SPOKEN = {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
#: a chat field and its value → the Responses field and its value; the same both ways
BOTH = [
    ({"temperature": 0.2}, {"temperature": 0.2}),
    ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}),
    ({"max_tokens": 5}, {"max_output_tokens": 5}),
    ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
    (
        {"logprobs": True, "top_logprobs": 2},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    ),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "r", "schema": SCHEMA, "strict": True},
            }
        },
        {
            "text": {
                "format": {"type": "json_schema", "name": "r", "schema": SCHEMA, "strict": True}
            }
        },
    ),
    (
        {"response_format": {"type": "json_object"}},
        {"text": {"format": {"type": "json_object"}}},
    ),
    (
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "add", "parameters": SCHEMA, "strict": True},
                }
            ]
        },
        {"tools": [{"type": "function", "name": "add", "parameters": SCHEMA, "strict": True}]},
    ),
    (
        {
            "tools": [
                {
                    "type": "custom",
                    "custom": {
                        "name": "sh",
                        "format": {
                            "type": "grammar",
                            "grammar": {"syntax": "lark", "definition": "start: /x/"},
                        },
                    },
                }
            ],
            "tool_choice": {"type": "custom", "custom": {"name": "sh"}},
        },
        {
            "tools": [
                {
                    "type": "custom",
                    "name": "sh",
                    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"},
                }
            ],
            "tool_choice": {"type": "custom", "name": "sh"},
        },
    ),
    (
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "a", "parameters": SCHEMA, "strict": True},
                }
            ],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "a"}}],
                },
            },
        },
        {
            "tools": [{"type": "function", "name": "a", "parameters": SCHEMA, "strict": True}],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "a"}],
            },
        },
    ),
]


@pytest.mark.parametrize(("chat", "responses"), BOTH)
def test_a_setting_has_its_own_name_on_each_side(chat, responses):
    given = {"model": "m", "messages": HELLO, **chat}
    request = {"model": "m", "store": False, "input": HELLO, **responses}
    assert from_chat(given) == request
    assert to_chat(request) == {**given, "store": False}


def test_calls_and_results_become_items_named_after_the_kind_of_the_call():
    messages = [
        *HELLO,
        {"role": "assistant", "content": "so", "tool_calls": [CALL, SPOKEN]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "tool", "tool_call_id": "c2", "content": "a b"},
    ]
    assert from_chat({"model": "m", "messages": messages})["input"][1:] == [
        {"role": "assistant", "content": "so"},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "sh", "input": "ls"},
        {"type": "function_call_output", "call_id": "c1", "output": "2"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "a b"},
    ]


def test_a_chat_stream_asks_for_its_usage_which_responses_always_tells():
    found = to_chat({"model": "m", "input": "hi", "stream": True})
    assert found["stream_options"] == {"include_usage": True}
    assert "stream_options" not in from_chat({**found, "messages": HELLO})


def test_nothing_is_stored_at_the_provider_unless_the_client_says_so():
    assert from_chat({"model": "m", "messages": HELLO})["store"] is False
    assert from_chat({"model": "m", "messages": HELLO, "store": True})["store"] is True


def test_instructions_and_a_text_become_messages():
    found = to_chat({"model": "m", "instructions": "be kind", "input": "hi"})
    assert found["messages"] == [{"role": "system", "content": "be kind"}, *HELLO]


def test_a_message_item_needs_no_type_and_a_lone_text_part_is_a_string():
    item = {"role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    assert to_chat({"model": "m", "input": [item]})["messages"] == HELLO


def test_reasoning_goes_to_the_message_or_the_call_after_it():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    call = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1}'}
    found = to_chat({"model": "m", "input": [*HELLO, thought, call]})["messages"]
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert found == [*HELLO, {**turn, "reasoning_content": "hm"}]


def test_words_after_calls_join_the_message_of_the_calls():
    call = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":1}'}
    said = [{"role": "assistant", "content": "one"}, call, {"role": "assistant", "content": "two"}]
    (turn,) = to_chat({"model": "m", "input": said})["messages"]
    assert turn == {"role": "assistant", "content": "one\n\ntwo", "tool_calls": [CALL]}


def test_strict_goes_on_only_when_the_client_wrote_it():
    tool = {"type": "function", "name": "add", "parameters": SCHEMA}
    (found,) = to_chat({"model": "m", "input": "hi", "tools": [tool]})["tools"]
    assert "strict" not in found["function"]
    chat = {"type": "function", "function": {"name": "add", "parameters": SCHEMA}}
    (flat,) = from_chat({"model": "m", "messages": HELLO, "tools": [chat]})["tools"]
    assert flat["strict"] is False


def test_what_is_said_about_tools_goes_with_the_tools():
    request = {"model": "m", "input": "hi", "tools": [], "parallel_tool_calls": True}
    found = to_chat({**request, "tool_choice": "auto"})
    assert not found.keys() & {"tools", "parallel_tool_calls", "tool_choice"}


def test_web_search_options_become_the_tool():
    place = {"type": "approximate", "approximate": {"country": "AT"}}
    options = {"search_context_size": "low", "user_location": place}
    found = from_chat({"model": "m", "messages": HELLO, "web_search_options": options})
    place = {"type": "approximate", "country": "AT"}
    tool = {"type": "web_search", "search_context_size": "low", "user_location": place}
    assert found["tools"] == [tool]


def test_fields_that_responses_refuses_are_left_out():
    extra = {"n": 1, "seed": 1, "stop": "x", "logit_bias": {}, "presence_penalty": 1}
    assert not from_chat({"model": "m", "messages": HELLO, **extra}).keys() & extra.keys()


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]},
            "input",
        ),
    ],
)
def test_what_chat_cannot_hold_is_refused_by_name(extra, param):
    with pytest.raises(BadRequest) as caught:
        to_chat({"model": "m", "input": "hi", **extra})
    assert caught.value.param == param


@pytest.mark.parametrize(
    "extra",
    [
        {"functions": [{"name": "old"}]},
        {"messages": [{"role": "function", "name": "old", "content": "1"}]},
        {"messages": [{"role": "user", "content": [{"type": "video_url"}]}]},
        {"messages": [{"role": "user"}]},
        {"tools": [{"type": "mcp"}]},
        {"tool_choice": 5},
    ],
)
def test_a_chat_body_of_an_unknown_form_is_not_sent_without_it(extra):
    with pytest.raises((LookupError, TypeError, AttributeError, ValueError)):
        from_chat({"model": "m", "messages": HELLO, **extra})
