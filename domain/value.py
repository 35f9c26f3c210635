"""The base of everything in domain/."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value of ours; an unknown field in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
