"""A plan's nodes, and what they wait for; whether they wait in a circle: `domain.plan`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.tolerant import Tolerant
from domain.value import Late


class Node(Late):
    """What everybody who sees a step knows of it: the rules, the agent's commands, the record and the views."""

    id: UUID
    name: str
    generation: int
    depends_on: tuple[UUID, ...] = ()
    order_index: int = 0
    label: str = ""
    """Only daemons with it may do the step; empty: the directive's."""

    def node(self) -> dict[str, Any]:
        """These fields alone, for another shape of the same step."""
        return {name: getattr(self, name) for name in Node.model_fields}


class Dependencies(Tolerant):
    """What a step that exists already depends on from now on."""

    step: UUID
    depends_on: tuple[UUID, ...]
