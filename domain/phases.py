"""Which steps wait for which where phases are many: the end of a phase is one node, in place of an edge from each of
its steps to each later one. Two hundred phases were twenty thousand edges, walked in every workflow task.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from domain.models import Step


class Gate(NamedTuple):
    """The end of a phase, and so of all lower ones of its generation."""

    generation: int
    phase: int


Node = UUID | Gate


class Phases:
    """The phases of `steps`, each with its own in the order in which they are given."""

    def __init__(self, steps: Iterable[Step]) -> None:
        found: dict[Gate, list[UUID]] = {}
        for step in steps:
            found.setdefault(Gate(step.generation, step.order_index), []).append(step.id)
        self._steps, self._gates = found, sorted(found)

    def waited_for_by(self, step: Step) -> list[Node]:
        """A step's dependencies, and the end of the phase before its own, if its generation has a lower one."""
        at = bisect_left(self._gates, Gate(step.generation, step.order_index))
        gate = self._gates[at - 1] if at else None
        return [*step.depends_on, *([gate] if gate and gate.generation == step.generation else [])]

    def graph(self) -> dict[Node, list[Node]]:
        """Each gate with what it waits for: the gate before, and its steps."""
        waits_for: dict[Node, list[Node]] = {gate: list(steps) for gate, steps in self._steps.items()}
        for before, gate in pairwise(self._gates):
            if before.generation == gate.generation:
                waits_for[gate].insert(0, before)
        return waits_for
