"""Every numbered rule of the specification is shown by a test that names it, or stands below with what it waits for."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
MARK = re.compile(r"mark\.rule\(\"([\d.]+)\"\)")

COUNT = {1: 0, 2: 9, 3: 5, 4: 5, 5: 8, 6: 13, 7: 5, 8: 3, 9: 3}
"""Chapter → how many rules it has; chapter 1 is one rule, the limits."""

NOT_SHOWN: dict[str, str] = {}


def all_rules() -> set[str]:
    return {"1"} | {f"{chapter}.{number}" for chapter, last in COUNT.items() for number in range(1, last + 1)}


def shown_rules() -> set[str]:
    return {rule for file in TESTS.rglob("*.py") for rule in MARK.findall(file.read_text())}


def test_every_mark_names_a_rule_that_exists() -> None:
    assert shown_rules() <= all_rules()


def test_the_rules_without_a_test_are_known() -> None:
    assert all_rules() - shown_rules() == set(NOT_SHOWN)
