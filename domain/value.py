"""The base of everything in domain/."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value of ours; an unknown field in it is an error."""

    # Without defer_build, which saves a tenth of a command's start: models that were built late showed a secret in
    # their errors in spite of hide_input_in_errors (pydantic 2.14.3).
    model_config = ConfigDict(frozen=True, extra="forbid")
