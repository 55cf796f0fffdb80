"""The admin: pages that work without JavaScript, behind a lock, under a strict policy."""

import hashlib
import re
from pathlib import Path

import pytest

from core.records import Run, Task
from core.store import prompts, runs, tasks
from core.store.models import get_model, upsert_discovered
from tests.door import open_door
from tests.serve.test_native import store_scores

OURS = {"origin": "null", "sec-fetch-site": "same-origin"}
VENDOR = Path(__file__).parent.parent.parent / "serve" / "static" / "vendor"


@pytest.fixture
async def admin(door):
    door.http.headers.update(OURS)
    return door


async def test_the_page_shows_models_tags_scores_and_switches(admin, pool):
    await store_scores(pool, {"good": 10.0})
    await admin.service.registry.refresh()
    page = (await admin.http.get("/admin")).text
    for shown in ("good", "fast", "math", "10.0", "n=3", "100 ms", 'role="switch"', "Discover"):
        assert shown in page


async def test_pages_forbid_inline_scripts_and_styles_and_hold_none(admin):
    for path in ("/admin", "/admin/config", "/admin/tasks/new", "/admin/prompts/judge"):
        answer = await admin.http.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?! src)|style=|hx-on|javascript:", answer.text)


async def test_a_model_called_script_is_text(admin, pool):
    await upsert_discovered(pool, "p", {"<script>alert(1)</script>": {}, "good": {}, "fast": {}})
    await admin.service.registry.refresh()
    page = (await admin.http.get("/admin")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


async def test_the_switch_works_with_and_without_htmx(admin, pool):
    form = {"id": "p/good", "enabled": "false"}
    plain = await admin.http.post("/admin/models/enable", data=form)
    assert (plain.status_code, plain.headers["location"]) == (303, "/admin")
    assert (await get_model(pool, "p", "good")).enabled is False
    upgraded = await admin.http.post(
        "/admin/models/enable", data={**form, "enabled": "true"}, headers={"hx-request": "true"}
    )
    assert 'aria-checked="true"' in upgraded.text
    assert "<html" not in upgraded.text


async def test_forms_from_elsewhere_are_refused(door):
    form = {"id": "p/good", "enabled": "false"}
    for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
        refused = await door.http.post("/admin/models/enable", data=form, headers=headers)
        assert refused.status_code == 401
    host = door.url.removeprefix("http://")
    accepted = await door.http.post(
        "/admin/models/enable", data=form, headers={"origin": f"http://{host}"}
    )
    assert accepted.status_code == 303


async def test_a_strangers_name_for_this_machine_opens_nothing(door):
    answer = await door.http.get("/admin", headers={"host": "evil.example"})
    assert answer.status_code == 401
    cross = {"sec-fetch-site": "cross-site"}
    refused = await door.http.post("/models/discover", headers=cross)
    assert refused.status_code == 401


async def test_with_an_admin_key_a_session_is_needed(pool, url):
    async with open_door(pool, url, admin_api_key="key") as door:
        door.http.headers.update(OURS)
        asked = await door.http.get("/admin")
        assert (asked.status_code, asked.headers["location"]) == (303, "/admin/login")
        assert (await door.http.post("/admin/login", data={"key": "no"})).status_code == 422
        entered = await door.http.post("/admin/login", data={"key": "key"})
        cookie = entered.headers["set-cookie"]
        assert entered.status_code == 303
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "key" not in cookie.split("=", 1)[1].split(";")[0]
        session = cookie.split(";")[0]
        assert (await door.http.get("/admin", headers={"cookie": session})).status_code == 200
        forged = session[:-3] + "abc"
        assert (await door.http.get("/admin", headers={"cookie": forged})).status_code == 303
        by_key = await door.http.get("/admin", headers={"x-api-key": "key"})
        assert by_key.status_code == 200


async def test_a_run_that_cannot_start_says_why_in_place(admin):
    answer = await admin.http.post("/admin/start/discover", headers={"hx-request": "true"})
    assert "PREFECT_API_URL" in answer.text
    assert "<html" not in answer.text
    plain = await admin.http.post("/admin/start/discover")
    assert plain.status_code == 503
    assert "<html" in plain.text


async def test_a_run_shows_its_progress_live_and_ends_its_stream(admin, pool):
    await runs.start_run(pool, Run(id="r1", flow="run_benchmarks", state="running"))
    await runs.progress(pool, "r1", total=8, completed=3, failed=1, current_model="p/good")
    page = (await admin.http.get("/admin")).text
    assert 'hx-sse:connect="/admin/runs/r1/events"' in page
    assert "3 of 8" in page
    await runs.finish_run(pool, "r1", "completed")
    stream = (await admin.http.get("/admin/runs/r1/events")).text
    assert stream.startswith("id: 1\ndata: <progress")
    assert stream.endswith("event: done\ndata: done\n\n")
    assert (await admin.http.get("/admin/runs/r1")).status_code == 200
    assert (await admin.http.get("/admin/runs/none")).status_code == 404


TASK = {"id": "mine", "category": "reasoning", "prompt": "1+1?", "scoring": "deterministic",
        "spec": "expected: 2\nmatch: number", "enabled": "true"}  # fmt: skip


async def test_a_task_is_made_edited_and_kept_in_versions(admin, pool):
    made = await admin.http.post("/admin/tasks/save", data={**TASK, "new": "yes"})
    assert made.status_code == 303
    again = await admin.http.post("/admin/tasks/save", data={**TASK, "new": "yes"})
    assert again.status_code == 422
    await admin.http.post("/admin/tasks/save", data={**TASK, "prompt": "1 + 1 = ?"})
    task = await tasks.get_task(pool, "mine")
    assert (task.version, task.prompt) == (2, "1 + 1 = ?")
    assert "1 + 1 = ?" in (await admin.http.get("/admin/tasks/mine")).text
    await admin.http.post("/admin/tasks/enable", data={"id": "mine", "enabled": "false"})
    assert (await tasks.get_task(pool, "mine")).enabled is False
    await admin.http.post("/admin/tasks/delete", data={"id": "mine"})
    assert await tasks.get_task(pool, "mine") is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"spec": "expected: ["}, "not YAML"),
        ({"spec": "- a"}, "names with values"),
        ({"spec": "match: number"}, "expected must hold"),
        ({"prompt": " "}, "prompt must be text"),
        ({"scoring": "vibes"}, "scoring must be one of"),
    ],
)
async def test_a_wrong_task_comes_back_with_its_error_and_what_was_typed(admin, change, says):
    answer = await admin.http.post("/admin/tasks/save", data={**TASK, **change})
    assert answer.status_code == 422
    assert says in answer.text
    assert "mine" in answer.text


