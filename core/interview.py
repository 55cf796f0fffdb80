"""The self-interview: what it asks a model about its strengths, and reading what it says."""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import UnreadableReply
from core.json_reply import json_object
from core.records import Chat, Message, Question

#: most tags kept of each list
MOST = 15
_LONGEST = 40
#: shown in an order of their own each time: small models repeat the first of any list
_EXAMPLES = (
    *("code-generation", "debugging", "code-review", "mathematics", "logical-reasoning"),
    *("summarization", "translation", "creative-writing", "factual-questions", "data-extraction"),
    *("following-instructions", "long-documents", "security-analysis", "conversation"),
)
#: a tag as a grammar may hold a small model to it; anchored and bounded, as llama.cpp wants it
_PATTERN = "^[a-z]{2,16}(-[a-z0-9]{1,16}){0,3}$"
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        name: {
            "type": "array",
            "items": {"type": "string", "pattern": _PATTERN},
            "minItems": 1,
            "maxItems": MOST,
        }
        for name in ("strengths", "weaknesses")
    },
    "required": ["strengths", "weaknesses"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What a model says of itself: lower-case-hyphenated task types, none in both lists."""

    strengths: tuple[str, ...]
    weaknesses: tuple[str, ...]
    #: the model's own words, all of them
    raw_reply: str = ""


def question(
    prompts: Mapping[str, str], *, seed: str, max_tokens: int, system_role: bool = True
) -> Question:
    """The interview in one of its two forms: with a system message, or the user's alone."""
    examples = list(_EXAMPLES)
    random.Random(seed).shuffle(examples)
    shown = ", ".join(examples[:6])
    if system_role:
        system = prompts["interview-system"].replace("{examples}", shown)
        messages = (
            Message(role="system", content=system),
            Message(role="user", content=prompts["interview-user"]),
        )
    else:
        alone = prompts["interview-alone"].replace("{examples}", shown)
        messages = (Message(role="user", content=alone),)
    return Question(messages=messages, schema=_SCHEMA, max_tokens=max_tokens, temperature=0.0)


def read(text: str) -> Tags:
    """The tags in a reply; `UnreadableReply` when it holds no such object.

    A tag in both lists says nothing and is dropped from both. Strengths may be empty: that is how
    a model which does not chat answers.
    """
    found = json_object(text, "strengths")
    strengths, weaknesses = _tags(found["strengths"]), _tags(found.get("weaknesses") or [])
    both = set(strengths) & set(weaknesses)
    return Tags(
        strengths=tuple(tag for tag in strengths if tag not in both)[:MOST],
        weaknesses=tuple(tag for tag in weaknesses if tag not in both)[:MOST],
        raw_reply=text,
    )


def _tags(found: Any) -> list[str]:
    if not isinstance(found, list):
        raise UnreadableReply("strengths and weaknesses must be lists")
    return list(dict.fromkeys(_normal(word for word in found if isinstance(word, str))))


def _normal(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        tag = re.sub(r"[^\w]+|_", "-", word.strip().lower()).strip("-")
        if len(tag) <= _LONGEST and re.search(r"[^\W\d_]{2}", tag):
            yield tag


async def interview(chat: Chat, prompts: Mapping[str, str], *, seed: str, max_tokens: int) -> Tags:
    """Ask once, and once more when the reply is unreadable or holds nothing usable.

    The second time all is said in one user message, for models whose template passes over a
    system message.
    """
    first = await chat(question(prompts, seed=seed, max_tokens=max_tokens))
    try:
        tags = read(first.text)
        if tags.strengths or not json_object(first.text, "strengths")["strengths"]:
            return tags
        complaint = "none of the strengths it names is a type of task that is not a weakness too"
    except UnreadableReply as exc:
        complaint = exc.message
    asked = question(prompts, seed=f"{seed} again", max_tokens=max_tokens, system_role=False)
    alone = asked.messages[0]
    content = f"{alone.content}\n\nAn earlier reply could not be used: {complaint}."
    second = await chat(replace(asked, messages=(replace(alone, content=content),)))
    return replace(read(second.text), raw_reply=f"{first.text}\n\n{second.text}")
