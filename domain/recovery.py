"""A directive that goes on from the record, in a run that has no activity in flight (rule 9.1)."""

from __future__ import annotations

from domain.models import State
from domain.statuses import StepStatus, TaskStatus


def recovered(state: State) -> State:
    """The recorded state as a new run starts with it: what was under way is dispatched again.

    The attempt stays the same, so that an outcome which is on the remote already is found, and no agent runs twice.
    """
    tasks = {
        task.id: task.model_copy(
            update={"status": TaskStatus.PENDING, "dispatch": task.dispatch + 1, "daemon": "", "delivery": ""}
        )
        for task in state.live()
        if task.status is not TaskStatus.WAITING
    }
    steps = {
        step.id: step.model_copy(update={"status": StepStatus.PENDING})
        for step in state.steps.values()
        if step.status is StepStatus.RUNNING
    }
    return state.model_copy(update={"tasks": {**state.tasks, **tasks}, "steps": {**state.steps, **steps}})
