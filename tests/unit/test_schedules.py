"""What a schedule's firings start, and when one of them is over (rule 2.16)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import requests
from domain.errors import Refused
from domain.models import Directive, PlanChanges, State, Text
from domain.plan import PlannedStep, add_steps
from domain.pull_request import PullRequest, PullRequestState
from domain.schedules import Firing, checked_name, draft_of, ended, schedule_id, scheduled_of, window
from domain.statuses import DirectiveStatus
from tests.unit.directives import begun, granted

FIRST, SECOND = "schedule-ann.weekly-2026-11-30T03:00:00Z", "schedule-ann.weekly-2026-12-07T03:00:00Z"


def drafted(repository: str = "https://example.invalid/r.git") -> State:
    steps = [PlannedStep(name="floor", task_plan="x"), PlannedStep(name="roof", task_plan="y", depends_on=("floor",))]
    ids = iter(map(UUID, (f"{number:032x}" for number in range(1, 99))))
    plan = add_steps(PlanChanges(), steps, generation=1, known=(), new_id=lambda: next(ids)).add
    text = Text(title="House", goal="A house")
    directive = Directive(id=UUID(int=9), owner="ann", text=text, repository=repository, base_branch="main")
    return State(directive=directive, given_plan=plan)


def fired(workflow: str, draft: State | None = None) -> State:
    scheduled = scheduled_of("weekly", draft or drafted(), ("0 3 * * 1",), "")
    return draft_of(Firing(scheduled=scheduled, workflow=workflow))


@pytest.mark.rule("2.16")
def test_a_firing_tried_again_starts_the_same_and_another_one_nothing_of_it() -> None:
    first, again, second = fired(FIRST), fired(FIRST), fired(SECOND)
    assert first == again
    ids = [{each.directive.id, *(step.id for step in each.given_plan)} for each in (first, second)]
    assert len(ids[0]) == 3 and ids[0].isdisjoint(ids[1])
    assert second.given_plan[1].depends_on == (second.given_plan[0].id,)
    assert first.directive.model_copy(update={"id": second.directive.id}) == second.directive
    other = drafted()
    other = other.model_copy(update={"directive": other.directive.model_copy(update={"id": UUID(int=10)})})
    assert fired(FIRST, other).directive.id != first.directive.id, "one that was removed and added at the same second"


def paused(by_hand: bool) -> State:
    state = begun()
    if by_hand:
        return granted(state, requests.Pause())
    return state.model_copy(update={"status": DirectiveStatus.PAUSED, "reason": "no — `starter.py resume 1` goes on"})


def idle(state: PullRequestState | None = None, **settings: Any) -> State:
    shown = begun(**settings).model_copy(update={"status": DirectiveStatus.IDLE, "planned": 1, "tasks": {}})
    made = PullRequest(branch="b", head="a" * 40, base="main", state=state, number=7) if state else None
    return shown.model_copy(update={"pull_request": made})


@pytest.mark.rule("2.16")
@pytest.mark.parametrize(
    ("state", "how"),
    [
        (begun(), None),
        (paused(by_hand=True), None),
        (paused(by_hand=False), "paused: no"),
        (begun().model_copy(update={"status": DirectiveStatus.FAILED, "reason": "step floor"}), "failed: step floor"),
        (begun().model_copy(update={"status": DirectiveStatus.COMPLETED}), ""),
        (begun().model_copy(update={"status": DirectiveStatus.ARCHIVED}), ""),
        (idle(), ""),
        (idle(PullRequestState.OPEN), None),
        (idle(PullRequestState.DRAFT), None),
        (idle(PullRequestState.OPEN, shepherd=False), ""),
        (idle(PullRequestState.MERGED), ""),
        (idle(PullRequestState.CLOSED), ""),
    ],
)
def test_a_firing_is_over_once_nobody_works_or_looks_after_its_directive(state: State, how: str | None) -> None:
    over = ended(state)
    assert (over is None) == (how is None)
    if over is not None and how is not None:
        assert over.failure.startswith(how) and bool(over.failure) == bool(how)


def test_ids_of_two_owners_never_meet() -> None:
    assert schedule_id("a", "b-c") != schedule_id("a-b", "c")
    assert len({checked_name(each) for each in ("a", "9", "a_b-c", "x" * 50)}) == 4
    for name in ("", "-a", "A", "a.b", "a/b", "a b", "a\n", "x" * 51, "ä"):
        with pytest.raises(Refused, match="is no schedule's name"):
            schedule_id("a", name)


@pytest.mark.parametrize(
    ("typed", "length"),
    [
        ("10s", timedelta(seconds=10)),
        ("30min", timedelta(minutes=30)),
        (" 6 h ", timedelta(hours=6)),
        ("365d", timedelta(days=365)),
    ],
)
def test_a_catch_up_window_is_written_with_its_unit(typed: str, length: timedelta) -> None:
    assert window(typed) == length


@pytest.mark.parametrize("typed", ["", "7", "9s", "366d", "-5h", "1.5h", "1w", "999999999d", "٣d", "nan"])
def test_another_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="--catchup-window takes"):
        window(typed)


@pytest.mark.parametrize("repository", ["https://t@example.invalid/r.git", "ssh://ann:pw@example.invalid/r.git"])
def test_a_repository_with_a_password_is_not_kept(repository: str) -> None:
    with pytest.raises(Refused, match="keeps no password") as refused:
        scheduled_of("weekly", drafted(repository), ("0 3 * * 1",), "")
    assert "pw" not in str(refused.value) and "t@" not in str(refused.value)
