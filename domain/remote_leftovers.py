"""What directives that have ended have left on a remote, as `clean --remote` asks for it and removes it (rule 9.8)."""

from __future__ import annotations

from uuid import UUID

from domain.pull_request import PullRequest
from domain.value import Value


class RecordedBranch(Value):
    """A branch that the record knows of a directive, with the commits that its work is known to have ended at."""

    name: str
    commits: tuple[str, ...]


class EndedDirective(Value):
    """What the record knows of one that was completed, failed or archived."""

    id: UUID
    title: str
    base_branch: str
    branches: tuple[RecordedBranch, ...] = ()
    tasks: tuple[UUID, ...] = ()
    """Whose outcomes and checkpoints are on the remote."""
    pull_requests: tuple[PullRequest, ...] = ()


class RemoteWanted(Value):
    """What a daemon of this machine is asked to look at, or to remove."""

    repository: str
    owner: str
    directives: tuple[EndedDirective, ...]
    needed: tuple[str, ...] = ()
    """Branches that directives which have not ended start from, or work on."""
    open_pull_requests: tuple[PullRequest, ...] = ()
    """All that the record knows there and has seen neither merged nor closed, of whichever directive."""
    remove: dict[str, str] | None = None
    """Ref → the commit at which it was listed; null: nothing, only look."""


class RemoteLeftover(Value):
    """A branch or ref on the remote that belongs to a directive which has ended."""

    ref: str
    commit: str
    directive: UUID
    title: str
    is_work: bool
    """Neither the base branch nor a merged pull request holds it: it would be lost, and is removed with `--lose-work`
    alone."""
    stays: str = ""
    """Why it is not removed; empty: it is."""


class RemoteFound(Value):
    """What there is, and what was removed of it."""

    found: tuple[RemoteLeftover, ...]
    removed: tuple[str, ...] = ()
