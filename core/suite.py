"""What ships with Touchstone: benchmark tasks as YAML, prompts as Markdown; and reading tasks."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml
from jsonschema.exceptions import SchemaError

from core.checks import VALIDATORS
from core.errors import BadRequest
from core.records import Scoring, Task

_DEFAULTS = Path(__file__).parent / "defaults"
CATEGORIES = (
    "coding",
    "coding-security",
    "creative-writing",
    "factual-qa",
    "instruction-following",
    "reasoning",
    "summarization",
)
_ID = re.compile(r"\w[\w.:+-]{0,119}")
#: addresses of the admin beside those of the tasks
_RESERVED = frozenset({"new", "save", "enable", "reset", "delete"})
#: answers on which a validator shows whether its arguments will do
_PROBES = ("probe", '{"probe": 1}', "")
_MATCHES = ("contains", "exact", "number", "regex")
#: what a task may say beside id, category, prompt, scoring and enabled
_SPEC = (
    *("expected", "match", "tolerance", "validators", "criteria", "strictness", "reference"),
    *("difficulty", "note"),
)


@cache
def builtin_prompts() -> Mapping[str, str]:
    """Key → the shipped text of each editable prompt."""
    return {path.stem: path.read_text().strip() for path in (_DEFAULTS / "prompts").glob("*.md")}


def builtin_tasks() -> list[Task]:
    """The shipped suite."""
    entries = [
        entry
        for path in sorted((_DEFAULTS / "tasks").glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text())
    ]
    return [parse_task(entry, builtin=True) for entry in entries]


def parse_task(entry: Any, *, builtin: bool = False) -> Task:
    """A task from its YAML, JSON or form; `BadRequest` names the task, the field and the remedy."""
    if not isinstance(entry, Mapping):
        raise BadRequest("a task must be an object with id, category, prompt and scoring")
    name = entry.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name.strip()) or name.strip() in _RESERVED:
        raise BadRequest(
            "a task needs an id: letters, digits and . _ : + - within, at most 120 characters",
            param="id",
        )
    for key in ("category", "prompt"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise BadRequest(f"task {name}: {key} must be text, and not empty", param=key)
    if entry.get("scoring") not in get_args(Scoring):
        allowed = ", ".join(get_args(Scoring))
        raise BadRequest(f"task {name}: scoring must be one of {allowed}", param="scoring")
    spec = {key: entry[key] for key in _SPEC if entry.get(key) not in (None, "")}
    _must_be_json(name, [entry["category"], entry["prompt"], spec])
    _CHECKS[entry["scoring"]](name, spec)
    return Task(
        id=name.strip(),
        category=entry["category"].strip(),
        prompt=entry["prompt"].strip(),
        scoring=entry["scoring"],
        enabled=bool(entry.get("enabled", True)),
        builtin=builtin,
        spec=spec,
    )


def _must_be_json(name: str, found: Any) -> None:
    """YAML holds more than JSON does: dates, sets, aliases to itself, NaN."""
    try:
        text = json.dumps(found, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise BadRequest(
            f"task {name}: only text, numbers, lists and objects can be kept; put a date in quotes"
        ) from exc
    if "\\u0000" in text:
        raise BadRequest(f"task {name}: NUL characters cannot be kept")


def _check_deterministic(name: str, spec: Mapping[str, Any]) -> None:
    expected = spec.get("expected")
    options = expected if isinstance(expected, list) else [expected]
    if not options or any(option is None or str(option) == "" for option in options):
        raise BadRequest(f"task {name}: expected must hold at least one answer", param="expected")
    match = spec.get("match", "contains")
    if match not in _MATCHES:
        raise BadRequest(f"task {name}: match must be one of {', '.join(_MATCHES)}", param="match")
    if match == "regex":
        _patterns(name, options)
    if match == "number":
        _numbers(name, [*options, spec.get("tolerance", 0)])


def _patterns(name: str, found: list[Any]) -> None:
    try:
        [re.compile(str(pattern)) for pattern in found]
    except re.error as exc:
        raise BadRequest(f"task {name}: expected is no regex: {exc}", param="expected") from exc


def _numbers(name: str, found: list[Any]) -> None:
    try:
        [float(value) for value in found]
    except (TypeError, ValueError) as exc:
        raise BadRequest(
            f"task {name}: match number needs numbers as expected and tolerance", param="expected"
        ) from exc


def _check_format(name: str, spec: Mapping[str, Any]) -> None:
    validators = spec.get("validators")
    if not isinstance(validators, list) or not validators:
        raise BadRequest(f"task {name}: validators must be a list", param="validators")
    for entry in validators:
        kind = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(kind, str) or kind not in VALIDATORS:
            known = ", ".join(VALIDATORS)
            raise BadRequest(f"task {name}: each validator needs a name of {known}", param="name")
        try:
            [VALIDATORS[kind](answer, entry) for answer in _PROBES]
        except (LookupError, TypeError, ValueError, AttributeError, SchemaError) as exc:
            raise BadRequest(
                f"task {name}: validator {kind} lacks or mistakes the argument {_line(exc)}",
                param="validators",
            ) from exc


def _line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0]


def _check_judged(name: str, spec: Mapping[str, Any]) -> None:
    criteria = spec.get("criteria")
    if not isinstance(criteria, list) or not criteria:
        raise BadRequest(f"task {name}: criteria must be a list", param="criteria")
    names = [entry.get("name") for entry in criteria if isinstance(entry, Mapping)]
    if len(names) != len(criteria) or not all(isinstance(n, str) and n for n in names):
        raise BadRequest(f"task {name}: each criterion needs a name", param="criteria")
    if len(set(names)) != len(names):
        raise BadRequest(f"task {name}: criteria must have different names", param="criteria")
    if spec.get("strictness", 3) not in range(1, 6):
        raise BadRequest(f"task {name}: strictness goes from 1 to 5", param="strictness")


_CHECKS = {
    "deterministic": _check_deterministic,
    "format": _check_format,
    "llm-judge": _check_judged,
}


def task_to_dict(task: Task) -> dict[str, Any]:
    """The task as its YAML and JSON show it."""
    return {
        "id": task.id,
        "category": task.category,
        "prompt": task.prompt,
        "scoring": task.scoring,
        "enabled": task.enabled,
        "version": task.version,
        "builtin": task.builtin,
        **task.spec,
    }
