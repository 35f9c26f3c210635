"""The base of what crosses versions: messages between core and daemon (rule 5.2)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Tolerant(BaseModel):
    """A frozen value that crosses versions, or a part of one: unknown fields in it are ignored (rule 5.2)."""

    model_config = ConfigDict(frozen=True, extra="ignore")
