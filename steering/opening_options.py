"""The options of `start` that say what its pull requests begin with (rule 7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from domain.errors import Refused
from domain.opening_choice import OpeningChoice
from domain.problems import first_problem

OPENING = {
    "labels": "pr_label",
    "reviewers": "reviewer",
    "assignees": "assignee",
    "milestone": "milestone",
    "draft": "draft",
    "auto_merge": "auto_merge",
}
"""Field of OpeningChoice → the option that says it."""
_TAKES = {
    "labels": "at most 50 names of labels, a line of at most 100 characters each",
    "reviewers": "at most 15 logins, or teams as ORGANIZATION/TEAM",
    "assignees": "at most 10 logins",
    "milestone": "the title of a milestone, a line of at most 100 characters",
}
TYPED_FOR_EACH = "auto_merge"
"""No default and no other directive's: what nobody looks at is merged only where a person has said so of just this."""


def opening_choice(typed: Mapping[str, Any]) -> OpeningChoice | None:
    """By the options' names; None: all is left to the repository. Refused, with the option."""
    said = {field: typed[option] for field, option in OPENING.items() if typed[option]}
    for field, value in said.items():
        try:
            OpeningChoice.model_validate({field: value})
        except ValidationError as error:
            option = OPENING[field].replace("_", "-")
            raise Refused(f"--{option} takes {_TAKES.get(field) or first_problem(error)}") from error
    return OpeningChoice.model_validate(said) if said else None


def options_of(choice: OpeningChoice) -> dict[str, Any]:
    """As they would be typed."""
    told = {option: getattr(choice, field) for field, option in OPENING.items() if option != TYPED_FOR_EACH}
    listed = {option: list(value) or None for option, value in told.items() if isinstance(value, tuple)}
    return {**told, **listed, "milestone": choice.milestone or ""}
