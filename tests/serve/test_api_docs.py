"""/openapi.json and /docs: all that is served, and what they say is so."""

import re

import pytest
from jsonschema import Draft202012Validator

from core.records import Run
from core.store import runs
from serve.app import _CHAT, _ROUTES
from serve.openapi import document
from tests.door import open_door

DOCUMENT = document(_ROUTES, _CHAT)
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def is_page(operation):
    return operation["tags"] == ["Admin pages"]


def filled(path):
    """The path with something in place of its parts: a model and a prompt that there are."""
    path = path.replace("{name}", "p%2Fgood").replace("{key}", "judge")
    return re.sub(r"{\w+}", "none", path)


@pytest.mark.parametrize(("methods", "path"), [(m, p) for m, p, _ in _ROUTES])
def test_every_route_is_in_the_document(methods, path):
    pattern = re.sub(r"<\w+:\w+>", r"[^/]+", path)
    pattern = re.sub(r"<\w+:(\([\w|]+\))>", r"\1", pattern)
    found = {(m, p) for m, p, _ in OPERATIONS if re.fullmatch(pattern, p)}
    assert {method for method, _ in found} >= set(methods.split())


def test_the_document_is_whole():
    assert DOCUMENT["openapi"] == "3.1.0"
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    shapes = [re.sub(r"{\w+}", "{}", path) for path in DOCUMENT["paths"]]
    assert len(shapes) == len(set(shapes))
    for _, path, operation in OPERATIONS:
        declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        for content in operation.get("requestBody", {}).get("content", {}).values():
            Draft202012Validator.check_schema(content["schema"])
    for name in re.findall(r"#/components/schemas/(\w+)", str(DOCUMENT)):
        Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


async def test_the_document_is_served(door):
    answer = await door.http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT


async def test_the_admin_key_is_asked_for_where_the_document_says_so(pool, url):
    async with open_door(pool, url, admin_api_key="k") as door:
        for method, path, operation in OPERATIONS:
            if not is_page(operation):
                security = operation.get("security", [])
                answer = await door.http.request(method, filled(path), json={})
                needs = {"adminKey": []} in security and {} not in security
                assert (answer.status_code == 401) == needs, (method, path)


async def test_what_the_document_says_is_needed_is_missed(door):
    missed = 0
    for method, path, operation in OPERATIONS:
        content = operation.get("requestBody", {}).get("content", {})
        needed = content.get("application/json", {"schema": {}})["schema"].get("required")
        if needed:
            answer = await door.http.request(method, filled(path), json={})
            param = answer.json()["error"]["param"]
            assert (answer.status_code, param in needed) == (400, True), path
            missed += 1
    assert missed >= 3


async def test_good_answers_have_the_status_and_the_kind_that_are_told(door, pool):
    await runs.start_run(pool, Run(id="none", flow="run_benchmarks", state="running"))
    await runs.finish_run(pool, "none", "completed")
    seen = 0
    for method, path, operation in OPERATIONS:
        told = operation["responses"].get("200")
        if method == "GET" and told and not is_page(operation):
            answer = await door.http.get(filled(path))
            if answer.status_code == 200 and path not in ("/", "/metrics"):
                kind = answer.headers["content-type"].partition(";")[0]
                assert [kind] == list(told["content"]), path
                seen += 1
    assert seen >= 20


async def test_the_page_names_every_door_and_loads_nothing_from_elsewhere(door):
    answer = await door.http.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for method, path, operation in OPERATIONS:
        assert f"<code>{method} {path}</code>" in answer.text
        assert f'id="{operation["operationId"]}"' in answer.text
    assert not re.search(r"<script|style=|https?://|javascript:", answer.text)
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text):
        assert (await door.http.get(address)).status_code == 200
    for anchor in re.findall(r'href="#([^"]+)"', answer.text):
        assert f'id="{anchor}"' in answer.text
