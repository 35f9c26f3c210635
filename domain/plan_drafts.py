"""Several plans in one text: drafts of which the last one counts, or parts that belong together (rule 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

NEAR = 200
"""Characters in which a text says what comes next."""

_SERIES = re.compile(
    r"\b(?:(?:phase|part|milestone|stage|wave|sprint|step)\b\W{0,4}\d|(?:first|second|third|then|next|finally)\b)",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"\b(?:such as|examples?|e\.g|for instance|looks? like|of the form|format|drafts?|sketch|earlier|previous|thought"
    r"|considered|idea)\b",
    re.IGNORECASE,
)
"""Before a plan that isn't meant to be carried out."""
_BETTER = re.compile(
    r"\b(?:correct(?:ed|ion)|revis(?:ed|ion)|instead|replac\w+|rewritten|reconsider\w*|improved|better|wrong|mistake"
    r"|no|version|(?:final|updated|real|whole|complete|full|new) plan|so)\b",
    re.IGNORECASE,
)
"""Between a plan and the one that takes its place."""


class PlanDraft(NamedTuple):
    """A plan in a text."""

    start: int
    end: int
    value: Any


def belong_together(document: str, plans: Sequence[PlanDraft]) -> bool:
    """Whether the last plan alone may be a part: there is nothing between two of them, a heading such as "Phase 2"
    stands before each, or one has a step that the last one lacks, and no word says that it is an example or replaced.
    """
    ends = [0, *(plan.end for plan in plans[:-1])]
    between = list(zip(ends, plans, strict=True))
    if any(not document[end : plan.start].strip(" \t\r\n,;") for end, plan in between[1:]):
        return True
    if all(_SERIES.search(document, max(end, plan.start - NEAR), plan.start) for end, plan in between):
        return True
    kept = {*_names(plans[-1].value)}
    behind = 0
    for plan, after in pairwise(plans):
        is_example = _EXAMPLE.search(document, max(behind, plan.start - NEAR), plan.start)
        is_replaced = _BETTER.search(document, plan.end, after.start)
        if not (is_example or is_replaced) and {*_names(plan.value)} - kept:
            return True
        behind = plan.end
    return False


def _names(value: Any) -> Iterator[str]:
    """What its steps are called, in small letters."""
    if isinstance(value, dict):
        if {"task_plan", "taskPlan"} & value.keys():
            yield str(value.get("name", "")).casefold()
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _names(each)
