"""What everything is that the forge keeps."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

RESERVED_OWNERS = frozenset({"api", "assets", "graphql", "rate_limit", "repos", "user"})
"""First parts of paths that mean something else."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""Of an owner or a repository; never begins with what git or a path would read as something else."""

Owner = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}){0,5}$")]
"""With the groups below it, at a forge that has such."""


class Stored(BaseModel):
    """A frozen value; an unknown field in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
