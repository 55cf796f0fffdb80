"""The shipped suite: every task is well-formed, and each that needs no judge is proven by answers
that are right and answers that are wrong."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from core.checks import deterministic, formatted
from core.errors import BadRequest
from core.suite import CATEGORIES, builtin_prompts, builtin_tasks, parse_task, task_to_dict

TASKS = {task.id: task for task in builtin_tasks()}
ANSWERS = yaml.safe_load((Path(__file__).parent / "suite_answers.yaml").read_text())
CASES = [
    (name, kind, answer)
    for name, kinds in ANSWERS.items()
    for kind, answers in kinds.items()
    for answer in answers
]


def test_every_category_has_tasks_and_ids_are_unique():
    counts = Counter(task.category for task in builtin_tasks())
    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) >= 10
    assert sum(counts.values()) == len(TASKS)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_goes_from_easy_to_hard(category):
    levels = [task.spec["difficulty"] for task in TASKS.values() if task.category == category]
    assert set(levels) == {1, 2, 3, 4, 5}
    assert sum(level >= 4 for level in levels) >= 3


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_says_what_it_separates(task):
    assert len(task.spec["note"].split()) >= 3


@pytest.mark.parametrize("task", [t for t in TASKS.values() if t.scoring == "llm-judge"])
def test_a_judged_task_anchors_every_criterion(task):
    for criterion in task.spec["criteria"]:
        assert re.match(r"10: .+\. 5: .+\. 0: ", criterion["description"]), criterion["name"]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_task_is_proven_by_right_wrong_and_adversarial_answers(name):
    kinds = ANSWERS[name]
    assert set(kinds) == {"right", "wrong", "adversarial"}
    assert len(kinds["right"]) >= 2
    assert len(kinds["wrong"]) >= 2
    assert kinds["adversarial"]


def test_every_task_without_a_judge_is_proven():
    assert set(ANSWERS) == {t.id for t in TASKS.values() if t.scoring != "llm-judge"}


@pytest.mark.parametrize(("name", "kind", "answer"), CASES)
def test_right_answers_score_10_and_wrong_ones_less(name, kind, answer):
    task = TASKS[name]
    score = (deterministic if task.scoring == "deterministic" else formatted)(answer, task.spec)
    assert (score == 10) is (kind == "right")


NUMBERS = {t.id: t.spec["expected"] for t in TASKS.values() if t.spec.get("match") == "number"}


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_a_number_is_known_in_every_dress(name, number):
    eastern = str(number).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    wide = str(number).translate(str.maketrans("-0123456789", "－０１２３４５６７８９"))
    for dressed in (
        *(f"{number:,}", f"{number:,}".replace(",", " "), f"{number:_}", f"{number}.0", eastern),
        *(wide, f"**{number}**", f"$\\boxed{{{number}}}$", f"Answer: {number}.", f"= {number} kg²"),
        *(f"It is not {number + 1} but {number}", f"{number}, not {number + 1}"),
        f"Step 1, step 2.\n\n{number}",
    ):
        assert deterministic(dressed, TASKS[name].spec) == 10, dressed


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_a_number_is_not_mistaken(name, number):
    for other in (
        *(f"1{number}", f"{number}0", f"{-number}", f"{number}.5", f"{number}/7", f"1/{number}"),
        *(f"not {number}", f"It isn't {number}", f"It cannot be {number}", f"v1.{number}"),
        *(f"{number} or {number + 1}", f"{number + 1} or {number}", f"{number}-{number + 9}"),
        *(f"between {number - 1} and {number}", f"{number + 1} rather than {number}", "", "no"),
    ):
        assert deterministic(other, TASKS[name].spec) == 0, other


@pytest.mark.parametrize(
    "answer",
    [
        *("s's" * 3000 + "!x1", "." * 20_000 + "x", "\n" * 10_000 + "x", "not " * 5000),
        *(
            "9" * 50_000,
            "1," * 5000,
            "80 or " * 3000,
            "'" * 10_000,
            (" " * 2000).join("abcdefghij"),
        ),
        " \n".join(f"{letter}z{' ' * 500}" for letter in "abcdefghijkln"),
    ],
    ids=lambda answer: f"{answer[:6]!r}",
)
@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_scored_without_endless_backtracking(name, answer):
    task = TASKS[name]
    score = (deterministic if task.scoring == "deterministic" else formatted)(answer, task.spec)
    assert score < 10


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_parroting_the_prompt_does_not_score_full(task):
    if task.scoring == "deterministic":
        assert deterministic(task.prompt, task.spec) == 0
    if task.scoring == "format":
        assert formatted(task.prompt, task.spec) < 10


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_survives_its_own_yaml(task):
    again = parse_task(yaml.safe_load(yaml.safe_dump(task_to_dict(task))), builtin=True)
    assert again == task


def test_the_five_prompts_are_shipped():
    assert set(builtin_prompts()) == {
        *("interview-system", "interview-user", "interview-alone", "routing", "judge"),
    }


GOOD = {"id": "x", "category": "c", "prompt": "p", "scoring": "deterministic", "expected": "y"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": ""}, "needs an id"),
        ({"prompt": " "}, "prompt must be text"),
        ({"scoring": "vibes"}, "scoring must be one of"),
        ({"expected": []}, "expected must hold"),
        ({"expected": None}, "expected must hold"),
        ({"match": "fuzzy"}, "match must be one of"),
        ({"match": "number"}, "needs numbers"),
        ({"match": "regex", "expected": "("}, "no regex"),
        ({"scoring": "format"}, "validators must be a list"),
        ({"scoring": "format", "validators": [{"name": "nope"}]}, "each validator"),
        ({"scoring": "format", "validators": [{"name": "max_words"}]}, "argument 'max'"),
        ({"scoring": "format", "validators": [{"name": "matches"}]}, "argument 'pattern'"),
        (
            {"scoring": "format", "validators": [{"name": "matches", "pattern": "("}]},
            "mistakes the argument pattern",
        ),
        ({"scoring": "llm-judge"}, "criteria must be a list"),
        ({"scoring": "llm-judge", "criteria": [{"x": 1}]}, "needs a name"),
        ({"scoring": "llm-judge", "criteria": [{"name": "a"}], "strictness": 9}, "from 1 to 5"),
    ],
)
def test_a_wrong_task_names_what_is_wrong(change, says):
    with pytest.raises(BadRequest, match=says):
        parse_task(GOOD | change)
