"""Real refusals, the quirk each tells of, and bodies mended by it."""

import pytest

from core.errors import BadRequest
from core.providers.mending import mended
from core.providers.quirks import Quirks, complaint_of

BODY = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "temperature": 0.2,
    "max_tokens": 9,
    "reasoning_effort": "none",
    "logprobs": True,
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("message", "param", "quirk"),
    [
        (
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the"
            " default (1) value is supported.",
            "temperature",
            "drop:temperature",
        ),
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead.",
            "max_tokens",
            "rename:max_tokens",
        ),
        ("`temperature` is deprecated for this model.", None, "drop:temperature"),
        ("reasoning_effort: Extra inputs are not permitted", None, "drop:reasoning_effort"),
        ("System role not supported", None, "no-system"),
        # the field is taken, the value is the client's fault
        (
            "Unsupported value: 'reasoning_effort' does not support 'none' with this model."
            " Supported values are: 'low', 'medium' and 'high'.",
            "reasoning_effort",
            None,
        ),
        ("temperature must be between 0 and 2", "temperature", None),
        # what would be missed in the answer is never left out in silence
        ("logprobs is not supported by this model", "logprobs", None),
        ("Unrecognized request argument supplied: unheard_of", None, None),
    ],
)
def test_a_refusal_tells_of_a_quirk(message, param, quirk):
    assert complaint_of(BODY | {"unheard_of": 1}, message, param) == quirk


def test_a_refused_schema_is_said_in_words_wherever_the_format_keeps_it():
    bodies = [
        {"messages": [{"role": "user", "content": "Hi"}], "response_format": SCHEMA},
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            "output_config": {"format": SCHEMA["json_schema"]},
        },
        {"input": "Hi", "text": {"format": SCHEMA["json_schema"]}},
        {"input": [{"role": "user", "content": "Hi"}], "text": {"format": SCHEMA["json_schema"]}},
    ]
    for body in bodies:
        assert complaint_of(body, "structured output is not supported", None) == "schema"
        found = mended(body, ["schema"])
        assert found.keys() <= {"messages", "input"}
        assert '{"type":"object"}' in str(found)
        assert "Hi" in str(found)


def test_system_words_move_to_the_user_and_developers_become_system():
    found = mended(BODY, ["no-system", "drop:temperature", "rename:max_tokens"])
    assert found["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]
    assert found["max_completion_tokens"] == 9
    assert not found.keys() & {"temperature", "max_tokens"}
    developer = {"messages": [{"role": "developer", "content": "x"}]}
    assert mended(developer, ["no-developer"])["messages"][0]["role"] == "system"


def test_what_other_formats_left_in_messages_is_taken_out():
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    thought = {"role": "assistant", "content": "Hm.", "thinking_blocks": [{"type": "thinking"}]}
    body = {"messages": [{"role": "user", "content": [part]}, thought]}
    refusal = "Additional properties are not allowed ('cache_control' was unexpected)"
    assert complaint_of(body, refusal, None) == "plain"
    assert mended(body, ["plain"])["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "Hm."},
    ]
    assert complaint_of({"messages": [{"role": "user", "content": "x"}]}, refusal, None) is None


def test_a_budget_of_thinking_becomes_an_effort():
    body = {"thinking": {"type": "enabled", "budget_tokens": 4096}, "messages": []}
    refusal = (
        '"thinking.type.enabled" is not supported for this model. Use'
        ' "thinking.type.adaptive" and "output_config.effort".'
    )
    assert complaint_of(body, refusal, None) == "adaptive"
    found = mended(body, ["adaptive"])
    assert (found["thinking"], found["output_config"]) == (
        {"type": "adaptive"}, {"effort": "medium"})  # fmt: skip


def test_of_two_that_exclude_each_other_one_stays():
    body = {"messages": [], "temperature": 0.1, "top_p": 0.9}
    refusal = "`temperature` and `top_p` cannot both be specified for this model."
    assert complaint_of(body, refusal, None) == "not-both"
    assert mended(body, ["not-both"]) == {"messages": [], "temperature": 0.1}
    assert mended({"top_p": 0.9}, ["not-both"]) == {"top_p": 0.9}


def test_messages_that_are_none_are_the_clients_fault():
    with pytest.raises(BadRequest):
        mended({"messages": [{"role": "system", "content": 1}, {"role": "user"}]}, ["no-system"])


def test_what_is_learnt_stays_known_until_it_is_stored():
    quirks = Quirks()
    quirks.learn("p/m", "drop:seed")
    quirks.learn("p/m", "drop:seed")
    quirks.loaded({"p/m": ["no-system"]})
    assert quirks.of("p/m") == {"drop:seed", "no-system"}
    entries = quirks.take_unsaved()
    assert entries == [("p/m", "drop:seed")]
    quirks.give_back(entries)
    assert quirks.take_unsaved() == entries
