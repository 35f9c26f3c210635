"""Issues at a forge, and what people say in them (rule 7.6): what is the same at every forge."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import takewhile
from typing import Protocol

from daemon.forges.audience import Admitted, Audience, Author, NotHeard
from daemon.forges.findings import link, title_of
from daemon.forges.look import MOST_REMARKS
from daemon.forges.plain_text import plain_text
from daemon.forges.pulls import Repository
from daemon.forges.refusals import NOT_SHOWN, Declined
from daemon.forges.remarks import admitted_findings, authors_of, is_by, name_of, newest, remarks_below, unheard_of
from daemon.forges.said import Comment, User
from domain.intake.commands import CommandSaid, commands_in
from domain.intake.issue import MOST_SAID, MOST_TEXT, IssueRead, IssueStanding
from domain.intake.progress import marked_by
from domain.pull_request import Finding, FindingSource

logger = logging.getLogger(__name__)


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

    async def labelled(self, label: str) -> list[Listed]:
        """The open issues that have the label, pull requests left out."""
        ...

    async def labeller(self, number: int, label: str) -> User | None:
        """Who has given it the label last; None: the forge doesn't say, or the account is gone."""
        ...

    async def post(self, number: int, body: str, existing: Callable[[], Awaitable[Comment | None]]) -> Comment:
        """Write a comment below it, unless `existing` finds it before a try."""
        ...

    async def edit(self, number: int, comment: int, body: str) -> Comment:
        """Give a comment of ours another text."""
        ...


@dataclass(frozen=True)
class Listed:
    """A labelled issue, as a list tells it."""

    number: int
    changed: str
    """When anything of it has changed last."""


class Issues:
    """Those of one repository."""

    def __init__(self, asking: AskingIssues, audience: Audience, me: str) -> None:
        """`me`: the login of the token's account; empty where it can't be known."""
        self.asking = asking
        self.audience = audience
        self._me = me

    async def read(self, number: int) -> IssueRead:
        """The issue as it stands now, with what those have said who are heard. An account's own words are not left out
        here: where the token is a person's, they are that person's; what we post is known by its mark.
        """
        return (await self.read_for_taking(number))[0]

    async def commands(self, number: int, directive: str, handled: Collection[str]) -> list[CommandSaid]:
        """What people have commanded who are heard, since we have said there that `directive` works on it; without
        `handled`.
        """
        told = await self._told(number)
        ours = self._own_progress(told).get(directive)
        if told is None or ours is None:
            return []
        said = [each for each in remarks_below(told.said, "") if each.asks]
        heard = await self.audience.of(authors_of(said))
        at = {FindingSource.TALK.id_of(each.id): each.said_at for each in told.said}
        found = [
            CommandSaid(
                number=number,
                comment=comment,
                place=place,
                author=name_of(each.author.user)[:100],
                text=text,
                said_at=at.get(each.finding.id),
            )
            for each in said
            if heard.admits(each.author) and (comment := int(each.finding.id.rpartition(":")[2])) > ours.id
            for place, text in enumerate(commands_in(each.finding.text))
        ]
        return [each for each in found if each.key not in handled]

    async def tell(self, number: int, body: str) -> datetime | None:
        """Let our one comment below it say `body`, and since when it does; None where the issue is gone, or takes no
        word of ours. It is known by its mark and its author: anybody can write the mark.
        """
        told, directive = await self._told(number), marked_by(body)
        if told is None or not self._me:
            return None
        ours = self._own_progress(told).get(directive)

        async def existing() -> Comment | None:
            return self._own_progress(await self._told(number)).get(directive)

        try:
            if ours is None:
                ours = await self.asking.post(number, body, existing)
            elif (ours.body or "").replace("\r\n", "\n").strip() != body.strip():
                ours = await self.asking.edit(number, ours.id, body)
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            logger.warning("issue #%s is not told: %s", number, declined)
            return None
        return ours.updated_at or ours.created_at

    def _own_progress(self, told: Told | None) -> dict[str, Comment]:
        """The beginning of a directive's id → the first comment of ours that is its."""
        found: dict[str, Comment] = {}
        for each in told.said if told else ():
            if is_by(each.user, self._me) and (directive := marked_by(each.body or "")):
                found.setdefault(directive, each)
        return found

    async def _told(self, number: int) -> Told | None:
        """None: it is gone, or none of ours any more."""
        try:
            told = await self.asking.issue(number)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return None
        return told if told.standing.is_issue else None

    async def read_for_taking(self, number: int, directive: str = "") -> tuple[IssueRead, Author | None]:
        """The same, and whose words in its text don't count. `directive`: what it would become."""
        try:
            told = await self.asking.issue(number)
        except Declined as declined:
            if declined.status not in NOT_SHOWN:
                raise
            return IssueRead(number=number, standing=IssueStanding.GONE), None
        if not told.standing.is_issue:
            return IssueRead(number=number, standing=told.standing, url=link(told.url)), None
        said = remarks_below(told.said, "")
        writers = _writers_of(told)
        heard = await self.audience.of([*writers, *authors_of(said)])
        kept = newest(said, heard, MOST_REMARKS)
        comments = admitted_findings(kept, heard)
        fitting = _fitting(comments)
        text, is_cut = _beginning(told.text)
        strange = next((each for each in writers if not heard.admits(each)), None)
        read = IssueRead(
            number=number,
            standing=told.standing,
            title=title_of(told.title),
            text=text,
            is_cut=is_cut,
            url=link(told.url),
            author=name_of(told.author.user)[:100],
            unheard_text=_why_unheard(strange, heard),
            comments=tuple(fitting),
            left_out=len(comments) - len(fitting),
            unheard=tuple(unheard_of(kept, heard)),
            worked_on=next((each for each in self._own_progress(told) if each != directive), ""),
            is_locked=told.is_locked,
            labels=told.labels,
        )
        return read, strange


def is_label(label: str, name: str) -> bool:
    """Labels differ in more than their case, as GitHub has it."""
    return label.casefold() == name.casefold()


def has_label(label: str, names: Iterable[str]) -> bool:
    return any(is_label(label, each) for each in names)


def standing_of(number: int, url: str, repository: Repository, state: str, *, is_pull: bool) -> IssueStanding:
    """`url`: of its page, as the forge tells it: who asks for one that was transferred may be told of the new one."""
    if is_pull:
        return IssueStanding.PULL_REQUEST
    if not url.lower().endswith(f"/{repository.full_name}/issues/{number}".lower()):
        return IssueStanding.MOVED
    return IssueStanding.OPEN if state == "open" else IssueStanding.CLOSED


def _writers_of(told: Told) -> list[Author]:
    """Who may have written its title and text."""
    return [told.author, *map(Author, told.editors)]


def _why_unheard(strange: Author | None, heard: Admitted) -> str:
    """Whose words in the text don't count, and why; one who is still to be asked about is none who is heard."""
    if strange is None:
        return ""
    reason = heard.refusal(strange)
    return f"{name_of(strange.user)[:100]}: {(reason or NotHeard.UNKNOWN).value}"


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
