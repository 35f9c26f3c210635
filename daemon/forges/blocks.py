"""Why a pull request can't be merged now, in words that are the same at every forge (rule 7.5)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

from daemon.forges.plain_text import plain_text
from daemon.forges.pulls import Pull
from daemon.forges.said import Review
from domain.pull_request import MOST_BLOCKS, Finding

_MARK = "blocked"


class Block(StrEnum):
    CONFLICT = "it conflicts with the base branch"
    BEHIND = "it lacks commits of the base branch, which takes only what is up to date"
    UNAPPROVED = "an approval is missing"
    CHANGES = "changes are requested"
    TALK = "conversations are not resolved"
    RUNNING = "checks have not ended"
    FAILED = "checks have not passed"
    QUEUED = "it waits in the merge queue, which a push would take it out of"
    UNNAMED = "a rule of the base branch that the forge doesn't name, or a required check that has not begun"


_PUT_OUT = "the merge queue has put it out"


def put_out(why: str) -> str:
    """`why`: the forge's word for it."""
    return f"{_PUT_OUT}: {why[:60]}" if why else _PUT_OUT


def check_failed(name: str) -> str:
    return f"the required check {name!r} has failed"


def check_missing(name: str) -> str:
    return f"the required check {name!r} has not ended"


def bounded(reasons: Iterable[str]) -> tuple[str, ...]:
    """Each once, on one line: names of checks are other people's text."""
    lines = (" ".join(plain_text(each).split())[:200] for each in reasons)
    return tuple(dict.fromkeys(lines))[:MOST_BLOCKS]


def facts_of(pull: Pull, base_head: str, reviews: Iterable[Review], failures: Iterable[Finding]) -> str:
    """What is known otherwise, and what blocks follows from, by a name that begins with the head."""
    known = (pull.draft, base_head, [(each.id, each.state) for each in reviews], [each.id for each in failures])
    return f"{pull.head.sha} {hashlib.sha256(repr(known).encode()).hexdigest()[:16]}"


class KnownBlocks:
    """What was told last, in the marks of a pull request."""

    def __init__(self, marks: dict[str, str], facts: str) -> None:
        self._marks = marks
        self._facts = facts
        self._of, *self._reasons = marks.get(_MARK, "").split("\n")

    @property
    def nothing_has_changed(self) -> bool:
        """Nothing has blocked, and what is known otherwise is as it was."""
        return self._of == self._facts and not self._reasons

    def now(self, told: tuple[str, ...] | None) -> tuple[str, ...]:
        """`told`, known from now on; None: the forge works it out, and what it has said last of the head holds."""
        if told is not None:
            self._marks[_MARK] = "\n".join([self._facts, *told])
            return told
        return tuple(self._reasons) if self._of.partition(" ")[0] == self._facts.partition(" ")[0] else ()
