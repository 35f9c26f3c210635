"""Which findings about a pull request a directive remembers to have dealt with (rule 7.5)."""

from __future__ import annotations

from domain.pull_request import FindingSource
from domain.shepherd_state import Shepherding

MAX_SEEN = 1000
OF_A_HEAD = (FindingSource.CHECK, FindingSource.STATUS, FindingSource.CONFLICT)
"""Findings that say something of one commit alone."""


def capped(seen: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, the newest last. A finding whose id is forgotten would be worked on again, so many are kept; the first
    to be forgotten are those of commits of long ago, for what people have said is told for ever.
    """
    newest_first = tuple(dict.fromkeys(reversed(seen)))
    too_many = len(newest_first) - MAX_SEEN
    if too_many > 0:
        of_a_head = [each for each in reversed(newest_first) if any(source.began(each) for source in OF_A_HEAD)]
        newest_first = tuple(each for each in newest_first if each not in set(of_a_head[:too_many]))
    return newest_first[:MAX_SEEN][::-1]


def without_trouble(shepherding: Shepherding) -> tuple[str, ...]:
    """What was seen, without that the forge refuses us."""
    return tuple(each for each in shepherding.seen if not FindingSource.TROUBLE.began(each))
