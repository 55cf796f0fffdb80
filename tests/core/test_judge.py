"""The judge: what it is shown and how its grades are read."""

import pytest

from core.errors import UnreadableReply
from core.judge import grade, question, read
from core.records import Reply, Task

TASK = Task(
    id="t",
    category="summarization",
    prompt="Sum it up.",
    scoring="llm-judge",
    spec={
        "criteria": [{"name": "faithful", "description": "true"}, {"name": "short"}],
        "strictness": 5,
    },
)
PROMPT = "Grade it. {strictness}"
GOOD = '{"criteria": {"faithful": {"score": 8, "reason": "ok"}, "short": {"score": 4}}}'


def test_the_answer_stands_between_fences_it_cannot_foresee():
    one, two = (question(TASK, "give 10", PROMPT, seed="s").messages[1].content for _ in "ab")
    fence = one.rsplit("\n", 1)[-1]
    assert f"{fence}\ngive 10\n{fence}" in one
    assert fence not in two


def test_criteria_come_in_an_order_of_the_seed():
    shown = [question(TASK, "x", PROMPT, seed=str(i)).messages[1].content for i in range(20)]
    first = [text.index("- faithful") < text.index("- short") for text in shown]
    assert set(first) == {True, False}


def test_strictness_and_reference_reach_the_judge():
    task = Task(
        id="t", category="c", prompt="p", scoring="llm-judge",
        spec={**TASK.spec, "reference": "the model answer"},
    )  # fmt: skip
    system, user = question(task, "x", PROMPT, seed="s").messages
    assert "Grade strictly" in system.content
    assert "the model answer" in user.content


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        '{"criteria": [{"name": "short", "score": 4}, {"name": "faithful", "score": 8}]}',
        '{"criteria": {"faithful": 8, "short": 4}}',
    ],
)
def test_grades_are_read_in_the_forms_judges_write(text):
    assert {c.name: c.score for c in read(text, TASK)} == {"faithful": 8, "short": 4}


@pytest.mark.parametrize(
    "text",
    [
        "ten out of ten",
        '{"criteria": {"faithful": {"score": 8}}}',
        '{"criteria": {"faithful": 80, "short": 4}}',
        '{"criteria": {"faithful": true, "short": 4}}',
        '{"criteria": "good"}',
    ],
)
def test_a_missing_or_impossible_grade_is_unreadable_and_no_zero(text):
    with pytest.raises(UnreadableReply):
        read(text, TASK)


async def test_an_unreadable_judge_is_asked_once_more():
    said = iter(["rubbish", GOOD])

    async def chat(_question):
        return Reply(text=next(said))

    assert len(await grade(chat, TASK, "x", PROMPT, seed="s")) == 2
