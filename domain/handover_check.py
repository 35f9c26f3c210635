"""A handover names nothing that isn't its task's own (rule 3.1): checked where one comes in, whoever wrote the file.

An agent owns its task folder, so it can write the file itself: a step that claims to be done, or that has the id of
another directive's; a question in the name of another task, or of Makima itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.errors import HandoverBroken
from domain.handover import MAX_ARTIFACTS, Handover, TaskContext, is_reserved
from domain.models import PlanChanges, Question, Step
from domain.names import planned_step
from domain.questions import question_id
from domain.statuses import TaskKind


def checked(handover: Handover, context: TaskContext) -> Handover:
    """`handover` as the commands of this task could have written it; HandoverBroken with what they couldn't."""
    if problem := next(_problems(handover, context), ""):
        raise HandoverBroken(f"the agent has changed its handover by hand: {problem}. Only `makima` may write it")
    added = tuple(step.model_copy(update={"position": place}) for place, step in enumerate(handover.plan.add))
    return handover.model_copy(update={"plan": handover.plan.model_copy(update={"add": added})})


def _problems(handover: Handover, context: TaskContext) -> Iterator[str]:
    if context.kind is not TaskKind.PLANNING and not handover.plan.is_empty:
        yield f"a {context.kind} task changes no plan"
    yield from _plan_problems(handover.plan, context)
    for question in handover.open_questions:
        yield from _question_problems(question, context)
    if handover.memories and not context.context.memory_enabled:
        yield "memory is not enabled for this directive"
    for change in handover.memories:
        if change.memory is not None and change.memory.key != change.key:
            yield f"memory {change.key[:80]!r} is stored as {change.memory.key[:80]!r}"
    if len(handover.artifacts) > MAX_ARTIFACTS or len(set(handover.artifacts)) < len(handover.artifacts):
        yield f"it names {len(handover.artifacts)} artifacts"


def _plan_problems(plan: PlanChanges, context: TaskContext) -> Iterator[str]:
    for step in plan.add:
        if step.id != planned_step(context.task, step.name):
            yield f"step {step.name[:80]!r} has the id {step.id}, which this plan did not give it"
        elif step != _as_planned(step, context):
            yield f"step {step.name[:80]!r} says more than a plan does"
    changeable = {step.id for step in context.context.steps if not step.finished}
    for removed in plan.remove:
        if removed not in changeable:
            yield f"it removes {removed}, which is no unfinished step of this directive"
    for entry in plan.set_deps:
        if entry.step not in changeable:
            yield f"it sets the dependencies of {entry.step}, which is no unfinished step of this directive"


def _as_planned(step: Step, context: TaskContext) -> Step:
    """Only what a planner decides of `step`: it is not done, holds no work and mends no pull request."""
    return Step(
        id=step.id,
        generation=context.generation,
        position=step.position,
        name=step.name,
        description=step.description,
        task_plan=step.task_plan,
        depends_on=step.depends_on,
        order_index=step.order_index,
        label=step.label,
    )


def _question_problems(question: Question, context: TaskContext) -> Iterator[str]:
    if question.task != context.task:
        yield f"it asks for task {question.task}"
    elif question.id != question_id(context.task, question.text):
        yield f"question {question.text[:80]!r} has the id {question.id}, which is not its own"
    if question.topic or is_reserved(question.choices):
        yield f"question {question.text[:80]!r} is asked in the name of Makima"
