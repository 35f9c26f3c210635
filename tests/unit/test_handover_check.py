"""A handover that an agent has written by hand counts only as far as the commands could have written it (rule 3.1)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from domain import handover as h
from domain.errors import HandoverBroken
from domain.handover import MAX_ARTIFACTS, Handover, TaskContext
from domain.handover_check import checked
from domain.models import Memory, PlanChanges, Question, Work
from domain.names import planned_step
from domain.nodes import Dependencies
from domain.plan import PlannedStep
from domain.questions import OWN_CHOICES
from domain.spawn_task import MemoryChange
from domain.statuses import StepStatus
from tests.unit.test_handover import known, planner, worker

pytestmark = pytest.mark.rule("3.1")

PENDING, FINISHED = known("walls"), known("cellar", StepStatus.COMPLETED)
CONTEXT = planner(PENDING, FINISHED, memory_enabled=True)


def by_commands(context: TaskContext = CONTEXT) -> Handover:
    """Two steps, a removal, a memory, a question and a file."""
    steps = [PlannedStep(name=name, task_plan=f"do {name}", label="gpu", order_index=1) for name in ("floor", "roof")]
    ids = iter([planned_step(context.task, step.name) for step in steps])
    handover = h.add(Handover(), context, steps, lambda: next(ids))
    handover = h.remove_step(handover, context, "walls")
    handover = h.set_memory(handover, context, Memory(key="door", value="red"))
    return h.put_artifact(h.ask(handover, h.make_question(context, "Which one?")), "a.txt")


def with_step(**fields: Any) -> Handover:
    handover = by_commands()
    first, *rest = handover.plan.add
    plan = handover.plan.model_copy(update={"add": (first.model_copy(update=fields), *rest)})
    return handover.model_copy(update={"plan": plan})


def test_what_the_commands_have_written_is_taken_as_it_is() -> None:
    assert checked(by_commands(), CONTEXT) == by_commands()
    rewired = h.set_dependencies(Handover(), CONTEXT, "walls", ["cellar"])
    assert checked(rewired, CONTEXT) == rewired


def test_the_place_of_a_step_is_where_it_stands() -> None:
    moved = checked(with_step(position=7), CONTEXT)
    assert [step.position for step in moved.plan.add] == [0, 1]


WORK = Work(branch="b", base="b" * 40, head="c" * 40, commits=1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": uuid4()}, "which this plan did not give it"),
        ({"status": StepStatus.COMPLETED}, "says more than a plan does"),
        ({"work": WORK}, "says more than a plan does"),
        ({"shipped": True}, "says more than a plan does"),
        ({"generation": 1}, "says more than a plan does"),
        ({"summary": "done"}, "says more than a plan does"),
        ({"removed": True}, "says more than a plan does"),
    ],
)
def test_a_step_that_claims_what_no_planner_decides_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(HandoverBroken, match=f"step 'floor' .*{said}.*Only `makima` may write it"):
        checked(with_step(**fields), CONTEXT)


def asked(**fields: Any) -> Handover:
    question = h.make_question(CONTEXT, "Which one?").model_copy(update=fields)
    return Handover(questions=(question,))


@pytest.mark.parametrize(
    ("handover", "said"),
    [
        (Handover(plan=PlanChanges(remove=(FINISHED.id,))), "is no unfinished step of this directive"),
        (Handover(plan=PlanChanges(remove=(uuid4(),))), "is no unfinished step of this directive"),
        (
            Handover(plan=PlanChanges(set_deps=(Dependencies(step=FINISHED.id, depends_on=()),))),
            "it sets the dependencies of",
        ),
        (asked(task=uuid4()), "it asks for task"),
        (asked(id=uuid4()), "which is not its own"),
        (asked(text="Another one?"), "which is not its own"),
        (asked(topic="base"), "in the name of Makima"),
        (asked(choices=OWN_CHOICES[0]), "in the name of Makima"),
        (Handover(memories=(MemoryChange(key="a", memory=Memory(key="b", value="")),)), "'a' is stored as 'b'"),
        (Handover(artifacts=tuple(str(each) for each in range(MAX_ARTIFACTS + 1))), "it names 51 artifacts"),
        (Handover(artifacts=("a", "a")), "it names 2 artifacts"),
    ],
)
def test_what_no_command_writes_is_refused(handover: Handover, said: str) -> None:
    with pytest.raises(HandoverBroken, match=said):
        checked(handover, CONTEXT)


def test_as_many_files_as_a_task_may_hand_over_are_taken() -> None:
    whole = Handover(artifacts=tuple(str(each) for each in range(MAX_ARTIFACTS)))
    assert checked(whole, CONTEXT) == whole


def test_a_step_changes_no_plan_and_without_memory_nothing_is_remembered() -> None:
    with pytest.raises(HandoverBroken, match="a step task changes no plan"):
        checked(Handover(plan=PlanChanges(remove=(PENDING.id,))), worker())
    with pytest.raises(HandoverBroken, match="memory is not enabled"):
        checked(Handover(memories=(MemoryChange(key="a"),)), worker())


def test_a_question_that_was_answered_is_nobodys_concern_any_more() -> None:
    heard = Question(id=uuid4(), task=uuid4(), text="Which one?", answer="this")
    assert checked(Handover(questions=(heard,)), CONTEXT) == Handover(questions=(heard,))
