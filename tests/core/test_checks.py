import pytest

from core.checks import deterministic, final_number, formatted, numbers


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
        ("70-80", "80", 0),
        ("1/80", "80", 0),
        ("٨٠", "80", 10),
        ("８０", "80", 10),
        ("10²", "102", 0),
        ("Can\u200bberra", "Canberra", 10),
        ("server\u2011side forgery", "server-side", 10),
        ("Сanberra in Cyrillic letters", "Canberra", 0),
    ],
)
def test_contains_takes_whole_words_and_numbers(answer, expected, score):
    assert deterministic(answer, {"expected": expected}) == score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("It is not Sydney but Canberra.", 10),
        ("Canberra, not Sydney", 10),
        ("Is it Sydney or Canberra? It is Canberra.", 10),
        ("Canberra or so I think", 10),
        ("It is Canberra or the Bush Capital.", 10),
        ("It is not only Canberra", 10),
        ("It is not Sydney. Canberra it is.", 10),
        ("It is not Canberra.", 0),
        ("It cannot be Canberra", 0),
        ("It is not called Canberra", 0),
        ("It isn't **Canberra**.", 0),
        ("Sydney rather than Canberra", 0),
        ("Sydney or Canberra", 0),
        ("Canberra or Sydney", 0),
        ("Canberra or perhaps Sydney", 0),
        ("Either Sydney or maybe 'Canberra'", 0),
    ],
)
def test_contains_takes_no_denied_name_and_no_choice_of_two(answer, score):
    assert deterministic(answer, {"expected": ["Canberra", "Bush Capital"]}) == score


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("It is not 80 but 90", 90),
        ("90, not 80", 90),
        ("Line 8, not line 5", 8),
        ("5 rather than 8", 5),
        ("It can't be 80", None),
        ("It cannot be line 5", None),
        ("not only 80", 80),
        ("‑80", -80),
        ("80 or 90", None),
        ("either 80 or perhaps 90 euros", None),
        ("**80** or **90**", None),
        ("80 or 80.0", 80),
        ("Divisible by 4 or 6: 333. Without those by 9:\n278", 278),
        ("70-80", None),
        ("70–80", None),
        ("between 70 and 80", None),
        ("412 - 18 - 37 + 5 = 362", 362),
        ("minus 80", -80),
        ("–80", -80),
        ("...80", 80),
        ("80 km²", 80),
        ("80 cm^2", 80),
        ("80 cm^{2}", 80),
        ("$\\boxed{80}$", 80),
        ("3/4", 0.75),
        ("1/80", 0.0125),
        ("1/0", None),
        ("version 1.2.3", None),
    ],
)
def test_the_final_number_is_neither_denied_nor_one_of_two(answer, number):
    assert final_number(answer) == number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1,000.5", 1000.5),
        ("1.000,5", 1000.5),
        ("1 000,5", 1000.5),
        ("1'000.5", 1000.5),
        ("1_000", 1000),
        ("1\\,000", 1000),
        ("1{,}000", 1000),
        ("1.000.000", 1_000_000),
        ("1,00,000", 100_000),
        ("2,5", 2.5),
        ("0,500", 0.5),
        (".5", 0.5),
        ("1.5e3", 1500),
        ("٨٠", 80),
        ("١٬٠٠٠٫٥", 1000.5),
        ("８０", 80),
        ("１，０００．５", 1000.5),
        ("－８", -8),
    ],
)
def test_numbers_are_read_as_the_world_writes_them(written, number):
    assert numbers(written) == [number]


def test_a_list_without_spaces_is_several_numbers():
    assert numbers("1,2,3") == [1, 2, 3]


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
        ('{"a": true}', {"name": "json_object", "types": {"a": "number"}}, False),
        ('{"a": true}', {"name": "json_object", "types": {"a": "boolean"}}, True),
        ("[" * 100_000, {"name": "json_object"}, False),
        ("[" * 100_000, {"name": "json_schema", "schema": {}}, False),
        ("", {"name": "no_commas"}, False),
        ("one、two，three", {"name": "no_commas"}, False),
        ("It cost 3.5 or 10,000 euros", {"name": "word_count", "exactly": 6}, True),
        ('"It is cold." She left.', {"name": "sentence_count", "exactly": 2}, True),
        ('He asked "why?" and left.', {"name": "sentence_count", "exactly": 1}, True),
        ("Mr. Smith met Dr. Low.", {"name": "sentence_count", "exactly": 1}, True),
        ("**Bold.** Plain.", {"name": "sentence_count", "exactly": 2}, True),
        ("一。二！", {"name": "sentence_count", "exactly": 2}, True),
        ("a\n\nb", {"name": "line_count", "exactly": 3}, True),
        ("", {"name": "line_count", "max": 3, "min": 1}, False),
        ("not water", {"name": "contains_all", "words": ["water"]}, True),
        ("a key turns", {"name": "excludes", "words": ["key", "keys"]}, False),
        ("a monkey turns", {"name": "excludes", "words": ["key", "keys"]}, True),
        ("", {"name": "excludes", "words": ["key"]}, False),
        ("one\ntwo", {"name": "matches", "pattern": r"\Ao.*\nt.*\Z"}, True),
        ("one\nsix", {"name": "matches", "pattern": r"\Ao.*\nt.*\Z"}, False),
        ("", {"name": "max_words", "max": 5}, False),
    ],
)
def test_validators(answer, validator, holds):
    assert formatted(answer, {"validators": [validator]}) == (10 if holds else 0)


def test_format_gives_the_share_that_holds():
    spec = {"validators": [{"name": "all_lowercase"}, {"name": "no_commas"}]}
    assert formatted("Big", spec) == 5
