"""A conversation stays with its model; what a request names or holds narrows the choice."""

from dataclasses import replace

import pytest

from core.store.models import upsert_discovered
from serve.conversations import Conversations, turn_of
from tests.door import meta_says, open_door

FIRST = {"role": "user", "content": "Write a function that sorts a list of people by their age."}
REPLY = {"role": "assistant", "content": "Here it is."}
SECOND = {"role": "user", "content": "Now make it sort by the name and then by the age, please."}
CALLED = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}  # fmt: skip
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "a file"}


async def ask(door, *messages, **more):
    body = {"model": "touchstone", "messages": list(messages), **more}
    answer = await door.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-touchstone-model"], answer.headers["x-touchstone-outcome"]


async def test_a_conversation_stays_while_the_category_stands(door):
    registry = door.service.registry
    registry.snapshot = replace(registry.snapshot, categories=("coding", "creative-writing"))
    door.upstream.script["meta"] = meta_says("fast", "coding")
    assert await ask(door, FIRST) == ("p/fast", "meta")
    door.upstream.script["meta"] = meta_says("good", "coding")
    assert await ask(door, FIRST, REPLY, SECOND) == ("p/fast", "policy")
    door.upstream.script["meta"] = meta_says("good", "creative-writing")
    assert await ask(door, FIRST, REPLY, {**SECOND, "content": "A poem! " * 9}) == (
        "p/good",
        "meta",
    )


async def test_tool_results_cost_no_meta_model_call(door):
    door.upstream.script["meta"] = meta_says("fast")
    await ask(door, FIRST)
    for turns in ([CALLED, RESULT], [CALLED, RESULT, CALLED, RESULT]):
        assert await ask(door, FIRST, *turns) == ("p/fast", "policy")
    assert len(door.upstream.asked("meta")) == 1


async def test_a_clock_in_the_system_prompt_does_not_end_a_conversation(door):
    door.upstream.script["meta"] = meta_says("fast")
    await ask(door, {"role": "system", "content": "It is 10:00."}, FIRST)
    later = {"role": "system", "content": "It is 10:05."}
    assert await ask(door, later, FIRST, CALLED, RESULT) == ("p/fast", "policy")


async def test_a_conversation_leaves_a_model_that_rests(pool, url):
    async with open_door(pool, url, enabled=("good", "flaky-99")) as door:
        door.upstream.script["meta"] = meta_says("flaky-99")
        door.service.conversations.answered(turn_of([FIRST]), "p/flaky-99", None)
        door.service.health.rest("p/flaky-99")
        assert (await ask(door, FIRST, CALLED, RESULT))[0] == "p/good"


async def test_it_can_be_switched_off(pool, url):
    async with open_door(pool, url, sticky_conversations=False) as door:
        door.upstream.script["meta"] = meta_says("fast")
        await ask(door, FIRST)
        door.upstream.script["meta"] = meta_says("good")
        assert await ask(door, FIRST, REPLY, SECOND) == ("p/good", "meta")


def test_conversations_are_forgotten_after_an_hour():
    now = 0.0
    known = Conversations(clock=lambda: now)
    known.answered(turn_of([FIRST]), "p/a", None)
    next_turn = turn_of([FIRST, REPLY, SECOND])
    assert known.of(next_turn) is not None
    now = 3601.0
    assert known.of(next_turn) is None


async def test_a_request_may_name_candidates_which_go_no_further(door):
    assert await ask(door, FIRST, models=["fast"]) == ("p/fast", "single")
    assert "models" not in door.upstream.asked("fast")[-1]["body"]
    await ask(door, FIRST, models=["of/another/router"], category="unheard of")
    sent = door.upstream.asked("good")[-1]["body"]
    assert (sent["models"], sent["category"]) == (["of/another/router"], "unheard of")


@pytest.mark.parametrize(
    ("lacking", "more"),
    [
        ({"context": 50}, {}),
        ({"tools": False}, {"tools": [{"type": "function", "function": {"name": "f"}}]}),
    ],
)
async def test_a_model_that_cannot_take_it_is_left_out(pool, url, lacking, more):
    async with open_door(pool, url) as door:
        await upsert_discovered(pool, "p", {"good": lacking, "fast": {}})
        await door.service.registry.refresh()
        assert await ask(door, {"role": "user", "content": "word " * 60}, **more) == (
            "p/fast", "single")  # fmt: skip
