"""What a directive's workflow is found by in Temporal (rule 9.2). One more is one more member here."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.models import State


class SearchAttribute(StrEnum):
    """By its name."""

    STATUS = "DirectiveStatus"
    OWNER = "DirectiveOwner"
    REPOSITORY = "DirectiveRepository"
    GENERATION = "DirectiveGeneration"

    @property
    def type(self) -> str:
        """`Keyword` or `Int`, as Temporal calls its types."""
        return "Int" if self is self.GENERATION else "Keyword"

    def value_in(self, state: State) -> str | int:
        """As of now."""
        match self:
            case SearchAttribute.STATUS:
                return state.status.value
            case SearchAttribute.OWNER:
                return state.directive.owner
            case SearchAttribute.REPOSITORY:
                return state.directive.repository
            case SearchAttribute.GENERATION:
                return state.generation
