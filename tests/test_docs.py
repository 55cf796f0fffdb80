"""What is there is documented: settings, endpoints, metrics, commands."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from prometheus_client import generate_latest

import touchstone
from core.providers_file import parse_providers
from core.settings import Settings
from serve.app import _ROUTES
from serve.metrics import Metrics

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", [entry.name.upper() for entry in fields(Settings)])
def test_every_setting_is_in_the_readme(name):
    assert f"`{name}`" in README


def test_no_setting_in_the_readme_is_unknown():
    table = README.partition("## Settings")[2].partition("## For analysts")[0]
    named = re.findall(r"`([A-Z_]{4,})`", table)
    assert set(named) == {entry.name.upper() for entry in fields(Settings)}


@pytest.mark.parametrize("path", sorted({path for _, path, _ in _ROUTES if "/admin" not in path}))
def test_every_endpoint_is_in_the_readme(path):
    if path == "/models/<what:str>":
        path = "/models/discover"
    shown = path.replace("<what:(tag|benchmark)>", "tag")
    shown = shown.replace("<what:(pull|push|create|copy)>", "pull")
    shown = re.sub(r"<\w+:path>|<\w+:str>", "{id}", shown)
    assert f"{shown}`" in README or shown == "/"


def test_every_metric_is_in_the_readme():
    text = generate_latest(Metrics().registry).decode()
    for name in re.findall(r"# TYPE (\S+) (?:counter|gauge|histogram)", text):
        if not name.endswith("_created"):
            assert f"`{name}`" in README


def test_every_command_is_in_the_readme():
    commands = {c.name or c.callback.__name__ for c in touchstone.app.registered_commands}
    groups = {group.name for group in touchstone.app.registered_groups}
    table = README.partition("## Commands")[2].partition("## Settings")[0]
    for name in commands | groups:
        assert re.search(rf"`{name}[` ]", table), name


def test_the_readmes_providers_are_readable():
    shown = re.search(r"```json\n(.*?)```", README, re.DOTALL)[1]
    assert [p.name for p in parse_providers(json.loads(shown), {})] == ["openai", "claude", "home"]
