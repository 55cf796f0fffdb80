"""What Anthropic is sent for a chat body, and what chat is asked for a Messages request."""

import pytest

from core.errors import BadRequest
from core.providers.messages.request import from_chat, to_chat
from tests.providers.test_messages import CALL, IMAGE, MARK, ODD, SIGNED, USE, assistant, text, user

TOOL = {"type": "function", "function": {"name": "add"}}
FORCED = {"tools": [TOOL], "tool_choice": "required"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}
NOTE = {"type": "text", "media_type": "text/plain", "data": "noted"}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}
HIGH, LOW = {"reasoning_effort": "high"}, {"reasoning_effort": "low"}
ASKED = "Answer with one JSON object and nothing else."


def test_each_has_its_own_word_for_the_same():
    blocks = [
        text("look", **MARK),
        IMAGE,
        IMAGE | {"source": PDF | {"media_type": "image/png"}},
        {"type": "document", "source": PDF, "title": "a.pdf"},
        {"type": "document", "source": NOTE},
    ]
    request = {
        "model": "m",
        "max_tokens": 9,
        "system": "Be kind.",
        "messages": [user(blocks), assistant([text("so"), USE])],
        "metadata": {"user_id": "u"},
        "stop_sequences": ["END"],
        "service_tier": "standard_only",
        "tools": [{"name": "add", "description": "adds", "input_schema": SCHEMA, "strict": True}],
        "tool_choice": {"type": "tool", "name": "add", "disable_parallel_tool_use": True},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }
    function = {"name": "add", "description": "adds", "parameters": SCHEMA, "strict": True}
    pdf = {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}
    parts = [
        text("look", **MARK),
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "file", "file": pdf},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,bm90ZWQ="}},
    ]
    system = {"role": "system", "content": "Be kind."}
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [system, user(parts), assistant("so", tool_calls=[CALL])],
        "user": "u",
        "stop": ["END"],
        "service_tier": "default",
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "add"}},
        "parallel_tool_calls": False,
        "response_format": FORMAT,
    }
    assert to_chat(request) == body
    assert from_chat(body, 1) == request


@pytest.mark.parametrize(
    ("choice", "told"),
    [("auto", {"type": "auto"}), ("required", {"type": "any"}), ("none", {"type": "none"})],
)
def test_a_choice_of_tools_has_another_name(choice, told):
    tools = [{"name": "add", "input_schema": SCHEMA}]
    assert sent(user("x"), tools=[TOOL], tool_choice=choice)["tool_choice"] == told
    assert asked(text("x"), tools=tools, tool_choice=told)["tool_choice"] == choice


# What Anthropic is sent


def called(arguments):
    return CALL | {"function": {"name": "f", "arguments": arguments}}


def sent(*messages, **fields):
    return from_chat({"model": "m", "messages": list(messages), **fields}, 99)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"max_completion_tokens": 5, "max_tokens": 4}, {"max_tokens": 5}),
        ({}, {"max_tokens": 99}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"temperature": 1.7}, {"temperature": 1}),
        ({"metadata": {"user_id": "u"}}, {"metadata": {"user_id": "u"}}),
        ({"safety_identifier": "u"}, {"metadata": {"user_id": "u"}}),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
        (LOW, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1123}),
        (HIGH | {"max_tokens": 20000}, {"max_tokens": 20000}),
        ({"thinking": {"type": "enabled"}}, {"max_tokens": 4195}),
        (HIGH | ADAPTIVE, ADAPTIVE | {"output_config": {"effort": "high"}}),
        ({"response_format": {"type": "json_object"}}, {"system": ASKED}),
    ],
)
def test_a_field_becomes_what_anthropic_calls_it(given, told):
    request = sent(user("hello"), **given)
    assert {name: request[name] for name in told} == told


