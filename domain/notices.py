"""What people are told without asking: which events are worth a notice, and how it reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
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

    @property
    def tone(self) -> str:
        """How it looks where notices have colours: info, success, warning or failure."""
        return _TONES.get(self, "warning")


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

_TONES = {NoticeKind.PULL_REQUEST: "info", NoticeKind.FAILED: "failure", NoticeKind.DONE: "success"}
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
    question: UUID | None = None
    plan: UUID | None = None
    """The identity of the plan that waits for approval, as long as it is this event's."""
    link: str = ""
    """Where it can be answered or decided; a secret: who has it can."""


class Notice(Value):
    """What is sent: as JSON in exactly this shape, and as `text` for people."""

    kind: NoticeKind
    owner: str
    text: str
    """A line for each happening."""
    happenings: tuple[Happening, ...]

    @property
    def for_chat(self) -> str:
        """The lines, with their links, as people read them in a chat or a mail."""
        links = [each.link for each in self.happenings]
        told = zip_longest(self.text.split("\n"), links, fillvalue="")
        return "\n".join(f"{as_chat(line)}{_ANSWER + link if link else ''}" for line, link in told)


def notice(kind: NoticeKind, owner: str, happenings: Iterable[Happening], most: int | None = None) -> Notice:
    """One notice of everything of a kind that has happened since the last one, as far as `most` characters hold it."""
    told: list[Happening] = []
    lines: list[str] = []
    left = most
    for each in happenings:
        line = _line(kind, each, most)
        if left is not None:
            left -= len(line) + 1 + len(_ANSWER) + len(each.link)
            if told and left < 0:
                break
        told.append(each)
        lines.append(line)
    return Notice(kind=kind, owner=owner, text="\n".join(lines), happenings=tuple(told))


def _line(kind: NoticeKind, happening: Happening, most: int | None) -> str:
    """On one line whatever an agent has written into its question."""
    said = ": ".join(filter(None, (happening.title, happening.step, happening.what, happening.why)))
    advice = "" if "`starter.py " in happening.why else _ADVICE[kind].format(id=short(happening.directive))
    end = f" — {advice}" if advice else ""
    line = visible(" ".join(said.split()))
    if most is not None and len(line) + len(end) > most:
        line = f"{line[: max(most - len(end) - 1, 0)]}…"
    return f"{line}{end}"


_ANSWER = "\nanswer: "
_OBEYED = str.maketrans({"@": "＠", "<": "‹", ">": "›", "[": "［", "]": "］"})
"""What makes mentions (`@here`, `<!channel>`, `<@U1>`), tags, and links that say another address than theirs."""


def as_chat(text: str) -> str:
    """A text in which a chat or a mail finds nothing to obey: agents, people and forges have written parts of it."""
    return text.translate(_OBEYED)
