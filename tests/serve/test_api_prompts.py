"""The editable prompts through Touchstone's own doors."""

import pytest

from core.store import prompts
from core.suite import builtin_prompts


async def test_prompts_are_listed_as_they_ship(door):
    found = (await door.http.get("/prompts")).json()
    assert {p["key"]: p["text"] for p in found["prompts"]} == builtin_prompts()
    assert {(p["version"], p["edited"]) for p in found["prompts"]} == {(0, False)}
    assert found["count"] == len(builtin_prompts())


async def test_an_edited_prompt_is_in_force_at_once_and_keeps_its_history(door):
    for number, text in enumerate(("Choose well.", "Choose\r\nbetter. ", "Choose\nbetter."), 1):
        answer = await door.http.put("/prompts/routing", json={"text": text})
        assert (answer.status_code, answer.json()["version"]) == (200, min(number, 2))
    found = (await door.http.get("/prompts/routing")).json()
    assert (found["text"], found["edited"]) == ("Choose\nbetter.", True)
    assert [entry["text"] for entry in found["history"]] == ["Choose\nbetter.", "Choose well."]
    assert found["shipped"] == builtin_prompts()["routing"]
    assert door.service.registry.snapshot.routing_prompt == "Choose\nbetter."


async def test_the_shipped_text_is_the_way_back(door, pool):
    await door.http.put("/prompts/judge", json={"text": "Be kind."})
    shipped = builtin_prompts()["judge"]
    answer = (await door.http.put("/prompts/judge", json={"text": shipped})).json()
    assert (answer["text"], answer["edited"], answer["version"]) == (shipped, False, 0)
    assert "judge" not in await prompts.current_prompts(pool)
    assert len(answer["history"]) == 2


@pytest.mark.parametrize("body", [{}, {"text": " "}, {"text": None}, {"text": 5}])
async def test_a_prompt_must_be_text(door, body):
    answer = await door.http.put("/prompts/judge", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "text")


async def test_an_unknown_prompt_is_not_found_and_the_known_are_named(door):
    for method in ("GET", "PUT"):
        answer = await door.http.request(method, "/prompts/none", json={"text": "x"})
        assert answer.status_code == 404
        assert "routing" in answer.json()["error"]["message"]
