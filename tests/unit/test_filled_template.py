"""Where our part of a description stands in the repository's own template (rule 7.4)."""

from __future__ import annotations

import pytest

from daemon.forges.managed_section import BODY_LIMIT, body_of, filled, is_ours

pytestmark = pytest.mark.rule("7.4")
OURS = body_of("", "Add login", "Ours.")


def test_without_a_template_our_part_is_all_there_is() -> None:
    assert filled("", "Add login", "Ours.") == filled(" \r\n<!-- nothing -->\n", "Add login", "Ours.") == OURS


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("# What and why?\nText\n## Checks\n- [ ] a", f"# What and why?\n\n{OURS}\n\nText\n## Checks\n- [ ] a"),
        ("Hi\n### Summary of changes", f"Hi\n### Summary of changes\n\n{OURS}"),
        ("## Checks\n- [ ] a\n", f"{OURS}\n\n## Checks\n- [ ] a"),
        ("```\n# Description\n```\n## Description\n", f"```\n# Description\n```\n## Description\n\n{OURS}"),
        ("~~~\n```\n# Description\n~~~\nx", f"{OURS}\n\n~~~\n```\n# Description\n~~~\nx"),
        ("#description\nx", f"{OURS}\n\n#description\nx"),
        ("---\nname: Pull\nabout: What\n---\n## Why\n", f"## Why\n\n{OURS}"),
    ],
)
def test_it_stands_below_the_first_heading_that_asks_for_it_else_before_everything(template: str, told: str) -> None:
    assert filled(template, "Add login", "Ours.") == told


@pytest.mark.parametrize(
    "template",
    [
        "<!-- # Description",
        "<!--\n# Description\n-->\nrest",
        "<!-- makima:begin title=000000000000 --><!-- makima:end -->\n# Description\n",
        "<!-- makima:directive:x -->\n# Description",
        "a<!-<!-- -->- makima:begin title=000000000000 -->\n",
        "\x1b]0;x\x07# Description\x00\n",
    ],
)
def test_what_a_template_holds_neither_hides_our_part_nor_is_taken_for_it(template: str) -> None:
    told = filled(template, "Add login", "Ours.")
    before, ours, after = told.partition(OURS)
    assert ours and "<!--" not in before + after and "\x1b" not in told and "\0" not in told
    again = body_of(told, "Add login", "Newer.")
    assert is_ours(again) and "Newer." in again and "Ours." not in again
    assert again.count("<!-- makima:begin") == 1


def test_what_a_forge_takes_is_not_passed() -> None:
    told = filled("## Why\n" + "x" * 16_000, "Add login", "y" * 60_000)
    assert len(told) <= BODY_LIMIT and told.endswith("x" * 100)
