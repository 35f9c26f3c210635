"""What daemons are asked to delete on the remote after a merge, and what became of it (rule 7.5)."""

from __future__ import annotations

from uuid import UUID

from domain.pull_request import PullRequest
from domain.tolerant import Tolerant


class Tidying(Tolerant):
    """What a merged pull request leaves on the remote: deleted where its commits are contained (rule 7.5)."""

    version: str = "1.0"
    owner: str
    directive: UUID
    repository: str
    base_branch: str
    pull_requests: tuple[PullRequest, ...]
    branches: tuple[str, ...] = ()
    """Of the steps that they held."""
    branch_prefix: str = ""
    """What the directive's branches begin with; empty: names.PREFIX."""
    tasks: tuple[UUID, ...] = ()
    """Whose checkpoints and outcomes nobody needs any more."""


class Tidied(Tolerant):
    """What was done about it, as names of refs."""

    deleted: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Those whose commits are nowhere else."""
