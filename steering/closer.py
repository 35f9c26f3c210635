"""A closer look at one directive, and its shapes: its plan, and why its steps wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from domain import names
from domain.errors import Refused
from domain.experience import Estimate, StepDone, estimate
from domain.generations import PlanDifference, PlannedLine, difference, lines, plan_of, planned_generations
from domain.lookup import find_step
from domain.models import PlanChanges, State, Step
from domain.pull_requests.pull_request_view import blocked
from domain.reports import DaemonSeen
from domain.statuses import DirectiveStatus, StepStatus
from domain.timers import TimerView, in_order
from domain.timers import timers as state_timers
from domain.why import why
from steering.recorded import SeenState
from steering.shown import Shown


class PlanShown(Shown):
    generation: int
    waits_for_approval: bool
    name: str = ""
    """What `approve --plan` takes; empty: it doesn't wait."""
    steps: tuple[PlannedLine, ...]
    against: int | None
    difference: PlanDifference | None
    estimate: Estimate | None = None


class WhyShown(Shown):
    step: UUID
    name: str
    status: StepStatus
    why: str


class WhyAllShown(Shown):
    steps: tuple[WhyShown, ...]
    directive_status: DirectiveStatus
    blocked: tuple[str, ...] = ()
    """Why its pull request can't be merged now."""
    timers: tuple[TimerView, ...] = ()


def plan_shown(
    state: State, changes: Mapping[int, PlanChanges], done: Sequence[StepDone], generation: int | None, *, diff: bool
) -> PlanShown:
    """The plan of a generation; Refused where there is none yet."""
    planned = planned_generations(state)
    if not planned:
        raise Refused("there is no plan yet")
    wanted = generation or planned[-1]
    plan = plan_of(state, changes, wanted)
    before = max((each for each in planned if each < wanted), default=None) if diff else None
    older = plan_of(state, changes, before) if before else {}
    planned_lines = lines(state, plan)
    waits = state.proposal if state.proposal and state.proposal.generation == wanted else None
    return PlanShown(
        generation=wanted,
        waits_for_approval=waits is not None,
        name=waits.name if waits else "",
        steps=planned_lines,
        estimate=estimate(sum(not each.status.is_finished for each in planned_lines), done),
        against=before,
        difference=difference(state, older, plan) if diff else None,
    )


def why_shown(look: SeenState[State], daemons: Sequence[DaemonSeen], step: str | None) -> WhyAllShown:
    """Of one step, or of all that are not done, and of the pull request."""
    asked = _undone(look.seen) if step is None else [find_step(look.seen, step)]
    told = (
        WhyShown(step=each.id, name=each.name, status=each.status, why=_reason(look, each, daemons)) for each in asked
    )
    pull_request = look.seen.pull_request if step is None else None
    blocks = blocked(look.seen, pull_request) if pull_request else ()
    timers = in_order((*state_timers(look.seen), *look.retries)) if step is None else ()
    return WhyAllShown(steps=tuple(told), directive_status=look.seen.status, blocked=blocks, timers=timers)


def _undone(state: State) -> Sequence[Step]:
    return [step for step in state.ordered_steps() if not step.status.satisfies and not step.removed]


def _reason(look: SeenState[State], step: Step, daemons: Sequence[DaemonSeen]) -> str:
    if look.lost:
        return f"the directive is lost: {look.lost}; `recover` goes on"
    told = why(look.seen, step, daemons, datetime.now(UTC))
    task = look.seen.tasks.get(names.step_task(step.id))
    if failing := look.held_up.get(task.name) if task else "":
        at = look.again.get(task.name) if task else None
        told = f"{told}; what it does fails and is tried again{f' at {at:%H:%M:%S} UTC' if at else ''}: {failing}"
    return told if look.live else f"{told} (from the record: no worker answers, start worker.py)"
