import pytest

from core.checks import deterministic, formatted, numbers


@pytest.mark.parametrize(
    ("answer", "expected", "score"),
    [
        ("The answer is 80.", "80", 10),
        ("$80", "80", 10),
        ("180", "80", 0),
        ("80.5", "80", 0),
        ("1,800", "800", 0),
        ("It is -80", "80", 0),
        ("São Paulo!", "sao paulo", 10),
        ("parisian", "Paris", 0),
        ("PARIS", ["London", "Paris"], 10),
        ("", "80", 0),
    ],
)
def test_contains_takes_whole_words_and_numbers(answer, expected, score):
    assert deterministic(answer, {"expected": expected}) == score


def test_number_takes_the_last_one_within_tolerance():
    spec = {"expected": 1234.5, "match": "number", "tolerance": 0.1}
    assert deterministic("From 7 to 1,234.5 km", spec) == 10
    assert deterministic("1234.5 is not it, 3 is", spec) == 0
    assert deterministic("none", spec) == 0


def test_numbers_reads_thousands_and_signs():
    assert numbers("1,000 and −2.5 and 3'000") == [1000, -2.5, 3000]


@pytest.mark.parametrize(
    ("answer", "validator", "holds"),
    [
        ("one two three", {"name": "word_count", "exactly": 3}, True),
        ("One. Two! 3.5 is a number.", {"name": "sentence_count", "exactly": 3}, True),
        ("- a\n- b", {"name": "bullet_count", "exactly": 2}, True),
        ("1. a\n2. b\n3. c", {"name": "numbered_list", "max": 2}, False),
        ('```json\n{"a": 1}\n```', {"name": "json_object", "keys": ["a"]}, True),
        ('Sure! {"a": 1}', {"name": "json_object", "keys": ["a"]}, False),
        ('{"a": "x"}', {"name": "json_object", "types": {"a": "number"}}, False),
        ("", {"name": "no_commas"}, False),
        ("", {"name": "max_words", "max": 5}, False),
    ],
)
def test_validators(answer, validator, holds):
    assert formatted(answer, {"validators": [validator]}) == (10 if holds else 0)


def test_format_gives_the_share_that_holds():
    spec = {"validators": [{"name": "all_lowercase"}, {"name": "no_commas"}]}
    assert formatted("Big", spec) == 5
