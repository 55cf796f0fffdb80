"""What a door says of itself beside its docstring; the OpenAPI document is made of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

#: JSON Schema, as OpenAPI 3.1 has it
Schema = Mapping[str, Any]
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What cannot be read off a handler's name, address and docstring."""

    #: what its body holds; None: it takes none
    body: Schema | None = None
    #: whether it may be called without one
    optional: bool = False
    #: name → meaning of what stands behind the question mark
    query: Mapping[str, str] = field(default_factory=dict)
    #: of a good answer
    status: int = 200
    answer: str = ""
    media: str = "application/json"
    #: whether it needs the admin key
    admin: bool = False
    #: all values that the one part of its address may take, where they are a closed set
    choices: tuple[str, ...] = ()


_told: dict[Any, Operation] = {}


def described(operation: Operation) -> Callable[[Handler], Handler]:
    """Note what the decorated handler says of itself; the handler stays as it is."""

    def note(handler: Handler) -> Handler:
        _told[handler] = operation
        return handler

    return note


def operation_of(handler: Any) -> Operation | None:
    return _told.get(handler)


def value(kind: str | list[str], meaning: str, **more: Any) -> Schema:
    """The schema of one field: ``kind`` is JSON Schema's ``type``."""
    return {"type": kind, "description": meaning, **more}


def fields(*, required: tuple[str, ...] = (), **properties: Schema) -> dict[str, Any]:
    """The schema of an object."""
    return {"type": "object", "properties": properties, "required": list(required)}
