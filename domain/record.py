"""What the ledger is told: the facts of a change, and the write that carries them (design 3)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_serializer,
)

from domain.directive_secret import NO_SECRET, DirectiveSecret
from domain.models import DirectiveRow, State, Step, Task, Text
from domain.pull_request import PullRequest
from domain.spawn_task import Outcome
from domain.usage import Usage
from domain.value import Value


class Event(Value):
    """A line of the append-only event list: who, what, why, when (rule 9.1)."""

    at: datetime
    actor: str
    """`operator`, `makima`, `planner` or `daemon:<name>`."""
    what: str
    """An EventName; the record may hold words of other versions."""
    why: str = ""
    step: UUID | None = None
    task: UUID | None = None


class GoalRevision(Value):
    generation: int
    text: Text
    at: datetime
    actor: str


class DeliveryStarted(Value):
    task: UUID
    attempt: int
    delivery: str
    daemon: str
    at: datetime
    agent: str = Field(default="", exclude_if=operator.not_)
    """Who does it; another one may go on within an attempt (rule 5.9). Empty: nobody has said."""


class AttemptEnded(Value):
    """Also of one that waits: what it has used so far."""

    outcome: Outcome
    at: datetime
    agents: dict[str, Usage] = {}
    """Agent → what of it it has used."""


class AttemptNamed(Value):
    """One attempt of a task, to ask the record for."""

    directive: UUID
    task: UUID
    attempt: int


class Facts(Value):
    """What happened, in order; only ever appended to the record."""

    events: tuple[Event, ...] = ()
    revisions: tuple[GoalRevision, ...] = ()
    deliveries: tuple[DeliveryStarted, ...] = ()
    attempts: tuple[AttemptEnded, ...] = ()
    pull_requests: tuple[PullRequest, ...] = ()
    """Those that were found merged or closed."""

    @staticmethod
    def joined(parts: Sequence[Facts]) -> Facts:
        """All of them as one: added one by one, what was gathered before would be validated anew with each."""
        return Facts(
            events=tuple(each for part in parts for each in part.events),
            revisions=tuple(each for part in parts for each in part.revisions),
            deliveries=tuple(each for part in parts for each in part.deliveries),
            attempts=tuple(each for part in parts for each in part.attempts),
            pull_requests=tuple(each for part in parts for each in part.pull_requests),
        )

    def split(self, room: int) -> tuple[Facts, Facts]:
        """The first facts, of at most `room` bytes of JSON in all, and those that are left; at least one is among the
        first. Starts of attempts come before their ends, for the record opens an attempt at its start.
        """
        now: dict[str, tuple[Value, ...]] = {}
        left: dict[str, tuple[Value, ...]] = {}
        for name in ("revisions", "deliveries", "attempts", "pull_requests", "events"):
            facts: tuple[Value, ...] = getattr(self, name)
            fitting = 0 if left else _fitting(facts, room, at_least=0 if any(now.values()) else 1)
            now[name] = facts[:fitting]
            room -= sum(map(_size, now[name]))
            if facts[fitting:]:
                left[name] = facts[fitting:]
        return Facts.model_validate(now), Facts.model_validate(left)


def _size(value: BaseModel) -> int:
    return len(value.model_dump_json())


def _fitting(facts: Sequence[Value], room: int, at_least: int) -> int:
    """How many of the first facts fit."""
    for number, fact in enumerate(facts):
        room -= _size(fact)
        if room < 0 and number >= at_least:
            return number
    return len(facts)


class ProgressWrite(Value):
    """All that changed in one directive since the write before: one transaction.

    Its key is (`run_id`, `sequence`). `sequence` counts the directive's writes over all its runs, so it says what the
    write builds on: the write before, and nothing else. The ledger applies it if that is the last one it holds,
    ignores it if it holds this very one, and answers anything else with `resync` (docs/decisions/0003-resync.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    run_id: str
    sequence: int
    snapshot: bool = False
    row: DirectiveRow
    steps: tuple[Step, ...] = ()
    tasks: tuple[Task, ...] = ()
    facts: Facts = Facts.model_construct()
    secret: DirectiveSecret = NO_SECRET
    """In a snapshot, the directive's; the record keeps the first one that it is told."""

    @field_serializer("steps", "tasks", when_used="json")
    def _briefly(self, told: tuple[Step, ...] | tuple[Task, ...]) -> list[dict[str, Any]]:
        """As in the state: with all defaults a snapshot would be larger than the state, and than a payload."""
        return [each.model_dump(mode="json", exclude_defaults=True) for each in told]


class WriteVerdict(StrEnum):
    APPLIED = "applied"
    IGNORED = "ignored"
    """The record holds this write already: one of its retries."""
    RESYNC = "resync"
    """Nothing was written: the record is not where this write builds on; the next write must be a `snapshot`."""


class WriteAnswer(Value):
    """What became of a write."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    verdict: WriteVerdict
    sequence: int
    """The next write's `sequence` is this plus one, whatever the verdict."""
    secret: DirectiveSecret = NO_SECRET
    """The directive's, where a snapshot came without it: its run was started from the record, which holds it."""


class Changed(Value):
    """What one or more changes touched, gathered until the next write."""

    steps: frozenset[UUID] = frozenset()
    tasks: frozenset[UUID] = frozenset()
    facts: Facts = Facts.model_construct()

    @staticmethod
    def joined(parts: Sequence[Changed]) -> Changed:
        """All of them as one."""
        return Changed(
            steps=frozenset().union(*(part.steps for part in parts)),
            tasks=frozenset().union(*(part.tasks for part in parts)),
            facts=Facts.joined([part.facts for part in parts]),
        )


MAX_WRITE = 1_900_000
"""Bytes of JSON: a write is one payload (design 6). What an outage of the record has gathered may be more."""


def fitted(write: ProgressWrite) -> tuple[ProgressWrite, Facts]:
    """The write with as many of its facts as fit one payload, and those that are left for the next one. An attempt that
    does not fit by itself, beside a large state, is told without what its outcome has led to there.
    """
    if _size(write) <= MAX_WRITE:  # nearly always: to measure its parts takes as long as all the rest of a write
        return write, Facts()
    room = MAX_WRITE - _size(write.model_copy(update={"facts": Facts()}))
    now, left = write.facts.split(room)
    if sum(_size(each) for each in now.attempts) > room:
        now = now.model_copy(update={"attempts": tuple(_shortened(each) for each in now.attempts)})
    return write.model_copy(update={"facts": now}), left


def _shortened(ended: AttemptEnded) -> AttemptEnded:
    rest = {"plan": None, "memories": (), "questions": ()}
    return ended.model_copy(update={"outcome": ended.outcome.model_copy(update=rest)})


def write(state: State, changed: Changed, run_id: str, sequence: int) -> ProgressWrite:
    """The write of what `changed` names, as it stands in `state`."""
    return ProgressWrite(
        run_id=run_id,
        sequence=sequence,
        row=_row(state),
        steps=tuple(state.steps[step] for step in sorted(changed.steps)),
        tasks=tuple(state.tasks[task] for task in sorted(changed.tasks)),
        facts=changed.facts,
    )


def snapshot(state: State, facts: Facts, run_id: str, sequence: int, secret: SecretStr = NO_SECRET) -> ProgressWrite:
    """The write of everything, which makes its run the one that the ledger knows."""
    return ProgressWrite(
        run_id=run_id,
        sequence=sequence,
        snapshot=True,
        row=_row(state),
        steps=tuple(state.steps.values()),
        tasks=tuple(state.tasks.values()),
        facts=facts,
        secret=secret,
    )


def _row(state: State) -> DirectiveRow:
    return DirectiveRow(**{name: value for name, value in state if name in DirectiveRow.model_fields})


class LastWrite(NamedTuple):
    """The key of the last write that was applied."""

    run_id: str
    sequence: int


def answer_to(write: ProgressWrite, last: LastWrite | None) -> WriteAnswer:
    """What to do with `write`, where `last` is None for a directive that has no record yet.

    A directive may have had many runs: continued, reset, recovered. Whatever a dead one still sends must change
    nothing, and the one that lives must never be stuck (docs/decisions/0003-resync.md).

    The order of the two questions matters not at all, that both are asked does: a retry says `ignored`, so that it
    costs no snapshot; everything that builds on something else than what is recorded says `resync`.
    """
    recorded = last.sequence if last else 0
    if write.sequence == recorded + 1 and (write.snapshot or last):
        return WriteAnswer(verdict=WriteVerdict.APPLIED, sequence=write.sequence)
    if last and write.run_id == last.run_id and write.sequence <= recorded:
        # The write's own number, not the recorded one: a run that was reset can be handed a write of the run before
        # it; with the recorded number its next write would be taken for one that builds on what it never saw.
        return WriteAnswer(verdict=WriteVerdict.IGNORED, sequence=write.sequence)
    return WriteAnswer(verdict=WriteVerdict.RESYNC, sequence=recorded)
