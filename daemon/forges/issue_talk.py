"""Issues at a forge, and what people say in them (rule 7.6): what is the same at every forge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from daemon.forges.audience import Admitted, Audience, Author
from daemon.forges.findings import link, title_of
from daemon.forges.look import MOST_REMARKS
from daemon.forges.plain_text import plain_text
from daemon.forges.pulls import Repository
from daemon.forges.refusals import NOT_SHOWN, Declined
from daemon.forges.remarks import admitted_findings, authors_of, name_of, newest, remarks_below, unheard_of
from daemon.forges.said import Comment, User
from domain.intake.issue import MOST_SAID, MOST_TEXT, IssueRead, IssueStanding
from domain.pull_request import Finding


@dataclass(frozen=True)
class Told:
    """An issue as a forge's adapter tells it."""

    number: int
    standing: IssueStanding
    title: str
    text: str
    url: str
    author: Author
    editors: tuple[User | None, ...] = ()
    """Who else may have changed its title or text without write access; None: an account that is gone."""
    is_locked: bool = False
    labels: tuple[str, ...] = ()
    said: tuple[Comment, ...] = ()
    """What people have written below it, the oldest first; not of what is none of the repository's issues."""


class AskingIssues(Protocol):
    """What is asked of a kind of forge. Every call raises as those of daemon.forges.port.Forge do."""

    async def issue(self, number: int) -> Told:
        """The issue; raises Declined where there is none."""
        ...


class Issues:
    """Those of one repository."""

    def __init__(self, asking: AskingIssues, audience: Audience) -> None:
        self._asking = asking
        self._audience = audience

    async def read(self, number: int) -> IssueRead:
        """The issue as it stands now, with what those have said who are heard. An account's own words are not left out
        here: where the token is a person's, they are that person's; what we post is known by its mark.
        """
        try:
            told = await self._asking.issue(number)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return IssueRead(number=number, standing=IssueStanding.GONE)
        if not told.standing.is_issue:
            return IssueRead(number=number, standing=told.standing, url=link(told.url))
        said = remarks_below(told.said, "")
        writers = [told.author, *map(Author, told.editors)]
        heard = await self._audience.of([*writers, *authors_of(said)])
        kept = newest(said, heard, MOST_REMARKS)
        comments = admitted_findings(kept, heard)
        fitting = _fitting(comments)
        text, is_cut = _beginning(told.text)
        return IssueRead(
            number=number,
            standing=told.standing,
            title=title_of(told.title),
            text=text,
            is_cut=is_cut,
            url=link(told.url),
            author=name_of(told.author.user)[:100],
            unheard_text=_why_unheard(writers, heard),
            comments=tuple(fitting),
            left_out=len(comments) - len(fitting),
            unheard=tuple(unheard_of(kept, heard)),
            is_locked=told.is_locked,
            labels=told.labels,
        )


def standing_of(number: int, url: str, repository: Repository, state: str, *, is_pull: bool) -> IssueStanding:
    """`url`: of its page, as the forge tells it: who asks for one that was transferred may be told of the new one."""
    if is_pull:
        return IssueStanding.PULL_REQUEST
    if not url.lower().endswith(f"/{repository.full_name}/issues/{number}".lower()):
        return IssueStanding.MOVED
    return IssueStanding.OPEN if state == "open" else IssueStanding.CLOSED


def _why_unheard(writers: Sequence[Author], heard: Admitted) -> str:
    """Whose words in the text don't count, and why; one who is still to be asked about is none who is heard."""
    strange = next((each for each in writers if not heard.admits(each)), None)
    if strange is None:
        return ""
    reason = heard.refusal(strange)
    return f"{name_of(strange.user)[:100]}: {reason.value if reason else 'not asked about yet'}"


def _beginning(text: str) -> tuple[str, bool]:
    data = plain_text(text).strip().encode(errors="replace")
    return data[:MOST_TEXT].decode(errors="ignore"), len(data) > MOST_TEXT


def _fitting(comments: Sequence[Finding]) -> list[Finding]:
    """The newest that there is room for."""
    left = MOST_SAID

    def fits(comment: Finding) -> bool:
        nonlocal left
        left -= len(comment.text.encode())
        return left >= 0

    return list(takewhile(fits, reversed(comments)))[::-1]
