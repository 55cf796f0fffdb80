import pytest

from core.errors import UnreadableReply
from core.json_reply import json_object


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Use {x}: {"a": 1} ok?', '{"b": {}} {"a": 1}']
)
def test_object_is_found(text):
    assert json_object(text, "a") == {"a": 1}


@pytest.mark.parametrize("text", ["", "no", '{"a": 1', '{"a": {"b": 2}', "[1]", "{" * 5000])
def test_what_is_not_whole_is_unreadable(text):
    with pytest.raises(UnreadableReply):
        json_object(text, "a")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": "long and long',
        '{"a": 1, "b": ["x, \\" {y}", "z',
        '```json\n{"a": 1, "b": {"c": 2, "d": ',
        '{"a": 1, "b": tru',
    ],
)
def test_a_reply_cut_off_counts_as_far_as_it_goes(text):
    assert json_object(text, "a")["a"] == 1


@pytest.mark.parametrize("text", ['{"a": "cut of', '{"b": {"a": 1}, "c', '{"b": 1}} {"a', "{]"])
def test_what_stands_behind_the_cut_is_not_made_up(text):
    with pytest.raises(UnreadableReply):
        json_object(text, "a", "b")


@pytest.mark.parametrize(
    "ramble", ["{,", '{"a":', "{", '{"a":1,', '{"a":[', '{"', "}{"], ids=lambda text: text
)
def test_rambling_is_given_up_on_after_a_bounded_number_of_steps(ramble):
    with pytest.raises(UnreadableReply):
        json_object(ramble * 20_000, "x")  # by any quadratic way this takes minutes


def test_an_object_behind_much_code_is_found():
    assert json_object("if (x) { y(); } " * 500 + '{"x": 1}', "x") == {"x": 1}
