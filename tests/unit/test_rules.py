"""docs/rules.md holds every rule that a test or a comment names, and every rule of it is shown by a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"mark\.rule\(\"([\d.]+)\"\)")
RULE = re.compile(r"^\*\*(\d+(?:\.\d+)?)\*\* ", re.MULTILINE)
CHAPTER = re.compile(r"^## (\d+)\. ", re.MULTILINE)
DECISION = re.compile(r"^\*\*(\d+)\. ", re.MULTILINE)
# "rule 6.7", "rules 5.3–5.6, 8.1 and 9", also where a line ends within: what comments and docs name.
NUMBERS = r"\d+(?:\.\d+)?(?:(?:, | and |–)\d+\.\d+)*"
NAMED_RULES = re.compile(rf"\brules?\s+(?:#\s+)?({NUMBERS})", re.IGNORECASE)
NAMED_DECISIONS = re.compile(r"\bdesign\s+(?:#\s+)?(\d+)")
ROOMS = (
    *("activities", "cli", "daemon", "docs", "domain", "fakes", "ledger", "runtime", "stack", "steering", "tests"),
    "workflows",
)
TEXTS = [
    file
    for folder in (ROOT, *(ROOT / room for room in ROOMS))
    for pattern in ("*.py", "*.sql", "*.md")
    for file in (folder.glob(pattern) if folder == ROOT else folder.rglob(pattern))
]


def rules() -> set[str]:
    return set(RULE.findall((ROOT / "docs/rules.md").read_text()))


def shown_rules() -> set[str]:
    return {rule for file in (ROOT / "tests").rglob("*.py") for rule in MARK.findall(file.read_text())}


def test_every_mark_names_a_rule_that_exists() -> None:
    assert shown_rules() <= rules()


def test_every_rule_is_shown_by_a_test() -> None:
    assert rules() <= shown_rules()


def test_rules_are_numbered_in_order_and_stand_in_their_chapter() -> None:
    text = (ROOT / "docs/rules.md").read_text()
    for number, chapter in zip(CHAPTER.findall(text), CHAPTER.split(text)[2::2], strict=True):
        numbers = RULE.findall(chapter)
        assert numbers in ([number], [f"{number}.{place}" for place in range(1, len(numbers) + 1)])


def test_every_rule_that_is_named_anywhere_exists() -> None:
    known = rules() | set(CHAPTER.findall((ROOT / "docs/rules.md").read_text()))
    named = {
        (file.relative_to(ROOT), rule)
        for file in TEXTS
        for numbers in NAMED_RULES.findall(file.read_text())
        for rule in re.findall(r"\d+(?:\.\d+)?", numbers)
    }
    assert len(named) > 100
    assert {(file, rule) for file, rule in named if rule not in known} == set()


def test_every_decision_that_is_named_anywhere_exists() -> None:
    known = set(DECISION.findall((ROOT / "docs/design.md").read_text()))
    named = {(file.relative_to(ROOT), n) for file in TEXTS for n in NAMED_DECISIONS.findall(file.read_text())}
    assert len(named) > 20
    assert {(file, number) for file, number in named if number not in known} == set()


def test_decisions_are_numbered_in_order() -> None:
    numbers = DECISION.findall((ROOT / "docs/design.md").read_text())
    assert numbers == [str(place) for place in range(1, len(numbers) + 1)]
