"""How the branches of a directive begin, as the workflow decides it."""

from __future__ import annotations

import pytest

from domain.dispatch import spawn_command
from domain.models import State
from domain.names import directive_branch
from domain.outcome_check import problem_of
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from domain.view import view
from tests.unit.directives import BASE, begun, dispatchable, ended, one_step


def planned(found: str, **settings: str) -> State:
    """A directive whose planner's daemon has found a prefix in the repository."""
    state = begun(**settings)
    (planner,) = dispatchable(state)
    assert spawn_command(state, planner).branch_prefix == settings.get("branch_prefix", "")
    return ended(state, planner, plan=one_step(), base_commit=BASE, branch_prefix=found)


@pytest.mark.parametrize(
    ("found", "chosen", "prefix"),
    [("", "", "makima/"), ("feature/", "", "feature/"), ("feature/", "team/", "team/"), ("", "bot-", "bot-")],
)
def test_every_branch_begins_as_the_directive_says_or_else_its_repository(found: str, chosen: str, prefix: str) -> None:
    state = planned(found, **({"branch_prefix": chosen} if chosen else {}))
    (task,) = dispatchable(state)
    branch = spawn_command(state, task).target_branch
    assert branch.startswith(f"{prefix}house-roof-")
    assert view(state).steps[0].branch == branch
    state = ended(state, task)
    (completion,) = dispatchable(state)
    assert completion.kind is TaskKind.COMPLETION
    wanted = directive_branch(state.directive.text.title, state.directive.id, 1, prefix)
    assert spawn_command(state, completion).target_branch == wanted
    assert wanted.startswith(f"{prefix}directive-house-")


def test_an_outcome_can_not_name_what_is_no_prefix() -> None:
    state = begun()
    (planner,) = dispatchable(state)
    command = spawn_command(state, planner)
    for prefix, is_taken in (("feature/", True), ("", True), ("refs/heads/", False), ("../", False)):
        told = Outcome(
            task=command.task, attempt=1, status=OutcomeStatus.COMPLETED, base_commit=BASE, branch_prefix=prefix
        )
        assert (problem_of(command, told) == "") is is_taken
