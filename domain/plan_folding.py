"""How a plan becomes a directive's steps (rules 2.4, 3.5)."""

from __future__ import annotations

from uuid import UUID

from domain.change import Draft
from domain.errors import PlanRefused, Refused
from domain.events import EventName
from domain.models import PlanChanges, Proposal, State, Step, Task
from domain.nodes import Dependencies
from domain.plan import check, check_agents, check_order, check_unfinished_texts
from domain.size import check_size
from domain.spawn_task import Outcome
from domain.statuses import StepStatus, TaskKind


class NoSteps(Refused):
    """The first plan holds no step (rule 2.2)."""


def fold_plan(draft: Draft, task: Task, outcome: Outcome) -> None:
    """Carry out or propose the plan; nothing happens where a newer goal has come meanwhile.

    Raises NoSteps, and Refused where the plan clashes with what has happened since the planner looked (rule 3.5).
    """
    state = draft.state
    if task.generation != state.generation:
        return
    _take_prefix(draft, outcome)
    changes = outcome.plan or PlanChanges()
    if task.kind is TaskKind.PREPARE:
        changes = PlanChanges(add=state.given_plan)
    if not changes.add and not state.steps:
        raise NoSteps(f"the planner handed over no step: {outcome.summary or 'no reason given'}")
    check_against(state, changes)
    if not state.directive.base_branch and outcome.base_branch:
        draft.set(directive=state.directive.model_copy(update={"base_branch": outcome.base_branch}))
        draft.event(EventName.BASE_CHANGED, f"{outcome.base_branch}, the default branch of the repository")
    plan = Proposal(**dict(changes), generation=task.generation, base_commit=outcome.base_commit)
    if state.directive.settings.require_approval:
        draft.set(proposal=plan, given_plan=(), note="")
        draft.event(EventName.PLAN_PROPOSED, f"generation {plan.generation}: {len(plan.add)} new steps", task=task.id)
    else:
        carry_out(draft, plan)


def _take_prefix(draft: Draft, outcome: Outcome) -> None:
    """What the repository says of branches' names is the directive's from its first plan on, unless that says so."""
    directive = draft.state.directive
    if outcome.branch_prefix and not directive.settings.branch_prefix:
        settings = directive.settings.model_copy(update={"branch_prefix": outcome.branch_prefix})
        draft.set(directive=directive.model_copy(update={"settings": settings}))


def carry_out(draft: Draft, plan: Proposal) -> None:
    """Make the plan's steps the directive's."""
    bases = {**draft.state.bases, plan.generation: plan.base_commit}
    draft.set(planned=plan.generation, bases=bases, given_plan=(), note="")
    for identity in plan.remove:
        _remove(draft, identity)
    for step in plan.add:
        draft.put_step(step.model_copy(update={"generation": plan.generation}))
    for entry in plan.set_deps:
        _set_dependencies(draft, entry)
    draft.event(EventName.PLANNED, f"generation {plan.generation}: {len(plan.add)} new steps")


def check_against(state: State, changes: PlanChanges) -> None:
    """Raise PlanRefused where a plan clashes with what has happened since the planner looked, or while it waited for
    its approval (rule 3.5).
    """
    check(changes)
    check_agents(changes.add, state.directive.settings.for_steps)
    added = {step.id: step for step in changes.add}
    if added.keys() & state.steps.keys():
        raise PlanRefused("the plan adds a step whose id exists already")
    removed = frozenset(changes.remove)
    kept = {
        identity: step for identity, step in state.steps.items() if identity not in removed or step.status.is_finished
    }
    for entry in changes.set_deps:
        kept[entry.step] = _with_dependencies(state, kept, entry)
    after = {**kept, **added}
    for step in after.values():
        for other in step.depends_on if not step.status.is_finished else ():
            if other not in after:
                name = state.steps[other].name if other in state.steps else str(other)
                raise PlanRefused(f"step {step.name!r} depends on {name!r}, which the plan removes or doesn't have")
    check_order(after.values())
    planned = state.model_copy(update={"steps": after})
    check_unfinished_texts(planned)
    check_size(planned)


def _with_dependencies(state: State, kept: dict[UUID, Step], entry: Dependencies) -> Step:
    if entry.step not in kept:
        raise PlanRefused(f"the plan sets the dependencies of step {entry.step}, which it removes or which isn't there")
    step = state.steps[entry.step]
    if not step.status.is_unstarted:
        raise PlanRefused(f"step {step.name!r} is {step.status}: its dependencies can't be changed")
    return step.model_copy(update={"depends_on": entry.depends_on})


def _set_dependencies(draft: Draft, entry: Dependencies) -> None:
    step = draft.state.steps.get(entry.step)
    if step is None or not step.status.is_unstarted:  # a plan may have waited long for its approval
        draft.event(
            EventName.DEPENDENCIES_DROPPED, f"the step is {step.status}" if step else "no such step", step=entry.step
        )
        return
    draft.step(entry.step, depends_on=entry.depends_on, blocked_by=())
    draft.event(EventName.DEPENDENCIES_SET, step=entry.step)


def _remove(draft: Draft, identity: UUID) -> None:
    step: Step | None = draft.state.steps.get(identity)
    if step is None or step.status.is_finished:
        draft.event(EventName.REMOVAL_DROPPED, "the step has finished" if step else "no such step", step=identity)
        return
    draft.step(identity, status=StepStatus.CANCELLED, removed=True, blocked_by=())
    draft.event(EventName.STEP_REMOVED, step=identity)
