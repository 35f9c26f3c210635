"""What people are told without asking: which events are worth a notice, and how it reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.events import EventName
from domain.names import short
from domain.value import Value
from domain.visible import visible

AT_MOST_EVERY = timedelta(minutes=1)
"""Between two notices of a kind: what happens meanwhile shares the next one."""
GATHERED = 50
"""Happenings that one notice tells of, at most; the rest follows in the next."""


class NoticeKind(StrEnum):
    QUESTION = "question"
    PAUSE = "pause"
    BUDGET = "budget"
    APPROVAL = "approval"
    PULL_REQUEST = "pull request"
    FAILED = "failed"
    DONE = "done"

    @property
    def events(self) -> tuple[EventName, ...]:
        """The events that it tells of."""
        return _EVENTS[self]


_EVENTS = {
    NoticeKind.QUESTION: (EventName.QUESTION_ASKED,),
    NoticeKind.PAUSE: (EventName.DIRECTIVE_PAUSED,),
    NoticeKind.BUDGET: (EventName.BUDGET_NEARLY_USED,),
    NoticeKind.APPROVAL: (EventName.PLAN_PROPOSED,),
    NoticeKind.PULL_REQUEST: (
        EventName.PULL_REQUEST_PUSHED,
        EventName.PULL_REQUEST_DRAFT,
        EventName.PULL_REQUEST_OPEN,
        EventName.PULL_REQUEST_MERGED,
        EventName.PULL_REQUEST_CLOSED,
    ),
    NoticeKind.FAILED: (EventName.DIRECTIVE_FAILED, EventName.STEP_FAILED),
    NoticeKind.DONE: (EventName.DIRECTIVE_COMPLETED, EventName.DIRECTIVE_IDLE),
}

_ADVICE = {
    NoticeKind.QUESTION: "answer it: starter.py questions, then starter.py answer {id} …",
    NoticeKind.PAUSE: "go on: starter.py resume {id}",
    NoticeKind.BUDGET: "allow more: starter.py edit {id} --budget …; at its end it stops and asks",
    NoticeKind.APPROVAL: "look: starter.py status {id}, then starter.py approve {id} or reject {id} …",
    NoticeKind.PULL_REQUEST: "",
    NoticeKind.FAILED: "look: starter.py status {id}",
    NoticeKind.DONE: "",
}


class Happening(Value):
    """An event with the directive that it belongs to."""

    number: int
    """Its place in the record; unique."""
    directive: UUID
    title: str
    at: datetime
    what: str
    why: str = ""
    step: str = ""
    """The name of the step that it is about, if it is about one."""


class Notice(Value):
    """What is sent: as JSON in exactly this shape, and as `text` for people."""

    kind: NoticeKind
    owner: str
    text: str
    """A line for each happening."""
    happenings: tuple[Happening, ...]


def notice(kind: NoticeKind, owner: str, happenings: Iterable[Happening]) -> Notice:
    """One notice of everything of a kind that has happened since the last one."""
    told = tuple(happenings)
    return Notice(kind=kind, owner=owner, text="\n".join(_line(kind, each) for each in told), happenings=told)


def _line(kind: NoticeKind, happening: Happening) -> str:
    """On one line whatever an agent has written into its question."""
    said = ": ".join(filter(None, (happening.title, happening.step, happening.what, happening.why)))
    advice = "" if "`starter.py " in happening.why else _ADVICE[kind].format(id=short(happening.directive))
    return visible(" ".join(f"{said}{' — ' if advice else ''}{advice}".split()))
