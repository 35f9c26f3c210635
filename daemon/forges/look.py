"""One look at a pull request (rule 7.5): what is wrong with it, and what people say; the same at every forge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from daemon.forges.audience import Audience, Author
from daemon.forges.blocks import Block, bounded, facts_of
from daemon.forges.pulls import Pull
from daemon.forges.remarks import (
    admitted_findings,
    authors_of,
    is_approved,
    is_by,
    newest,
    remarks_at_lines,
    remarks_below,
    remarks_in_reviews,
    reviews_over,
    said_since,
    settled_remarks,
    unheard_of,
    without_settled,
)
from daemon.forges.said import Comment, Review, User
from domain.pull_request import Finding, FindingSource, PullRequest, Sighting, Unheard

MOST_REMARKS = 300
"""Of reviews, of comments at a line and of those below, that are told: the newest of those who are heard, and as many
of the others. A directive remembers 1,000 findings, and would work again on what it has forgotten.
"""


@dataclass(frozen=True)
class Said:
    """All that people have said, the oldest first."""

    reviews: list[Review]
    remarks: list[Comment]
    """At lines."""
    talk: list[Comment]
    """Below the pull request."""


class LookPort(Protocol):
    """What one look asks of a kind of forge. Every call raises as those of daemon.forges.port.Forge do."""

    async def pull(self, number: int) -> Pull:
        """The pull request; whether it can be merged may be of an earlier base (`conflict`)."""
        ...

    async def base_head(self, pull: Pull) -> str:
        """The newest commit of the base branch; empty: it is gone."""
        ...

    async def conflict(self, pull: Pull, base_head: str) -> list[Finding]:
        """Whether it can be merged into the base as that is now; nothing where the forge doesn't know."""
        ...

    async def said(self, pull: Pull) -> Said:
        """All that people have said."""
        ...

    async def failures(self, pull: Pull) -> tuple[list[Finding], list[Unheard]]:
        """What of its head's checks asks for work, or for a person; and those that are none of ours."""
        ...

    async def blocked(self, pull: Pull, facts: str) -> tuple[str, ...]:
        """Why it can't be merged now, beside a conflict and that it is a draft; while the forge works it out, what it
        has said last of the same head. `facts`: as of `daemon.forges.blocks.facts_of`."""
        ...

    async def resolved(self, pull: Pull, remarks: list[Comment]) -> Mapping[str, str]:
        """The addresses of remarks whose conversations are resolved → the login of who did it, empty for an app."""
        ...


async def sighting_of(looking: LookPort, audience: Audience, seen: PullRequest, pull: Pull, me: str) -> Sighting:
    """All that there is to see; `me`: the login whose own words are not for us, empty where it can't be known."""
    base_head = await looking.base_head(pull)
    conflict = await looking.conflict(pull, base_head)
    said = await looking.said(pull)
    kinds = (remarks_in_reviews(said.reviews, me), remarks_at_lines(said.remarks, me), remarks_below(said.talk, me))
    heard = await audience.of(authors_of(chain(*kinds)))
    everything = [each for kind in kinds for each in newest(kind, heard, MOST_REMARKS)]
    failures, forks = await looking.failures(pull)
    asked = admitted_findings(everything, heard, reviews_over(said.reviews))
    blocked = await looking.blocked(pull, facts_of(pull, base_head, said.reviews, failures))
    return Sighting(
        pull_request=seen,
        findings=(*conflict, *failures, *await _without_resolved(looking, audience, pull, asked, said.remarks, me)),
        base_head=base_head,
        approved=is_approved(said.reviews, heard, me),
        queued=Block.QUEUED in blocked,
        blocked=bounded((*([Block.CONFLICT] if conflict else []), *blocked)),
        unheard=(*forks, *unheard_of(everything, heard)),
    )


async def _without_resolved(
    looking: LookPort, audience: Audience, pull: Pull, asked: list[Finding], remarks: list[Comment], me: str
) -> tuple[Finding, ...]:
    """What is asked for, without what was said in conversations that somebody has resolved since who is heard: the
    author of a pull request may as well, who can be a stranger.
    """
    if not any(FindingSource.COMMENT.began(each.id) for each in asked):
        return tuple(asked)
    resolved = await looking.resolved(pull, remarks)
    people = {login: Author(User(login=login)) for login in resolved.values() if login}
    heard = await audience.of(people.values())
    ours = {login for login, author in people.items() if is_by(author.user, me)} | {""}
    counts = {login for login, author in people.items() if heard.admits(author)} | ours
    settled = settled_remarks(remarks, [at for at, by in resolved.items() if by in counts])
    # Whoever answers to what we have resolved would have to open it again, and may not know it.
    return without_settled(asked, settled - said_since(remarks, [at for at, by in resolved.items() if by in ours]))
