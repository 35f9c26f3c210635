"""The state must fit one payload of Temporal's, 2 MB; past it a workflow task fails for ever (design 6)."""

from __future__ import annotations

from domain.errors import Refused
from domain.models import State, Task
from domain.statuses import StepStatus, TaskStatus

MAX_STATE = 1_500_000
"""Bytes of JSON; what a request would take past it is refused."""
GROWTH = 1_500
"""Bytes that a step may yet add: a report of its failure, where its work is. Outcomes can't be refused."""


def state_size(state: State) -> int:
    """Bytes of the state as Temporal carries it."""
    return len(state.model_dump_json())


def check_size(state: State) -> None:
    """Refused where the state would not safely fit, with what helps."""
    unfinished = sum(not step.status.is_finished for step in state.steps.values())
    size = state_size(state) + unfinished * GROWTH
    if size > MAX_STATE:
        raise Refused(
            f"the directive would hold {size // 1000} kB, the limit is {MAX_STATE // 1000} kB: "
            "let steps finish, remove some, or start another directive"
        )


def without_finished_texts(state: State) -> State:
    """The state as it goes on in another run: what is recorded and never needed again is dropped from it.

    The texts of completed steps and what their tasks went through stay in the record.
    """
    done = (StepStatus.COMPLETED, StepStatus.MERGED)
    steps = {
        identity: step.model_copy(update={"description": "", "task_plan": "", "summary": ""})
        if step.status in done
        else step
        for identity, step in state.steps.items()
    }
    tasks = {
        identity: _in_short(task) if task.status in (TaskStatus.COMPLETED, TaskStatus.MERGED) else task
        for identity, task in state.tasks.items()
    }
    return state.model_copy(update={"steps": steps, "tasks": tasks})


def _in_short(task: Task) -> Task:
    return task.model_copy(update={"earlier": None, "refusals": {}, "ships": (), "agents": task.agents.in_short()})
