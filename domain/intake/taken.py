"""What became of labelled issues, as it is shown: apart from what an intake knows, which takes long to import."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from domain.tolerant import Tolerant


class LeftAlone(Tolerant):
    """A labelled issue that is not taken, and why; without a word of it."""

    number: int
    why: Annotated[str, Field(max_length=300)]


class Taken(Tolerant):
    number: int
    directive: UUID
    workflow: Annotated[str, Field(max_length=300)]