@pytest.mark.parametrize(
    "given",
    [
        {"seed": 1, "presence_penalty": 1, "frequency_penalty": 1, "logit_bias": {"1": 1}},
        {"n": 2, "logprobs": True, "stream_options": {"include_usage": True}, "unknown": 1},
        {"stop": [" "], "tool_choice": "auto", "response_format": {"type": "text"}},
        {"reasoning_effort": "none", "metadata": {"a": "b"}, "service_tier": "flex"},
        {"reasoning_effort": "low", "thinking": {"type": "disabled"}},
    ],
)
def test_what_anthropic_does_not_know_is_left_out(given):
    assert sent(user("hello"), **given) == sent(user("hello"))


def test_thinking_takes_no_sampling_and_yields_to_a_forced_tool_and_to_a_begun_answer():
    free = sent(user("x"), reasoning_effort="low", temperature=0, top_p=0.5, top_k=3)
    assert free.keys() == {"model", "max_tokens", "messages", "thinking"}
    assert "thinking" not in sent(user("x"), **LOW, **FORCED)
    assert "thinking" not in sent(user("x"), assistant("y"), **LOW)


@pytest.mark.parametrize(("thought", "thinks"), [([SIGNED], True), ([], False)])
def test_thinking_starts_not_in_the_middle_of_a_turn_that_called_tools(thought, thinks):
    calling = assistant(tool_calls=[CALL], thinking_blocks=thought)
    told = {"role": "tool", "tool_call_id": "t1", "content": "2"}
    request = sent(user("x"), calling, told, reasoning_effort="low")
    assert ("thinking" in request) is thinks


def test_the_system_speaks_first_wherever_it_stood_and_alone_it_is_the_user():
    system, developer = ({"role": role, "content": role} for role in ("system", "developer"))
    request = sent(system, user("x"), developer)
    assert request["system"] == [text("system"), text("developer")]
    assert sent(system)["messages"] == [user([text("system")])]


def test_neighbours_make_one_turn_with_the_results_of_tools_first():
    told = {"role": "tool", "tool_call_id": "f.add:0", "content": "2"}
    calling = assistant("", tool_calls=[CALL | {"id": "f.add:0"}])
    turns = sent(user("x"), calling, user("and"), told, told)["messages"]
    assert turns[1]["content"] == [USE | {"id": "f_add_0"}]
    assert [block["type"] for block in turns[2]["content"]] == ["tool_result"] * 2 + ["text"]


def test_the_last_words_of_the_assistant_end_without_whitespace_and_blank_ones_go():
    turns = sent(user([text("x"), text(" ")]), assistant(""), assistant("So: \n"))["messages"]
    assert turns == [user([text("x")]), assistant([text("So:")])]


def test_reasoning_that_anthropic_did_not_sign_is_not_sent_there():
    unsigned = [SIGNED | {"signature": ""}]
    said = assistant("a", reasoning_content="hm", thinking_blocks=unsigned, refusal="no")
    assert sent(user("x"), said, user("y"))["messages"][1]["content"] == [text("a"), text("no")]


def test_an_image_in_a_tools_answer_goes_to_anthropic_within_and_to_chat_after_it():
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    told = {"role": "tool", "tool_call_id": "t1", "content": [image]}
    request = sent(user("x"), assistant(tool_calls=[CALL]), told)
    assert request["messages"][2]["content"][0]["content"] == [IMAGE]
    *_, result, after = to_chat(request)["messages"]
    assert (result["content"], after["content"][1]) == ("", image)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [user(None)]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [user([{"type": "image_url", "image_url": {"url": "file:///a"}}])]},
        {"messages": [user([{"type": "file", "file": {"file_id": "f"}}])]},
        {"messages": [user([{"type": "file", "file": {"file_data": "data:a/b;base64,QUJD"}}])]},
        {"messages": [assistant(tool_calls=[called("{")])]},
        {"messages": [assistant(tool_calls=[CALL | {"id": ""}])]},
        {"messages": [assistant("x", thinking_blocks=[text("x")])]},
        {"messages": [assistant(function_call={"name": "f"})]},
        {"messages": [assistant(tool_calls=[called("[1]")])]},
        {"tools": [{"type": "custom", "custom": {"name": "f"}}]},
        {"response_format": {"type": "grammar"}},
        {"reasoning_effort": "enormous"},
        {"functions": [{"name": "f"}]},
        {**FORCED, "tool_choice": {"type": "allowed_tools"}},
    ],
)
def test_a_chat_body_that_does_not_fit_is_refused(body):
    with pytest.raises(ODD):
        from_chat({"messages": [user("x")], **body}, 1)


