"""An issue as core and daemon speak of it (rule 7.6): which one is meant, and what was read of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.pull_request import Finding, Unheard
from domain.tolerant import Tolerant

MOST_NUMBER = 999_999_999
MOST_TEXT = 24 * 1024
"""Bytes of an issue's own text that are read."""
MOST_SAID = 24 * 1024
"""Bytes of the comments below it that are read, the newest of those who are heard."""


class IssueNamed(Tolerant):
    """One issue of a repository at a forge."""

    owner: str
    repository: str
    number: Annotated[int, Field(ge=1, le=MOST_NUMBER)]


class IssueStanding(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    GONE = "gone"
    """There is none of this number, or none that we may see; it may have been deleted."""
    MOVED = "moved"
    """It was transferred to another repository."""
    PULL_REQUEST = "pull request"
    """The number is a pull request's."""

    @property
    def is_issue(self) -> bool:
        """Whether it is one of the repository."""
        return self in (self.OPEN, self.CLOSED)


class IssueRead(Tolerant):
    """What was read of an issue, without a word of people who are not heard, but for its title and text."""

    number: int
    standing: IssueStanding
    title: Annotated[str, Field(max_length=300)] = ""
    text: str = ""
    """At most MOST_TEXT bytes, from its beginning."""
    is_cut: bool = False
    url: Annotated[str, Field(max_length=4096)] = ""
    """Of its page; where it was transferred, of the new one."""
    author: Annotated[str, Field(max_length=100)] = ""
    unheard_text: Annotated[str, Field(max_length=300)] = ""
    """Why its title and text don't count by themselves: somebody who is not heard has written them, or changed them
    since. Empty: they do."""
    comments: tuple[Finding, ...] = ()
    """Of those who are heard, the oldest first; at most MOST_SAID bytes."""
    left_out: int = 0
    """Comments of theirs that there was no room for: the oldest ones."""
    unheard: tuple[Unheard, ...] = ()
    worked_on: Annotated[str, Field(max_length=8)] = ""
    """Another directive than the one that it would become, whose comment of ours stands there: an intake of another
    owner's has taken it."""
    is_locked: bool = False
    labels: tuple[str, ...] = ()
