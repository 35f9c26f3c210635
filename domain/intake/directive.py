"""The directive that an issue becomes (rule 7.7); pure."""

from __future__ import annotations

from domain.intake.goal import goal_of, title_of
from domain.intake.issue import IssueRead
from domain.intake.state import Intake, directive_of_issue
from domain.models import Directive, State, Text


def directive_for(wanted: Intake, issue: IssueRead) -> State:
    """A draft of it, with the settings of its intake, that closes the issue."""
    settings = wanted.settings.model_copy(update={"closes": (f"#{issue.number}",)})
    return State(
        directive=Directive(
            id=directive_of_issue(wanted.owner, wanted.repository, issue.number),
            owner=wanted.owner,
            text=Text(title=title_of(issue), goal=goal_of(issue)),
            repository=wanted.repository,
            base_branch=wanted.base_branch,
            settings=settings,
        )
    )