async def test_a_builtin_task_goes_back_to_its_shipped_text(admin, pool):
    from core.suite import builtin_tasks

    await tasks.seed_tasks(pool, builtin_tasks())
    shipped = builtin_tasks()[0]
    edited = Task(**{f: getattr(shipped, f) for f in shipped.__slots__} | {"prompt": "other"})
    await tasks.save_task(pool, edited)
    await admin.http.post("/admin/tasks/reset", data={"id": shipped.id})
    found = await tasks.get_task(pool, shipped.id)
    assert (found.prompt, found.version) == (shipped.prompt, 3)


async def test_prompts_are_edited_restored_and_keep_their_history(admin, pool):
    saved = await admin.http.post("/admin/prompts/routing", data={"text": "Choose well."})
    assert saved.status_code == 303
    assert (await prompts.current_prompts(pool))["routing"].text == "Choose well."
    await admin.service.registry.refresh()
    assert admin.service.registry.snapshot.routing_prompt == "Choose well."
    empty = await admin.http.post("/admin/prompts/routing", data={"text": "  "})
    assert empty.status_code == 422
    await admin.http.post("/admin/prompts/routing/restore")
    assert "routing" not in await prompts.current_prompts(pool)
    assert "Version 1" in (await admin.http.get("/admin/prompts/routing")).text


async def test_vendored_files_are_what_they_are_said_to_be(admin):
    rows = re.findall(
        r"\| (\S+\.(?:js|css)) \|.*\| ([0-9a-f]{64}) \|", (VENDOR / "VENDORED.md").read_text()
    )
    assert {name for name, _ in rows} == {p.name for p in VENDOR.iterdir() if p.suffix != ".md"}
    for name, digest in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
        assert (await admin.http.get(f"/static/vendor/{name}")).status_code == 200


async def test_a_run_that_had_nothing_to_do_says_so(admin, pool):
    await runs.start_run(pool, Run(id="r1", flow="interview_models", state="running"))
    await runs.finish_run(pool, "r1", "completed")
    stream = (await admin.http.get("/admin/runs/r1/events")).text
    assert "nothing to do" in stream
    assert "<progress" not in stream


@pytest.mark.parametrize(
    "change",
    [
        {"spec": "expected: 2020-01-01"},
        {"spec": "expected: .nan"},
        {"spec": "expected: &a [*a]"},
        {"spec": "expected: x\nnote: !!binary aGk="},
        {"spec": "expected: 0x" + "f" * 5000},
        {"spec": "validators: [{name: [a]}]", "scoring": "format"},
        {"spec": "validators: [{name: json_object, keys: 5}]", "scoring": "format"},
        {"spec": "validators: [{name: json_object, types: {a: nope}}]", "scoring": "format"},
        {"spec": "validators: [{name: json_schema, schema: {type: nope}}]", "scoring": "format"},
        {"prompt": "a\x00b"},
        {"id": "a\x00b"},
        {"id": "."},
        {"id": "save"},
        {"id": "x" * 10_000},
    ],
)
async def test_a_task_that_cannot_be_kept_or_scored_is_refused(admin, change):
    form = {"id": "mine", "category": "reasoning", "prompt": "1+1?", "new": "1",
            "scoring": "deterministic", "spec": "expected: 2", "enabled": "true"}  # fmt: skip
    answer = await admin.http.post("/admin/tasks/save", data=form | change)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


async def test_odd_headers_open_nothing_and_break_nothing(admin):
    assert (await admin.http.get("/admin", headers={"host": "[::1"})).status_code in (400, 401)
    answer = await admin.http.post("/admin/tasks/enable", headers={"origin": "http://["})
    assert answer.status_code < 500
    assert (await admin.http.get("/admin?run=%00")).status_code == 400
    text = {"text": "a\x00b"}
    assert (await admin.http.post("/admin/prompts/routing", data=text)).status_code in (400, 422)


async def test_a_cookie_of_many_digits_is_no_session(pool, url):
    async with open_door(pool, url, admin_api_key="key") as door:
        cookie = {"cookie": f"touchstone_session={'9' * 5000}.x"}
        assert (await door.http.get("/admin", headers=cookie)).status_code == 303
