"""Which attempt of a task counts; what the others have used counts all the same (rules 2.10, 5.5)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.change import Change, Draft
from domain.fallbacks import name_of
from domain.models import State, Task
from domain.spawn_task import Outcome
from domain.usage import Usage
from domain.used import used_in, with_told


def is_current(state: State, task: UUID, attempt: int) -> bool:
    """Whether this attempt of a task still counts: what an earlier one reports changes nothing (rule 5.5)."""
    known = state.tasks[task]
    return known.status.is_live and known.attempt == attempt


def is_late(state: State, dispatched: Task, outcome: Outcome) -> bool:
    """Whether it is of an attempt that was given up while it ran, and has used something by then."""
    gone = not is_current(state, dispatched.id, dispatched.attempt)
    return gone and outcome.task == dispatched.id and since_dispatch(dispatched, outcome.usage) != Usage()


def fold_used(state: State, dispatched: Task, used: Usage, now: datetime) -> Change:
    """What an attempt had used in all, by the last word of a delivery that did not come to an end: its machine was
    lost, or another one has refused to go on. Whatever becomes of the attempt, it counts.
    """
    draft = Draft(state, now)
    task = state.tasks[dispatched.id]
    if is_current(state, task.id, dispatched.attempt):
        if told := with_told(task, name_of(state, task), used):
            draft.task(task.id, **told)
    elif (more := since_dispatch(dispatched, used)) != Usage():
        draft.task(task.id, usage=(task.usage or Usage()) + more)
    return draft.change()


def since_dispatch(dispatched: Task, used: Usage) -> Usage:
    """What the attempt has used since it was dispatched: what it had used before is counted already."""
    return used.since(used_in(dispatched)) if used != Usage() else used
