"""The judge's two moves: the question that shows it task and answer, and reading its grades."""

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.errors import UnreadableReply
from core.json_reply import json_object
from core.records import Chat, CriterionScore, Message, Question, Task

_MAX_TOKENS = 1200
#: an answer longer than this is shown by its head and tail
_LONGEST = 24_000
_STRICTNESS = {
    1: "Grade leniently: give the benefit of every doubt.",
    2: "Grade rather leniently.",
    3: "Grade evenly.",
    4: "Grade rather strictly: a clear fault costs several points.",
    5: "Grade strictly: only a flawless answer deserves more than 8.",
}


def question(task: Task, answer: str, prompt: str, *, seed: str) -> Question:
    """What the judge is asked: criteria in an order of ``seed``, the answer fenced as data."""
    criteria = list(task.spec["criteria"])
    random.Random(seed).shuffle(criteria)
    fence = f"answer-{secrets.token_hex(6)}"
    listed = "\n".join(f"- {c['name']}: {c.get('description', '')}" for c in criteria)
    reference = task.spec.get("reference")
    known = f"\n\nA reference answer, known to be right:\n{reference}" if reference else ""
    if len(answer) > _LONGEST:
        answer = f"{answer[: _LONGEST // 2]}\n…\n{answer[-_LONGEST // 2 :]}"
    user = (
        f"Task:\n{task.prompt}{known}\n\nCriteria:\n{listed}\n\n"
        f"{fence}\n{answer or '(the answer is empty)'}\n{fence}"
    )
    strictness = _STRICTNESS[int(task.spec.get("strictness", 3))]
    return Question(
        messages=(
            Message(role="system", content=prompt.replace("{strictness}", strictness)),
            Message(role="user", content=user),
        ),
        schema=_schema([c["name"] for c in criteria]),
        max_tokens=_MAX_TOKENS,
        temperature=0.0,
    )


def _schema(names: Sequence[str]) -> dict[str, Any]:
    grade = {
        "type": "object",
        "properties": {
            "score": {"type": "integer", "minimum": 0, "maximum": 10},
            "reason": {"type": "string", "maxLength": 300},
        },
        "required": ["score", "reason"],
    }
    criteria = {"type": "object", "properties": dict.fromkeys(names, grade), "required": [*names]}
    return {"type": "object", "properties": {"criteria": criteria}, "required": ["criteria"]}


def read(text: str, task: Task) -> tuple[CriterionScore, ...]:
    """A grade for each of the task's criteria; `UnreadableReply` if one is missing or off scale."""
    found = json_object(text, "criteria")["criteria"]
    if isinstance(found, list):
        found = {str(entry.get("name")): entry for entry in found if isinstance(entry, Mapping)}
    if not isinstance(found, Mapping):
        raise UnreadableReply("the judge's criteria are neither an object nor a list")
    return tuple(_grade(c["name"], found.get(c["name"])) for c in task.spec["criteria"])


def _grade(name: str, entry: Any) -> CriterionScore:
    entry = entry if isinstance(entry, Mapping) else {"score": entry}
    value = entry.get("score")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10:
        raise UnreadableReply(f"the judge gave no grade from 0 to 10 for {name!r}")
    return CriterionScore(name=name, score=float(value), reason=str(entry.get("reason") or ""))


async def grade(
    chat: Chat, task: Task, answer: str, prompt: str, *, seed: str
) -> tuple[CriterionScore, ...]:
    """Ask the judge, and once more when its reply cannot be read."""
    asked = question(task, answer, prompt, seed=seed)
    first = await chat(asked)
    try:
        return read(first.text, task)
    except UnreadableReply as exc:
        complaint = exc.message
    said = Message(role="assistant", content=first.text[:2000] or "{}")
    again = Message(
        role="user", content=f"That cannot be used: {complaint}. Reply with the JSON object alone."
    )
    second = await chat(replace(asked, messages=(*asked.messages, said, again)))
    return read(second.text, task)
