"""A directive that goes on from the record, in a run that has no activity in flight (rule 9.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.fallbacks import name_of
from domain.models import State, Task
from domain.spending import AttemptSpent, total
from domain.statuses import StepStatus, TaskStatus
from domain.used import with_told


def recovered(state: State, attempts: Sequence[AttemptSpent] = ()) -> State:
    """The recorded state as a new run starts with it: what was under way is dispatched again. `attempts`: those of the
    record, where it says what of them had used so much while it ran (rule 2.10).

    The attempt stays the same, so that an outcome which is on the remote already is found, and no agent runs twice.
    """
    told = {(each.task, each.attempt): total([each]) for each in attempts if each.runs}
    anew = {"status": TaskStatus.PENDING, "daemon": "", "delivery": ""}

    def used(task: Task) -> dict[str, Any]:
        known = told.get((task.id, task.attempt))
        return with_told(task, name_of(state, task), known) if known else {}

    tasks = {
        task.id: task.model_copy(update={**anew, "dispatch": task.dispatch + 1, **used(task)})
        for task in state.live()
        if task.status is not TaskStatus.WAITING
    }
    steps = {
        step.id: step.model_copy(update={"status": StepStatus.PENDING})
        for step in state.steps.values()
        if step.status is StepStatus.RUNNING
    }
    return state.model_copy(update={"tasks": {**state.tasks, **tasks}, "steps": {**state.steps, **steps}})
