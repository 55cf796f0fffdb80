"""The OpenAPI 3.1 document, made of the routes, the docstrings and what the handlers say of
themselves; nothing of it is written twice."""

import re
from collections.abc import Callable, Iterator, Sequence
from inspect import getdoc
from typing import Any

from serve.operations import Operation, Schema, operation_of

Route = tuple[str, str, Callable[..., Any]]

_TITLE = "Touchstone"
_ABOUT = (
    "Routes every prompt to the model that answers best for you. Every answer carries "
    "`x-touchstone-model`, `-outcome`, `-cache`, `-decision-id` and `x-request-id` where it was "
    "routed; errors come in the dialect of their endpoint."
)
#: beginnings of addresses, of which the longest counts → the group they stand in, the error of its
#: dialect, and whose dialect it is
_GROUPS = {
    "/v1/": ("OpenAI's dialect", "Error", "OpenAI's API"),
    "/v1/messages": ("Anthropic's dialect", "AnthropicError", "Anthropic's API"),
    "/api/": ("Ollama's dialect", "OllamaError", "Ollama's API"),
    "/chat": ("Routing", "Error", ""),
    "/route": ("Routing", "Error", ""),
    "/models": ("Models", "Error", ""),
    "/benchmark": ("Benchmarks", "Error", ""),
    "/runs": ("Runs", "Error", ""),
    "/prompts": ("Prompts", "Error", ""),
    "/": ("Service", "Error", ""),
    "/admin": ("Admin pages", "", ""),
}
_PART = re.compile(r"<(\w+):(?:\(([\w|]+)\)|\w+)>")
_PARTS = {
    "name": "the model: `provider/name`, URL-encoded, or a bare name",
    "run_id": "the run",
    "task_id": "the task",
    "key": "the prompt",
}
_TEXT: Schema = {"type": "string"}
_SCHEMAS: dict[str, Schema] = {
    "Error": {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "message": _TEXT,
                    "type": _TEXT,
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "null"]},
                },
            }
        },
    },
    "AnthropicError": {
        "type": "object",
        "properties": {
            "type": {"const": "error"},
            "error": {"type": "object", "properties": {"type": _TEXT, "message": _TEXT}},
        },
    },
    "OllamaError": {"type": "object", "properties": {"error": _TEXT}},
}
_KEYS = {
    "adminKey": {"type": "apiKey", "in": "header", "name": "X-API-Key",
                 "description": "ADMIN_API_KEY; while none is set, this machine alone may"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "the same key"},
    "session": {"type": "apiKey", "in": "cookie", "name": "touchstone_session",
                "description": "by POST /admin/login"},
}  # fmt: skip


def document(routes: Sequence[Route], locked: frozenset[str]) -> dict[str, Any]:
    """The document for ``routes``; ``locked``: what REQUIRE_AUTH_FOR_CHAT locks."""
    paths: dict[str, dict[str, Any]] = {}
    for methods, address, handler in routes:
        for path, chosen in _addresses(address, operation_of(handler)):
            for method in methods.lower().split():
                suffix = [word for word in (chosen, method if " " in methods else "") if word]
                found = _operation(path, method, handler, "_".join(suffix))
                if path.strip("/") in locked:
                    found["security"] = [{}, {"adminKey": []}, {"bearer": []}]
                paths.setdefault(path, {})[method] = found
    names = dict.fromkeys(group for group, _, _ in _GROUPS.values())
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": "1", "description": _ABOUT},
        "tags": [{"name": name} for name in names],
        "paths": paths,
        "components": {"schemas": _SCHEMAS, "securitySchemes": _KEYS},
    }


def _addresses(address: str, operation: Operation | None) -> Iterator[tuple[str, str]]:
    """The address with ``{parts}``, or one for each value where a part is a closed set."""
    choices = operation.choices if operation else ()
    for part in _PART.finditer(address):
        if part[2] or choices:
            for chosen in choices or part[2].split("|"):
                yield address.replace(part[0], chosen), chosen
            return
    yield _PART.sub(r"{\1}", address), ""


def _operation(path: str, method: str, handler: Callable[..., Any], suffix: str) -> dict[str, Any]:
    told = operation_of(handler)
    group, error, dialect = _GROUPS[max(filter(path.startswith, _GROUPS), key=len)]
    name = f"{handler.__module__.removeprefix('serve.')}_{handler.__name__}".replace(".", "_")
    summary, about = _words(handler)
    found: dict[str, Any] = {
        "operationId": f"{name}_{suffix}" if suffix else name,
        "tags": [group],
        "summary": summary,
        "parameters": _parameters(path, told),
        "responses": _responses(told, group, error, dialect),
    }
    if about:
        found["description"] = about
    if body := _body(told, method, group, dialect):
        found["requestBody"] = body
    if told and told.admin:
        found["security"] = [{"adminKey": []}, {"bearer": []}]
    elif group == "Admin pages" and not path.endswith("/login"):
        found["security"] = [{"session": []}, {"adminKey": []}, {"bearer": []}]
    return found


def _words(handler: Callable[..., Any]) -> tuple[str, str]:
    """What the docstring says in its first paragraph, after the address; and in the others."""
    first, _, rest = (getdoc(handler) or "").replace("``", "`").partition("\n\n")
    _, _, said = " ".join(first.split()).partition(": ")
    return said[:1].upper() + said[1:].removesuffix("."), rest


def _parameters(path: str, told: Operation | None) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT,
         "description": _PARTS.get(name, name)}
        for name in re.findall(r"{(\w+)}", path)
    ]  # fmt: skip
    in_query = [
        {"name": name, "in": "query", "schema": _TEXT, "description": meaning}
        for name, meaning in (told.query if told else {}).items()
    ]
    return in_path + in_query


def _body(told: Operation | None, method: str, group: str, dialect: str) -> dict[str, Any] | None:
    if told:
        if told.body is None:
            return None
        content = {"application/json": {"schema": told.body}}
        return {"required": not told.optional, "content": content}
    if method != "post":
        return None
    if group == "Admin pages":
        return {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
    schema = {"type": "object", "description": f"as {dialect} has it"}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _responses(told: Operation | None, group: str, error: str, dialect: str) -> dict[str, Any]:
    media = "text/html" if group == "Admin pages" else "application/json"
    good: dict[str, Any] = {
        "description": _answer(told, dialect),
        "content": {told.media if told else media: {}},
    }
    found = {str(told.status if told else 200): good}
    if error:
        schema = {"$ref": f"#/components/schemas/{error}"}
        found["default"] = {
            "description": "What is wrong, with the remedy",
            "content": {"application/json": {"schema": schema}},
        }
    return found


def _answer(told: Operation | None, dialect: str) -> str:
    if told and told.answer:
        return told.answer
    return f"as {dialect} has it" if dialect else "see above"
