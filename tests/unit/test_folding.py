"""What is told of an attempt when its outcome comes in."""

from __future__ import annotations

from uuid import uuid4

from domain.folding import WARNINGS_TOLD, fold_outcome
from domain.models import PlanChanges
from domain.plan import PlannedStep, add_steps
from domain.spawn_task import Outcome, OutcomeStatus
from tests.unit.directives import NOW, dispatchable, planned_state


def test_what_an_attempt_warns_of_is_told_in_the_history_of_events() -> None:
    planned = PlannedStep(name="walls", task_plan="build")
    state = planned_state(add_steps(PlanChanges(), [planned], generation=1, known=(), new_id=uuid4))
    (task,) = dispatchable(state)
    warnings = ("saved on box only", *(f"warning {number}" for number in range(20)))
    outcome = Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED, daemon="box", warnings=warnings)
    told = [event for event in fold_outcome(state, task, outcome, NOW).changed.facts.events if "warns" in event.what]
    assert [event.why for event in told] == list(warnings[:WARNINGS_TOLD])
    assert {(event.actor, event.step, event.task) for event in told} == {("daemon:box", task.step, task.id)}