def test_empty_arguments_and_no_parameters_are_empty_objects():
    request = sent(user("x"), assistant(tool_calls=[called("")]), user("y"), tools=[TOOL])
    assert request["messages"][1]["content"][0]["input"] == {}
    assert request["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


# What chat is asked


def asked(*content, **fields):
    return to_chat({"model": "m", "max_tokens": 9, "messages": [user([*content])]} | fields)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"stream": True}, {"stream_options": {"include_usage": True}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, LOW),
        ({"thinking": {"type": "enabled", "budget_tokens": 10000}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, HIGH),
        (ADAPTIVE, HIGH),
        ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, {"response_format": FORMAT}),
        (ADAPTIVE | {"output_config": {"effort": "low"}}, LOW),
        ({"system": [text("a")]}, {"messages": [{"role": "system", "content": "a"}, user("x")]}),
        ({"thinking": {"type": "disabled"}, "context_management": {}, "tools": []}, {}),
    ],
)
def test_a_field_becomes_what_chat_calls_it(given, told):
    body = asked(text("x"), **given)
    assert body == asked(text("x")) | {n: given[n] for n in given if n == "stream"} | told


def test_a_turn_of_results_and_words_becomes_messages_of_tools_and_then_the_users():
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": "2",
        "is_error": True,
        **MARK,
    }
    body = asked(text("and?"), result, {"type": "tool_result", "tool_use_id": "t2"})
    assert [message["role"] for message in body["messages"]] == ["tool", "tool", "user"]
    failed = [text("Tool error: 2", **MARK)]
    assert [message["content"] for message in body["messages"]] == [failed, "", "and?"]
    assert from_chat(body, 1)["messages"][0]["content"][0] == result


def test_an_assistants_turn_keeps_its_thinking_with_the_seal():
    turn = assistant([SIGNED, text("so"), USE])
    thought = {"reasoning_content": "hm", "thinking_blocks": [SIGNED]}
    assert asked(messages=[turn])["messages"] == [assistant("so", tool_calls=[CALL], **thought)]


def test_a_system_turn_in_the_middle_stays_there():
    turns = [user("x"), {"role": "system", "content": "now"}]
    assert asked(messages=turns)["messages"] == turns


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"messages": [user([{"type": "container_upload", "file_id": "f"}])]}, "container_upload"),
        ({"messages": [user([IMAGE | {"source": {"type": "file", "file_id": "f"}}])]}, "file_id"),
        ({"messages": [user([{"type": "document", "source": {"type": "url"}}])]}, "by url"),
        ({"messages": [assistant([{"type": "server_tool_use"}])]}, "server_tool_use"),
        ({"messages": [assistant([IMAGE])]}, "image"),
    ],
)
def test_what_chat_cannot_hold_is_a_bad_request_that_names_it(fields, name):
    with pytest.raises(BadRequest, match=name):
        asked(text("x"), **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": None},
        {"stop_sequences": "END"},
        {"messages": [user(5)]},
        {"messages": [user([text(5)])]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [user([IMAGE | {"source": {"type": "base64"}}])]},
        {"messages": [user([{"type": "document", "source": {"type": "base64"}}])]},
        {"messages": [assistant([USE | {"input": "a"}])]},
        {"messages": [assistant([{"type": "thinking"}])]},
        {"tools": [{"name": "f"}]},
        {"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "some"}},
        {"output_config": {"format": {"type": "xml"}}},
        {"thinking": {"type": "deep"}},
    ],
)
def test_a_request_of_an_unknown_form_is_refused(fields):
    with pytest.raises(ODD):
        asked(text("x"), **fields)
