"""Runs one client's scenarios against the service and prints a JSON line for each.

A scenario is an async function that returns what it saw, and raises when that was not what a user
of the client may expect. It may run once for each of several models.
"""

import argparse
import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

GIVEN = json.loads((Path(__file__).parent / "given.json").read_text())
QUESTION, SYSTEM, FORECAST = GIVEN["question"], GIVEN["system"], GIVEN["forecast"]
#: the JSON schema of a tool's arguments
WEATHER = GIVEN["weather"]
#: pictures as far as their first bytes
PNG, JPEG = GIVEN["png"], GIVEN["jpeg"]

#: a model that uses tools, keeps to a schema and tells what it received, by provider; these speak
#: chat completions, Messages and Responses
CLEVER = {f"via {provider}": f"{provider}/clever" for provider in GIVEN["providers"]}
#: what can be wrong with a request or its provider
ERRORS = {name: model for name, (model, _) in GIVEN["failures"].items()}
#: streams that end before their answer does
DEATHS = {
    f"{how} via {provider}": f"{provider}/{how}"
    for provider in GIVEN["providers"]
    for how in GIVEN["deaths"]
} | {"stall": "brisk/stall"}


class City(BaseModel):
    """What a structured answer is to be."""

    name: str
    people: int
    twins: list[str]


#: how `tests.upstream` fills it
PARIS = City(name="Paris", people=7, twins=["Paris"])


class Scenarios:
    """Kept in the order in which they are written."""

    def __init__(self):
        self._found = []

    def __call__(self, name, each=None):
        """``each``: what ends a run's name → the model it is given."""

        def keep(function):
            if each is None:
                self._found.append((name, function, ()))
            for ending, model in (each or {}).items():
                self._found.append((f"{name} {ending}", function, (model,)))
            return function

        return keep

    async def run(self, client, only="", *shared):
        """``shared``: what each scenario is given before its model."""
        for name, function, model in self._found:
            if only not in name:
                continue
            try:
                async with asyncio.timeout(20):
                    ok, seen = True, await function(*shared, *model)
            except Exception as exc:  # noqa: BLE001 - whatever a client raises is its finding
                ok, seen = False, f"{type(exc).__name__}: {exc}"
            line = {"client": client, "scenario": name, "ok": ok, "seen": str(seen)[:500]}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def options():
    """The address, and with ``--only TEXT`` the scenarios to run."""
    parser = argparse.ArgumentParser(description="Run a client's scenarios against a service.")
    parser.add_argument("url")
    parser.add_argument("--only", default="")
    return parser.parse_args()


def same(seen, expected):
    if seen != expected:
        raise AssertionError(f"seen {seen!r}, expected {expected!r}")
    return seen


def holds(text, *parts):
    """The text, which must hold all the parts."""
    missing = [part for part in parts if part not in (text or "")]
    if missing:
        raise AssertionError(f"seen {text!r}, expected to hold {missing!r}")
    return text


async def several(stream):
    """All that a stream gave; one piece alone is no stream."""
    found = [piece async for piece in stream]
    if len(found) < 3:
        raise AssertionError(f"only {len(found)} pieces: {found!r}")
    return found


async def raises(kinds, asking, **attributes):
    """What a call raised: one of the kinds, with these attributes unless they are None."""
    try:
        found = await asking
    except kinds as exc:
        for name, expected in attributes.items():
            value = getattr(exc, name)
            if expected not in (None, value):
                raise AssertionError(f"{exc!r} has {name} {value!r}, not {expected!r}") from exc
        return f"{type(exc).__name__}: {exc}"
    raise AssertionError(f"nothing raised, but {found!r}")


def meant(model):
    """The status with which the service refuses a model of `ERRORS`."""
    return next(status for found, status in GIVEN["failures"].values() if found == model)


async def breaks(kinds, opening):
    """What a stream raised after it had begun; ending in silence is what must not be."""
    seen = []

    async def drain():
        async for piece in await opening:
            seen.append(piece)  # noqa: PERF401 - what came before the error counts

    raised = await raises(kinds, drain())
    with suppress(IndexError):
        return f"{len(seen)} pieces, then {raised}, after {seen[-1]!r}"
    raise AssertionError(f"no piece came before {raised}")
