"""The shipped suite: every task is well-formed, and each that needs no judge is proven by answers
that are right and answers that are wrong."""

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
    assert min(counts.values()) >= 3
    assert sum(counts.values()) == len(TASKS)


def test_every_task_without_a_judge_is_proven():
    assert set(ANSWERS) == {t.id for t in TASKS.values() if t.scoring != "llm-judge"}


@pytest.mark.parametrize(("name", "kind", "answer"), CASES)
def test_right_answers_score_10_and_wrong_ones_less(name, kind, answer):
    task = TASKS[name]
    score = (deterministic if task.scoring == "deterministic" else formatted)(answer, task.spec)
    assert (score == 10) is (kind == "right")


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
        ({"scoring": "llm-judge"}, "criteria must be a list"),
        ({"scoring": "llm-judge", "criteria": [{"x": 1}]}, "needs a name"),
        ({"scoring": "llm-judge", "criteria": [{"name": "a"}], "strictness": 9}, "from 1 to 5"),
    ],
)
def test_a_wrong_task_names_what_is_wrong(change, says):
    with pytest.raises(BadRequest, match=says):
        parse_task(GOOD | change)
