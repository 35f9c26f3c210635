"""What a directive remembers of looking after its pull request (rule 7.5)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.pull_request import PullRequest
from domain.tolerant import Tolerant
from domain.usage import Usage
from domain.value import Value

MAX_PUSHES = 20


class Fix(Tolerant):
    """What makes a step one of the shepherd's: it mends a pull request (rule 7.5), and holds up no other step."""

    starts_at: str
    """The pull request's head when the trouble was seen; the work builds on it."""
    merges: tuple[str, ...] = ()
    """The base branch's head, where the pull request is in conflict with it."""
    comments: tuple[str, ...] = ()
    """The findings that are answered once the work is pushed."""
    findings: tuple[str, ...] = ()
    """All that it mends: when none of them holds any more, it has nothing to do."""


class Push(Value):
    """What one completion brought into the pull request."""

    head: str
    """The commit that was pushed; it holds all that the branch held by then."""
    steps: tuple[UUID, ...]


class Shepherding(Value):
    """How far the shepherd of the current pull request is (rule 7.5)."""

    draft: bool = False
    """The newest completion asked for a draft."""
    by_hand: bool = False
    """A person has made it a draft, or ready, against what was asked for, and is not contradicted."""
    seen: tuple[str, ...] = ()
    """Ids of findings that something was done about."""
    held: tuple[str, ...] = ()
    """Ids of findings that came while fixes were under way, or after the last round: read anew when it goes on."""
    gathers: bool = False
    """The newest sighting told a part of what was new: what it left belongs to the same round, on the same head."""
    rounds: int = 0
    """Batches of fix steps since the pull request last got a step of a plan."""
    granted: int = 0
    """Rounds that an operator has allowed beyond the settings' number."""
    pokes: int = 0
    """How often an operator wanted it looked at at once."""
    failing: tuple[str, ...] = ()
    """The failed checks of its head, by name."""
    approved: bool = False
    blocked: tuple[str, ...] = ()
    """Why it can't be merged, as the newest look has seen it; beside that it is a draft."""
    queued: bool = False
    """The newest look has seen it in the forge's merge queue, which a push would take it out of."""
    unheard: tuple[str, ...] = ()
    """Ids of what was said about it by people and bots whose words don't count, as the newest look has seen it."""
    picture: str = ""
    """All that the newest look has seen, by the name of `messages.picture_of`."""
    since: datetime | None = None
    """When an operator handed it over; what people had said about it by then is their talk, and no work."""
    asked_about: dict[UUID, tuple[str, ...]] = {}
    """Open question that asks a person to see to something → the findings that it is about."""
    pushed: tuple[Push, ...] = ()
    """Its newest pushes, oldest first: a forge may merge the head before the last one (rule 7.2)."""

    def after(self, push: Push) -> tuple[Push, ...]:
        """The newest pushes, once `push` was made; a forge that hasn't seen an older one isn't heard of."""
        return (*self.pushed, push)[-MAX_PUSHES:]

    retarget: str = ""
    """The base branch that an operator has chosen for the open pull request; empty: the forge has heard of it."""
    taken_back: tuple[str, ...] = ()
    """Commits of steps that were done again, skipped or removed after they had been completed: never shipped."""

    @property
    def pushed_heads(self) -> tuple[str, ...]:
        return tuple(push.head for push in self.pushed)


class Merged(Value):
    """What is known of pull requests that were merged (rule 7.2)."""

    heads: tuple[str, ...] = ()
    """Their heads, as far as work that isn't merged yet may build on them."""
    generation: int = 0
    """The bases of generations up to this one are no place to begin at: older than the newest merge, or of another
    base branch."""
    untidied: tuple[PullRequest, ...] = ()
    """Those whose branches and refs are still on the remote."""
    usage: Usage = Usage.model_construct()
    """Of the tasks of their steps, told in one sum: a directive may have a thousand of them (design 6)."""
