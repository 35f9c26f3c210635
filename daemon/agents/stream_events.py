"""What an agent's output means, whichever agent it is: the words between a stream's parser and the daemon."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_REPLACEMENT = "\\ufffd"


class Ending(StrEnum):
    """How an agent's run ended; what follows from it is decided in `daemon.session.continuing` and by the daemon."""

    COMPLETED = "completed"
    GAVE_UP = "gave up"
    DENIED = "denied"
    """It came to its end, but was refused a tool on the way."""
    ASKED = "asked"
    """It was stopped because a person has to answer first."""
    LIMIT = "limit"
    """Its account has used up what it may for a while."""
    CAPACITY = "capacity"
    """Its model has no room for anybody at this moment."""
    AUTH = "auth"
    """Its login or key is refused: only a person can help."""
    BUDGET = "budget"
    """It has used the turns or the money that its task may cost."""
    CONTEXT = "context too long"
    NETWORK = "network"
    """The model doesn't answer, or its server has trouble."""
    UNKNOWN_SESSION = "unknown session"
    UNUSABLE = "unusable"
    """Its program is not one that can be talked to: whoever starts it has to help."""
    CRASHED = "crashed"
    HUNG = "hung"
    KILLED = "killed"


@dataclass(frozen=True)
class Totals:
    """What was used: by one run, or by a session over all its runs."""

    cost_usd: float = 0
    tokens: int = 0
    cost_unknown: bool = False
    """Nobody knows what some of these tokens cost: `cost_usd` is the rest."""

    def since(self, before: Totals) -> Totals:
        """What was used after `before`; all of either where its count has begun anew."""
        cost, tokens = self.cost_usd - before.cost_usd, self.tokens - before.tokens
        return Totals(cost if cost >= 0 else self.cost_usd, tokens if tokens >= 0 else self.tokens, self.cost_unknown)

    def __add__(self, more: Totals) -> Totals:
        cost_usd = round(self.cost_usd + more.cost_usd, 9)
        return Totals(cost_usd, self.tokens + more.tokens, self.cost_unknown or more.cost_unknown)


@dataclass(frozen=True)
class SessionStarted:
    session: str
    model: str = ""


@dataclass(frozen=True)
class AgentText:
    text: str


@dataclass(frozen=True)
class ToolCalled:
    tool: str
    about: str
    """Its argument that says most, as one line: a command, a path."""


@dataclass(frozen=True)
class ToolFailed:
    tool: str
    output: str


@dataclass(frozen=True)
class FileChanged:
    path: str


@dataclass(frozen=True)
class Used:
    totals: Totals
    """Of this run so far: an estimate until the program itself has told it."""
    session: Totals | None = None
    """The session's own count over all its runs, where it was told; `totals` is no estimate then."""
    turns: int = 0
    """Of this run; 0: not told yet."""


@dataclass(frozen=True)
class Limited:
    """The account's limit is reached; `until` is None where nobody says when it ends."""

    until: datetime | None


@dataclass(frozen=True)
class Denied:
    tool: str
    why: str


@dataclass(frozen=True)
class Warned:
    """Something that is no end yet: a retry, a reconnect."""

    text: str


@dataclass(frozen=True)
class Printed:
    """Output that is no event of this agent's; with its line end, if it had one."""

    text: str


@dataclass(frozen=True)
class PermissionRequest:
    """The agent waits for leave to use a tool; `request` goes back with the reply."""

    request: str
    tool: str
    about: str
    arguments: dict[str, Any] = field(default_factory=dict)
    """As the agent wrote them: they go back to it unread."""


@dataclass(frozen=True)
class InBackground:
    """How many tools run on while the agent does something else, or nothing."""

    count: int


@dataclass(frozen=True)
class Final:
    """The agent says that its turn is over, and how. It may begin another by itself, when a tool in its background
    has ended.
    """

    ending: Ending
    text: str = ""
    """Its last words, or what went wrong."""
    until: datetime | None = None


@dataclass(frozen=True)
class PlanReported:
    """The agent's own list of what it is about to do."""

    entries: tuple[tuple[str, str], ...]
    """Its words for an entry, and how far that is: `pending`, `in_progress`, `completed`."""


@dataclass(frozen=True)
class Sent:
    """What the stream itself writes to the program's stdin, with its line end."""

    text: str


@dataclass(frozen=True)
class WakeAfter:
    """From now on `Stream.wake` is called once so many seconds have passed; 0: it is not, until the next such event."""

    seconds: float


@dataclass(frozen=True)
class MustEnd:
    """Nothing more is expected of the program: it is ended now."""


Event: TypeAlias = (
    SessionStarted
    | AgentText
    | ToolCalled
    | ToolFailed
    | FileChanged
    | Used
    | Limited
    | Denied
    | Warned
    | Printed
    | PermissionRequest
    | InBackground
    | PlanReported
    | Sent
    | WakeAfter
    | MustEnd
    | Final
)


@dataclass(frozen=True)
class PermissionReply:
    """What is answered to `PermissionRequest`."""

    allowed: bool
    message: str = ""
    arguments: dict[str, Any] | None = None
    """In place of those that it asked with."""
    interrupt: bool = False
    """End the turn: the answer comes later."""


class Stream(Protocol):
    """Reads one run of an agent, line by line; pure but for what it remembers of the lines before."""

    by_lines: bool
    """Whether it wants whole lines; else pieces as they come."""
    first_wake: float
    """Seconds after the program's start, as by `WakeAfter`."""

    def read(self, line: str) -> list[Event]:
        """The events of a line of stdout. Never raises: what it doesn't know is Printed."""
        ...

    def prompt(self, text: str) -> str:
        """What is written to stdin for the agent to begin."""
        ...

    def reply(self, asked: PermissionRequest, reply: PermissionReply) -> str:
        """What is written to stdin as an answer; empty for an agent that never asks."""
        ...

    def wake(self) -> list[Event]:
        """Called when the time of the last `WakeAfter` is over."""
        ...

    def cancel(self) -> str:
        """What is written to stdin before the program is ended in the middle of its turn; empty: nothing."""
        ...


class PassiveStream:
    """What a stream does that waits for nothing, and whose program knows no word for the end of a turn."""

    first_wake: float = 0

    def wake(self) -> list[Event]:
        return []

    def cancel(self) -> str:
        return ""


def without_lone_surrogates(line: str) -> str:
    """`line` with each escaped half of a surrogate pair replaced, which no reader of JSON takes: programs in
    JavaScript cut text anywhere.
    """
    return _ESCAPES.sub(lambda found: _REPLACEMENT if found["lone"] else found[0], line)
