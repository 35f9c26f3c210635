"""When a step may start, and what holds it up (rule 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from uuid import UUID

from domain.models import State, Step
from domain.phases import Gate, Node, Phases
from domain.statuses import StepStatus

BLOCKING = (StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.BLOCKED)
MOST_BLOCKERS = 20
"""That a blocked step names. In a plan of 200 phases all of them would be 20,000, and a state that fits no payload."""


Standing = dict[UUID, tuple[StepStatus, tuple[UUID, ...]]]


def standing(state: State) -> Standing:
    """For every step that has not started: `pending`, `ready` or `blocked`, and what blocks it (rules 4.1, 4.2).

    A step waits for its dependencies and for every lower phase of its own generation; a failed, cancelled or blocked
    one among these blocks it.
    """
    status = {identity: step.status for identity, step in state.steps.items()}
    if _is_of_one_phase(state):
        return _standing_of_one_phase(state, status)
    try:
        return _standing_by_gates(state, status)
    except CycleError:
        return _standing_in_a_circle(state, status)


def _standing_by_gates(state: State, status: dict[UUID, StepStatus]) -> Standing:
    phases = Phases(step for step in state.steps.values() if _holds_later_phases(step))
    waiting = {step.id: step for step in state.steps.values() if not step.status.is_finished}
    graph: dict[Node, list[Node]] = phases.graph()
    for step in waiting.values():
        graph[step.id] = [*step.depends_on] if step.fix else phases.waited_for_by(step)
    order = list(TopologicalSorter(graph).static_order())  # raises before anything is judged
    found: Standing = {}
    of_gates: dict[Node, list[UUID]] = {}
    for node in order:
        if isinstance(node, Gate):
            of_gates[node] = _blockers(graph[node], status, of_gates)
        elif node in waiting and status[node] is not StepStatus.RUNNING:
            found[node] = _standing(graph[node], status, of_gates)
            status[node] = found[node][0]
    return found


def _standing_in_a_circle(state: State, status: dict[UUID, StepStatus]) -> Standing:
    """By every single step that one waits for, since some wait for no phase any more."""
    found: Standing = {}
    phases = _unsatisfied_phases(state)
    waits_for = {step.id: _waits_for(step, phases) for step in state.steps.values() if not step.status.is_finished}
    for identity in _in_order(state, waits_for):
        if identity not in waits_for or status[identity] is StepStatus.RUNNING:
            continue
        found[identity] = _standing(waits_for[identity], status, {})
        status[identity] = found[identity][0]
    return found


def _is_of_one_phase(state: State) -> bool:
    """Nothing blocks, and no phase waits for another one."""
    unsatisfied = [step for step in state.steps.values() if not step.status.satisfies]
    phases = {step.order_index for step in unsatisfied}
    return len(phases) < 2 and not any(step.status in BLOCKING for step in unsatisfied)


def _standing_of_one_phase(state: State, status: Mapping[UUID, StepStatus]) -> Standing:
    """In any order, for only what is finished counts. Most plans are so, and each workflow task does this: to sort two
    hundred steps first took a third of its time.
    """
    finished = {identity for identity, each in status.items() if each.satisfies}
    return {
        step.id: (StepStatus.READY if finished.issuperset(step.depends_on) else StepStatus.PENDING, ())
        for step in state.steps.values()
        if step.status.is_unstarted
    }


def _in_order(state: State, waits_for: dict[UUID, list[UUID]]) -> list[UUID]:
    """The steps, each after what it waits for. A step may have been added to a lower phase than that of the finished
    step that it depends on; once that one is taken back, each would wait for the other: then dependencies alone count.
    """
    while True:
        try:
            return list(TopologicalSorter(waits_for).static_order())
        except CycleError as error:
            phased = [each for each in error.args[1] if waits_for[each] != list(state.steps[each].depends_on)]
            if not phased:
                raise
            for identity in phased:
                waits_for[identity] = list(state.steps[identity].depends_on)


def holders(state: State, step: Step) -> list[Step]:
    """The unfinished steps that a step still waits for: dependencies, then those of lower phases."""
    waits_for = _waits_for(step, _unsatisfied_phases(state))
    return [state.steps[other] for other in waits_for if not state.steps[other].status.satisfies]


def _standing(
    waits_for: Sequence[Node], status: Mapping[UUID, StepStatus], of_gates: Mapping[Node, list[UUID]]
) -> tuple[StepStatus, tuple[UUID, ...]]:
    if blockers := _blockers(waits_for, status, of_gates):
        return StepStatus.BLOCKED, tuple(blockers)
    # No gate stands for what is satisfied.
    if all(not isinstance(other, Gate) and status[other].satisfies for other in waits_for):
        return StepStatus.READY, ()
    return StepStatus.PENDING, ()


def _blockers(
    waits_for: Sequence[Node], status: Mapping[UUID, StepStatus], of_gates: Mapping[Node, list[UUID]]
) -> list[UUID]:
    """The first of what blocks: of a gate as many as are named, in the same order."""
    found: dict[UUID, None] = {}
    for node in waits_for:
        if isinstance(node, Gate):
            found.update(dict.fromkeys(of_gates[node]))
        elif status[node] in BLOCKING:
            found[node] = None
    blockers = list(found)
    blockers.sort(key=lambda other: status[other] is StepStatus.BLOCKED)  # first what has ended, by itself
    return blockers[:MOST_BLOCKERS]


def _holds_later_phases(step: Step) -> bool:
    """Removed steps and fixes belong to no phase."""
    return not (step.removed or step.fix or step.status.satisfies)


def _unsatisfied_phases(state: State) -> dict[int, dict[int, list[UUID]]]:
    """Generation → phase → steps that later phases still wait for."""
    phases: dict[int, dict[int, list[UUID]]] = {}
    for step in state.steps.values():
        if _holds_later_phases(step):
            phases.setdefault(step.generation, {}).setdefault(step.order_index, []).append(step.id)
    return phases


def _waits_for(step: Step, phases: dict[int, dict[int, list[UUID]]]) -> list[UUID]:
    earlier = [
        other
        for phase, steps in sorted(phases.get(step.generation, {}).items())
        if phase < step.order_index and not step.fix
        for other in steps
    ]
    return list(dict.fromkeys([*step.depends_on, *earlier]))
