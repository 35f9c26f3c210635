"""What a daemon sends to the core beside outcomes, and is asked for by it (design 4)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from domain.clash import LONGEST_NAME, LONGEST_PATH, MOST_PATHS, Clash
from domain.day_budget import ALL_ACCOUNTS, Account, DayStanding
from domain.quoting import in_a_line, path_in_a_line
from domain.tolerant import Tolerant
from domain.usage import Usage
from domain.value import Value


class DaemonReport(Tolerant):
    """What a daemon says of itself every 30 s (design 4)."""

    owner: str
    name: str
    version: str
    agents: tuple[str, ...]
    labels: tuple[str, ...] = ()
    capacity: int
    running: tuple[UUID, ...] = ()
    """The tasks that it runs."""
    sandbox: str = ""
    """A SandboxKind, and after a colon the reason for it; empty: a daemon of an older version."""
    parked: tuple[str, ...] = ()
    """Its agents whose account can't be used now, each with why and until when (rule 5.6)."""

    features: tuple[str, ...] = ()
    """What it can do that older daemons can't (domain.protocol.DaemonFeature); unknown words are kept."""

    @model_serializer(mode="wrap", when_used="json")
    def _in_known_words(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Workers of before refuse a field that they don't know, so that an empty one must not be written."""
        return {name: value for name, value in written(self).items() if value or name != "features"}


LOG_HEAD_BYTES = 2 * 1024 * 1024
LOG_TAIL_BYTES = 6 * 1024 * 1024
LOG_BYTES = LOG_HEAD_BYTES + LOG_TAIL_BYTES
"""What the record keeps of an attempt's log: its beginning and its end (rule 6.11)."""


MAX_TIMES = 1000
"""Of a chunk."""
LATEST = 253_402_300_799
"""The last second of the year 9999: what comes after it is no time."""


class LogChunk(Tolerant):
    """A piece of an attempt's log, named by where it starts: order and repeats don't matter (design 4)."""

    directive: UUID
    task: UUID
    attempt: int
    delivery: str
    offset: int
    """Bytes of the log before this chunk."""
    text: str
    times: Annotated[
        tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0, le=LATEST)]], ...],
        Field(max_length=MAX_TIMES),
    ] = Field(default=(), exclude_if=operator.not_)
    """Pairs, by place: a byte of the log, and the second of the epoch, by the daemon's clock, from which on what begins
    there was written. Written only where there are any: workers of before refuse a field that they don't know."""


MOST_BESIDE = 20
"""Steps that one is compared with."""


Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
Ref = Annotated[str, Field(max_length=1000, pattern=r"^(refs/[^\x00-\x20\x7f]+)?$")]


class SavedWork(Tolerant):
    """What can be had of a step."""

    commit: Commit
    ref: Ref = ""
    """Where it is on the remote; empty: only on the machine that has made it."""


class WorkBeside(SavedWork):
    """That of a step which runs, or has ended while the one that is told of it ran."""

    step: UUID | None = None
    """None: it is the base branch."""
    name: str


class UsedBeside(Usage):
    """What all other attempts of a directive have used, which steps one is to be compared with, and today's budgets."""

    running: Annotated[int, Field(ge=0)] = 0
    """How many of the directive's other steps run."""
    steps: tuple[WorkBeside, ...] = ()
    """Those that were there first, or have ended: of two that run the later one makes way (rule 6.14)."""
    days: tuple[DayStanding, ...] = Field(default=(), exclude_if=operator.not_)
    """The budgets of the day that the report has counted for (rule 2.11)."""


def clash(beside: WorkBeside, paths: Sequence[str]) -> Clash:
    """With text of the repository as one line each, bounded, and with nothing in it that a terminal obeys."""
    named = tuple(path_in_a_line(path[:LONGEST_PATH])[:LONGEST_PATH] for path in paths[:MOST_PATHS])
    name = in_a_line(beside.name)[:LONGEST_NAME]
    return Clash(step=beside.step, name=name, paths=named, more=len(paths) - len(named))


class UsageReport(Tolerant):
    """What an attempt has used so far, told while it runs."""

    directive: UUID
    task: UUID
    attempt: int
    usage: Usage
    estimated_usd: float = 0
    """What its daemon takes for the cost that nobody tells, beside what is told."""
    turns: Annotated[int, Field(ge=0, lt=2**31)] = 0
    saved: SavedWork | None = None
    """Its last checkpoint, for the steps that run beside it (rule 6.14)."""
    clashes: Annotated[tuple[Clash, ...], Field(max_length=MOST_BESIDE + 1)] = ()
    """Of this step with what was there before it."""
    owner: str = Field(default="", exclude_if=operator.not_)
    """Whose budgets of the day it counts for."""
    account: Account = Field(default=ALL_ACCOUNTS, exclude_if=operator.not_)
    """Whose use it is since the report before; none, where its program has no account."""


MAX_ARTIFACT = 1024 * 1024
"""Bytes."""


class Artifact(Tolerant):
    """A named file that a task handed over (rule 1); it never goes through a workflow's history (design 4)."""

    directive: UUID
    task: UUID
    attempt: int
    name: Annotated[str, Field(min_length=1, max_length=200)]
    content: str
    """At most MAX_ARTIFACT of text."""


class DaemonWanted(Value):
    """Which daemon may serve a task that others have refused (design 10)."""

    owner: str
    label: str = ""
    """It must have it; empty: any daemon will do."""
    feature: str = ""
    """It must have reported it; empty: any daemon will do."""
    exclude: tuple[str, ...] = ()
