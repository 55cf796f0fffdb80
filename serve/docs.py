"""/openapi.json and /docs: what every door takes and gives, read without any network."""

from collections.abc import Mapping
from typing import Any

from sanic import HTTPResponse, Request
from sanic.response import html

from serve.admin.render import HEADERS, render
from serve.operations import Operation, described
from serve.reply import send_json


@described(Operation(answer="OpenAPI 3.1"))
async def openapi(request: Request) -> HTTPResponse:
    """GET /openapi.json: this interface, for programs."""
    return send_json(request.app.ctx.openapi)


@described(Operation(answer="a page", media="text/html"))
async def docs(request: Request) -> HTTPResponse:
    """GET /docs: this interface, for people."""
    return html(render("pages/docs.html", docs_context(request.app.ctx.openapi)), headers=HEADERS)


def docs_context(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document by groups, as the page shows it."""
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(_shown(path, method, operation))
    return {
        "about": _marked(document["info"]["description"]),
        "groups": [
            {"name": name, "id": name.lower().replace(" ", "-").replace("'", ""), "doors": doors}
            for name, doors in groups.items()
            if doors
        ],
    }


def _shown(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    status, good = next(iter(operation["responses"].items()))
    ((media, _),) = good["content"].items()
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": _marked(operation["summary"]),
        "about": [_marked(part) for part in operation.get("description", "").split("\n\n") if part],
        "access": _access(operation.get("security", [])),
        "fields": [*map(_parameter, operation["parameters"]), *_body(operation)],
        "answer": {"status": status, "media": media, "words": _marked(good["description"])},
    }


def _access(security: list[Mapping[str, Any]]) -> str:
    if not security:
        return ""
    if {} in security:
        return "Open, unless REQUIRE_AUTH_FOR_CHAT asks for the admin key."
    session = " or a session" if {"session": []} in security else ""
    return f"Needs the admin key{session}."


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter["name"],
        "place": "address" if parameter["in"] == "path" else "query",
        "kind": "text",
        "needed": parameter.get("required", False),
        "words": _marked(parameter["description"]),
    }


def _body(operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    found = []
    for media in content.values():
        schema = media["schema"]
        if "description" in schema:
            found.append({"name": "", "place": "body", "kind": "object", "needed": True,
                          "words": _marked(schema["description"])})  # fmt: skip
        for name, entry in schema.get("properties", {}).items():
            found.append(
                {
                    "name": name,
                    "place": "body",
                    "kind": _kind(entry),
                    "needed": name in schema.get("required", ()),
                    "words": _marked(_limits(entry)),
                }
            )
    return found


_KINDS: Mapping[str, str] = {
    "string": "text",
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
}

_BOUNDS = (("from", "minimum"), ("to", "maximum"))


def _kind(schema: Mapping[str, Any]) -> str:
    told = schema["type"]
    kinds: list[str] = told if isinstance(told, list) else [told]
    return " or ".join(_KINDS.get(kind, kind) for kind in kinds)


def _limits(schema: Mapping[str, Any]) -> str:
    """The meaning, with the values allowed and the one taken for none."""
    words = [schema["description"]]
    if "enum" in schema:
        words.append("one of " + ", ".join(f"`{entry}`" for entry in schema["enum"]))
    bounds = [f"{word} {schema[key]}" for word, key in _BOUNDS if key in schema]
    if bounds:
        words.append(" ".join(bounds))
    if "default" in schema:
        words.append(f"else `{schema['default']}`")
    return "; ".join(words)


def _marked(text: str) -> list[dict[str, Any]]:
    """Pieces of a text: what stands between backticks is code."""
    pieces = " ".join(text.split()).split("`")
    return [{"text": piece, "code": number % 2 == 1} for number, piece in enumerate(pieces)]
