"""The shape of the code: short modules, short functions, contracts that hold."""

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
ROOMS = ("core", "flows", "serve", "dashboards", "launch")
IN_ROOMS = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
MODULES = [*IN_ROOMS, ROOT / "touchstone.py"]


def test_import_contracts_hold(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_is_short_and_so_are_its_functions(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > 40
    ]
    assert not long
