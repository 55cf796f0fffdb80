"""Interviews: what is read from a model's words about itself."""

import json

import jsonschema
import pytest

from core.errors import UnreadableReply
from core.interview import MOST, interview, question, read
from core.records import Reply
from core.suite import builtin_prompts


def replies(*texts):
    asked = []

    async def chat(question):
        asked.append(question)
        return Reply(text=texts[len(asked) - 1])

    return chat, asked


def test_tags_are_found_in_fences_and_chatter():
    text = (
        'Sure!\n```json\n{"strengths": ["Code Review", "math"], "weaknesses": ["long_docs"]}\n```'
    )
    tags = read(text)
    assert (tags.strengths, tags.weaknesses) == (("code-review", "math"), ("long-docs",))


def test_a_tag_in_both_lists_is_dropped_from_both():
    tags = read('{"strengths": ["coding", "math"], "weaknesses": ["Coding", "poetry"]}')
    assert (tags.strengths, tags.weaknesses) == (("math",), ("poetry",))


def test_what_is_no_word_is_no_tag():
    assert read('{"strengths": ["1.1.1.1", "", "-", 7, "c++ code"]}').strengths == ("c-code",)


def test_no_more_than_fifteen_tags_are_kept():
    tags = read(json.dumps({"strengths": [f"tag-{i}" for i in range(40)], "weaknesses": []}))
    assert len(tags.strengths) == MOST


@pytest.mark.parametrize("text", ["", "I am good at everything", '{"strengths": "all"}', "[]"])
def test_a_reply_without_the_object_is_unreadable(text):
    with pytest.raises(UnreadableReply):
        read(text)


async def test_an_unreadable_reply_gets_one_repair_round_that_says_why():
    chat, asked = replies("dunno", '{"strengths": ["math"], "weaknesses": []}')
    tags = await interview(chat, builtin_prompts(), seed="a", max_tokens=100)
    assert tags.strengths == ("math",)
    assert "no JSON object" in asked[1].messages[0].content


async def test_the_repair_round_is_the_last():
    chat, asked = replies("dunno", "still dunno", "{}")
    with pytest.raises(UnreadableReply):
        await interview(chat, builtin_prompts(), seed="a", max_tokens=100)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "useless",
    [
        '{"strengths": ["1.1.1"], "weaknesses": []}',
        '{"strengths": ["math"], "weaknesses": ["math"]}',
    ],
)
async def test_strengths_of_which_none_is_usable_are_asked_for_again(useless):
    chat, asked = replies(useless, '{"strengths": ["math"], "weaknesses": []}')
    tags = await interview(chat, builtin_prompts(), seed="a", max_tokens=100)
    assert (tags.strengths, len(asked)) == (("math",), 2)
    assert tags.raw_reply.startswith(useless)


async def test_empty_strengths_are_an_answer():
    chat, asked = replies('{"strengths": [], "weaknesses": []}')
    tags = await interview(chat, builtin_prompts(), seed="a", max_tokens=100)
    assert tags.strengths == ()
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("tag", "fits"), [("code-review", True), ("math", True), ("1.1.1", False), ("a" * 99, False)]
)
def test_the_schema_holds_a_tag_to_its_form(tag, fits):
    schema = question(builtin_prompts(), seed="a", max_tokens=9).schema
    reply = {"strengths": [tag], "weaknesses": ["poetry"]}
    assert jsonschema.Draft202012Validator(schema).is_valid(reply) is fits


def test_example_tags_are_shown_in_different_orders():
    prompts = builtin_prompts()
    texts = {question(prompts, seed=s, max_tokens=9).messages[0].content for s in "abcdef"}
    assert len(texts) > 3
