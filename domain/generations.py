"""The plans of a directive, generation by generation: what each one added, removed and rewired (rules 1, 8.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from domain.errors import Refused
from domain.models import PlanChanges, State, Step
from domain.statuses import StepStatus
from domain.value import Value


class PlannedLine(Value):
    """A step as a generation's plan has it."""

    id: UUID
    name: str
    generation: int
    """The one that made it."""
    order_index: int
    depends_on: tuple[str, ...]
    """The names of the steps."""
    status: StepStatus
    """Where it stands now."""
    description: str
    task_plan: str
    """What its agent is told; empty once it has finished."""


class RewiredLine(Value):
    """A step that both plans have, with other dependencies."""

    id: UUID
    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class PlanDifference(Value):
    """A generation's plan against the one before."""

    added: tuple[PlannedLine, ...]
    removed: tuple[PlannedLine, ...]
    rewired: tuple[RewiredLine, ...]


Plan = Mapping[UUID, tuple[UUID, ...]]
"""A plan's steps, each with those that it depends on."""


def plan_of(state: State, changes: Mapping[int, PlanChanges], generation: int) -> Plan:
    """The plan of a generation: the newest one as it stands, an earlier one as its planner left it, a proposed one as
    it would be.

    `changes`: what each generation's planner handed over. What an operator added or rewired belongs to its generation
    from the beginning. Raises Refused for a generation that has no plan.
    """
    proposed = state.proposal.generation if state.proposal else 0
    if generation not in planned_generations(state):
        told = ", ".join(str(each) for each in planned_generations(state)) or "none"
        raise Refused(f"there is no plan of generation {generation}; there are those of: {told}")
    if generation == proposed and state.proposal:
        return _changed(_as_it_stands(state), state.proposal)
    if generation == state.planned:
        return _as_it_stands(state)
    # After a reset the record also holds plans that led nowhere: their steps are nobody's.
    known = _known(state)
    return {step: on for step, on in _replayed(state, changes, generation).items() if step in known}


def planned_generations(state: State) -> list[int]:
    """Those that have a plan, also one that waits for approval; a goal that came too soon after another has none."""
    proposed = {state.proposal.generation} if state.proposal else set()
    return sorted(state.bases.keys() | proposed)


def difference(state: State, before: Plan, after: Plan) -> PlanDifference:
    """What `after` has that `before` has not, and the other way round; of one directive."""
    rewired = [step for step in after if step in before and set(after[step]) != set(before[step])]
    return PlanDifference(
        added=lines(state, {step: on for step, on in after.items() if step not in before}),
        removed=lines(state, {step: on for step, on in before.items() if step not in after}),
        rewired=tuple(
            RewiredLine(
                id=step, name=_name(state, step), before=_names(state, before[step]), after=_names(state, after[step])
            )
            for step in rewired
        ),
    )


def lines(state: State, plan: Plan) -> tuple[PlannedLine, ...]:
    """The steps of a plan in the order of plans."""
    known = sorted((_step(state, step) for step in plan), key=lambda step: step.order)
    return tuple(
        PlannedLine(
            id=step.id,
            name=step.name,
            generation=step.generation,
            order_index=step.order_index,
            depends_on=_names(state, plan[step.id]),
            status=step.status,
            description=step.description,
            task_plan=step.task_plan,
        )
        for step in known
    )


def _as_it_stands(state: State) -> dict[UUID, tuple[UUID, ...]]:
    return {step.id: step.depends_on for step in state.ordered_steps() if not step.removed}


def _replayed(state: State, changes: Mapping[int, PlanChanges], generation: int) -> dict[UUID, tuple[UUID, ...]]:
    plan: dict[UUID, tuple[UUID, ...]] = {}
    for number in sorted(each for each in state.bases if each <= generation):
        told = changes.get(number, PlanChanges())
        plan = _changed(plan, told)
        by_hand = (step for step in state.steps.values() if step.generation == number and step.id not in plan)
        plan |= {step.id: step.depends_on for step in by_hand if step.id not in told.remove}
    return plan


def _changed(plan: Mapping[UUID, tuple[UUID, ...]], changes: PlanChanges) -> dict[UUID, tuple[UUID, ...]]:
    kept = {step: on for step, on in plan.items() if step not in changes.remove}
    rewired = {entry.step: entry.depends_on for entry in changes.set_deps if entry.step in kept}
    return kept | rewired | {step.id: step.depends_on for step in changes.add}


def _step(state: State, identity: UUID) -> Step:
    proposed = state.proposal.add if state.proposal else ()
    return state.steps.get(identity) or next(step for step in proposed if step.id == identity)


def _name(state: State, identity: UUID) -> str:
    return _step(state, identity).name


def _names(state: State, identities: Iterable[UUID]) -> tuple[str, ...]:
    known = _known(state)
    return tuple(_name(state, identity) for identity in identities if identity in known)


def _known(state: State) -> set[UUID]:
    proposed = state.proposal.add if state.proposal else ()
    return state.steps.keys() | {step.id for step in proposed}
