"""What everything is that the forge keeps."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Stored(BaseModel):
    """A frozen value; an unknown field in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
