"""The benchmark tasks through Touchstone's own doors."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.store import tasks
from core.suite import builtin_tasks
from tests.serve.test_fuzz import ANYTHING

TASK = {"id": "mine", "category": "reasoning", "prompt": "1+1?", "scoring": "deterministic",
        "expected": 2, "match": "number"}  # fmt: skip


@pytest.fixture
async def made(door):
    answer = await door.http.post("/benchmark-tasks", json=TASK)
    assert answer.status_code == 201
    return door


@pytest.fixture
async def shipped(door, pool):
    task = builtin_tasks()[0]
    await tasks.seed_tasks(pool, [task])
    return task


async def test_a_task_is_added_and_read_back(door):
    answer = await door.http.post("/benchmark-tasks", json=TASK)
    expected = {**TASK, "enabled": True, "version": 1, "builtin": False}
    assert (answer.status_code, answer.json()) == (201, expected)
    assert (await door.http.get(answer.headers["location"])).json() == expected


async def test_an_id_is_taken_once_and_free_again_when_deleted(made):
    again = await made.http.post("/benchmark-tasks", json=TASK)
    assert (again.status_code, again.json()["error"]["param"]) == (409, "id")
    assert (await made.http.delete("/benchmark-tasks/mine")).json()["status"] == "deleted"
    assert (await made.http.get("/benchmark-tasks/mine")).status_code == 404
    back = await made.http.post("/benchmark-tasks", json={**TASK, "prompt": "2+0?"})
    assert (back.status_code, back.json()["version"]) == (201, 2)


async def test_tasks_are_filtered_by_category_and_use(made):
    other = {**TASK, "id": "other", "category": "coding", "enabled": False}
    await made.http.post("/benchmark-tasks", json=other)
    for query, ids in (
        ("", ["other", "mine"]),
        ("?category=reasoning", ["mine"]),
        ("?enabled=false", ["other"]),
        ("?enabled=true&category=coding", []),
    ):
        found = (await made.http.get(f"/benchmark-tasks{query}")).json()
        assert ([task["id"] for task in found["tasks"]], found["count"]) == (ids, len(ids))
        assert found["categories"] == ["coding", "reasoning"]
    wrong = await made.http.get("/benchmark-tasks?enabled=maybe")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "enabled")


async def test_another_content_makes_a_new_version_and_the_same_none(made):
    body = {name: value for name, value in TASK.items() if name != "id"}
    for prompt, version in (("1+1?", 1), ("1 + 1 = ?", 2), ("1 + 1 = ?", 2)):
        answer = await made.http.put("/benchmark-tasks/mine", json={**body, "prompt": prompt})
        assert (answer.status_code, answer.json()["version"]) == (200, version)
    without = {name: value for name, value in body.items() if name != "match"}
    answer = (await made.http.put("/benchmark-tasks/mine", json=without)).json()
    assert (answer["version"], "match" in answer) == (3, False)


async def test_a_task_is_switched_without_a_new_version_and_stays_as_it_is(made, pool):
    answer = await made.http.put("/benchmark-tasks/mine", json={"enabled": False})
    assert answer.json() == {**TASK, "enabled": False, "version": 1, "builtin": False}
    edited = await made.http.put("/benchmark-tasks/mine", json={**TASK, "prompt": "2?"})
    assert (edited.json()["enabled"], edited.json()["version"]) == (False, 2)
    assert not await tasks.list_tasks(pool, enabled_only=True)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": " "}, "prompt"),
        ({"category": None}, "category"),
        ({"scoring": "vibes"}, "scoring"),
        ({"expected": None}, "expected"),
        ({"match": "guess"}, "match"),
        ({"enabled": "no"}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"scoring": "format"}, "validators"),
        ({"scoring": "llm-judge", "criteria": [{"name": "a"}], "strictness": 9}, "strictness"),
        ({"id": "a b"}, "id"),
    ],
)
async def test_what_is_wrong_with_a_task_is_named(made, change, param):
    for method, path in (("POST", "/benchmark-tasks"), ("PUT", "/benchmark-tasks/mine")):
        body = TASK | {"id": "other" if method == "POST" else "mine"} | change
        answer = await made.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert (await made.http.get("/benchmark-tasks")).json()["count"] == 1


async def test_a_builtin_is_disabled_and_reset_but_not_deleted(door, shipped):
    place = f"/benchmark-tasks/{shipped.id}"
    refused = await door.http.delete(place)
    assert refused.status_code == 409
    for remedy in ("disable", "reset"):
        assert remedy in refused.json()["error"]["message"]
    original = (await door.http.get(place)).json()
    assert original["builtin"]
    edited = {**original, "prompt": "other", "enabled": False}
    assert (await door.http.put(place, json=edited)).json()["version"] == 2
    answer = (await door.http.post(f"{place}/reset")).json()
    assert answer == {**original, "version": 3}


async def test_what_did_not_ship_has_nothing_to_go_back_to(made):
    answer = await made.http.post("/benchmark-tasks/mine/reset")
    assert (answer.status_code, "mine" in answer.json()["error"]["message"]) == (409, True)
    for method, path in (("POST", "/benchmark-tasks/none/reset"), ("PUT", "/benchmark-tasks/none"),
                         ("DELETE", "/benchmark-tasks/none")):  # fmt: skip
        assert (await made.http.request(method, path, json=TASK)).status_code == 404


async def test_whatever_is_sent_as_a_task_is_kept_or_refused(door):
    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.fixed_dictionaries(
            {
                "id": st.text(max_size=3) | ANYTHING,
                "category": st.text(max_size=3) | ANYTHING,
                "prompt": st.text(max_size=3) | ANYTHING,
                "scoring": st.sampled_from(["deterministic", "format", "llm-judge"]),
            },
            optional={
                "expected": ANYTHING,
                "match": st.sampled_from(["contains", "exact", "number", "regex"]) | ANYTHING,
                "tolerance": ANYTHING,
                "validators": st.lists(st.fixed_dictionaries({"name": ANYTHING}), max_size=2),
                "criteria": st.lists(st.fixed_dictionaries({"name": ANYTHING}), max_size=2),
                "strictness": ANYTHING,
                "enabled": ANYTHING,
            },
        )
    )
    def bodies(body):
        found.append(json.dumps(body).encode())

    found: list[bytes] = []
    bodies()
    kept = 0
    for content in found:
        answer = await door.http.post("/benchmark-tasks", content=content)
        assert answer.status_code in (201, 400, 409), content
        kept += answer.status_code == 201
    listed = await door.http.get("/benchmark-tasks")
    assert (listed.status_code, listed.json()["count"]) == (200, kept)
