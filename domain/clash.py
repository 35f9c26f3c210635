"""A clash of a step with what lies beside it (rule 6.14), as its daemon tells it and the record keeps it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from domain.tolerant import Tolerant

MOST_PATHS = 10
"""Of a clash that are named; the others are counted."""
LONGEST_PATH = LONGEST_NAME = 200
"""Characters that are shown."""


class Clash(Tolerant):
    """What a step and something else have both changed, so that git can't merge it."""

    step: UUID | None = None
    """The other step; None: the base branch has moved."""
    name: Annotated[str, Field(max_length=LONGEST_NAME)]
    """Of the step or branch."""
    paths: Annotated[tuple[Annotated[str, Field(max_length=LONGEST_PATH)], ...], Field(max_length=MOST_PATHS)]
    more: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Paths that are not named."""
    told: bool = False
    """The step's agent has heard of it."""

    @property
    def what(self) -> str:
        """`prices.txt, list.txt and 3 more`."""
        return ", ".join(self.paths) + (f" and {self.more} more" if self.more else "")

    @property
    def other(self) -> str:
        """`Prices`, `the base branch main`."""
        return self.name if self.step else f"the base branch {self.name}"

    @property
    def whose(self) -> str:
        """`the step Prices`, `the base branch main`."""
        return f"the step {self.name}" if self.step else self.other
