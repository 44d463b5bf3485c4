"""Small rooms: no module and no function grows beyond its budget unless it says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400
FUNCTION_LINES = 50
# file (or file:function) -> why it may be longer
EXCEPTIONS: dict[str, str] = {}

SOURCES = sorted(file for room in ("src", "tools", "benchmarks") for file in (ROOT / room).rglob("*.py"))


def place(file: Path, function: str = "") -> str:
    """Name a file or a function as the exceptions do."""
    return f"{file.relative_to(ROOT)}{':' * bool(function)}{function}"


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the functions of a file with their lines, decorators and docstring included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, (node.end_lineno or first) - first + 1


def overgrown() -> dict[str, int]:
    """Return what is longer than its budget, with its lines."""
    found = {}
    for file in SOURCES:
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES:
            found[place(file)] = lines
        found.update({place(file, name): length for name, length in functions(file) if length > FUNCTION_LINES})
    return found


def test_modules_and_functions_keep_within_their_budgets() -> None:
    """400 lines a module, 50 a function; an exception stands in the list with its reason."""
    assert {name: lines for name, lines in overgrown().items() if name not in EXCEPTIONS} == {}


def test_every_exception_is_needed_and_has_a_reason() -> None:
    """One that no longer holds is taken off the list."""
    assert [name for name in EXCEPTIONS if name not in overgrown()] == []
    assert all(reason.endswith(".") for reason in EXCEPTIONS.values())


@pytest.mark.parametrize("file", SOURCES, ids=place)
def test_a_module_begins_with_its_caption(file: Path) -> None:
    """The first line says what the room is for."""
    text = file.read_text(encoding="utf-8")
    caption = ast.get_docstring(ast.parse(text))
    assert caption
    assert text.startswith('"""')
    assert not caption.startswith((" ", "\n"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    """Rooms are named for what is in them."""
    empty = {"utils", "util", "common", "helpers", "helper", "manager", "base", "models", "misc"}
    assert [place(file) for file in SOURCES if file.stem in empty] == []
