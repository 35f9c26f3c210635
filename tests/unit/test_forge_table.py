"""docs/pull-requests.md says what works at which forge; its table is made from the tests that hold for every forge."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.fixtures_forges import KINDS
from tests.forge_differences import TRIED_ELSEWHERE

TESTS = Path(__file__).parents[1] / "integration"
PAGE = Path(__file__).parents[2] / "docs" / "pull-requests.md"
NAMES = {"github": "GitHub", "gitea": "Gitea, Forgejo", "gitlab": "GitLab"}
BEGIN = "<!-- made from the tests: tests/unit/test_forge_table.py -->"


def marks_of(function: ast.AsyncFunctionDef) -> dict[str, ast.Call]:
    """Name → the call, of each mark with arguments."""
    calls = [each for each in function.decorator_list if isinstance(each, ast.Call)]
    return {call.func.attr: call for call in calls if isinstance(call.func, ast.Attribute)}


def rows() -> Iterator[str]:
    for file in sorted(TESTS.glob("test_forges_*.py")):
        tree = ast.parse(file.read_text())
        for function in (each for each in tree.body if isinstance(each, ast.AsyncFunctionDef)):
            if "shows" in (marks := marks_of(function)):
                cells = (cell(each.value, function.name) for each in KINDS)
                yield f"| {' | '.join((ast.literal_eval(marks['shows'].args[0]), *cells))} |"


def cell(kind: str, test: str) -> str:
    """`yes` also where a test of that forge's own shows it."""
    why = TRIED_ELSEWHERE.get(kind, {}).get(test, "")
    return "yes" if not why or "test_gitlab_facts: " in why else f"no: {why}"


def table() -> str:
    names = [NAMES[each.value] for each in KINDS]
    return "\n".join([f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}", *rows()])


def test_the_table_of_what_works_where_is_what_the_tests_show() -> None:
    shown = PAGE.read_text().partition(f"{BEGIN}\n")[2].partition("\n\n")[0].strip()
    assert shown == table(), f"put this there:\n{table()}"
