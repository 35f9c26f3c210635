"""Reading of directives: the record alone says where they stand, so that Temporal's client need not be imported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from domain import names
from domain.errors import NotReachable, Refused

# Not all of what is read has to do with a whole directive, whose classes take a quarter of a second to import.
if TYPE_CHECKING:
    from domain.models import State
    from domain.reports import DirectiveSummary
    from domain.timers import TimerView
    from domain.view import DirectiveView
    from steering.connections import Record

BESIDE_TASKS = {names.WATCH: "the look at the pull request", names.TIDY: "tidying up after the pull request"}
LOOKED_AFTER_WITHIN = timedelta(seconds=35)
"""A worker looks after the workflows every 10 s, and says when it stops: three looks missed, and none is there."""

T = TypeVar("T")


@dataclass(frozen=True)
class SeenState(Generic[T]):
    """What was seen of a directive."""

    seen: T
    live: bool
    """A worker keeps the record up to date, or the directive has ended; else this is how it was last written."""
    lost: str = ""
    """How its workflow ended, where that left the directive unfinished, or why it can't go on (rule 9.2)."""
    held_up: dict[str, str] = field(default_factory=dict)
    """Name of a task that has not ended, or of what is done beside them → why it fails and is tried again."""
    again: dict[str, datetime] = field(default_factory=dict)
    """The same → when; what is about to be is left out."""

    @property
    def retries(self) -> tuple[TimerView, ...]:
        """As what happens by itself."""
        from domain.timers import TimerView

        told = ((name, at, self.held_up.get(name, "")) for name, at in self.again.items())
        return tuple(TimerView(at=at, what=f"{name} is tried again", why=why) for name, at, why in told)


class RecordedDirectives:
    """An owner's directives, as the record knows them."""

    def __init__(self, record: Record, owner: str, *, unrecorded: Callable[[str], Awaitable[Sequence[str]]]) -> None:
        """`unrecorded`: the workflows that a reference may mean which the record doesn't know."""
        self.record = record
        self.owner = owner
        self._unrecorded = unrecorded

    async def find(self, reference: str) -> DirectiveSummary:
        """The directive that a uuid, a unique prefix of it, a workflow's name, or else a unique title means.

        Raises Refused where there is none, or more than one; NotReachable where it was started a moment ago, and
        nothing is recorded of it yet.
        """
        known = await self.record.directive_ids(self.owner, reference)
        known = known or await self.record.directives_titled(self.owner, reference)
        if len(known) == 1 and (found := await self.record.directive(self.owner, known[0])):
            return found
        running = [] if known else await self._unrecorded(reference)
        if len(running) == 1:
            raise not_recorded_yet(running[0])
        if known or running:
            raise Refused(f"{reference!r} means more than one directive: give more of the id")
        raise Refused(f"there is no directive {reference!r}; `starter.py list` shows them all")

    async def state(self, reference: str) -> State:
        """Where it stands, whole."""
        return (await self.look_inside(reference)).seen

    async def look(self, reference: str) -> SeenState[DirectiveView]:
        """Where it stands (rule 9.3)."""
        return _viewed(await self.look_inside(reference))

    async def look_at(self, directive: UUID) -> SeenState[DirectiveView]:
        """The same of one that was started a moment ago; NotReachable until something is recorded of it."""
        found = await self.record.directive(self.owner, directive)
        if found is None:
            raise not_recorded_yet(str(directive))
        return _viewed(await self._look(found))

    async def look_inside(self, reference: str) -> SeenState[State]:
        """Its whole state, found in the same way."""
        return await self._look(await self.find(reference))

    async def _look(self, found: DirectiveSummary) -> SeenState[State]:
        state = await self.record.state(found.id)
        assert state is not None
        live = state.status.is_final or is_looked_after(await self.record.checked_ago())
        if state.status.is_final:
            return SeenState(state, live=live)
        known = BESIDE_TASKS | {names.short(task.id): task.name for task in state.live()}
        now = datetime.now(UTC)
        held_up = {known[what]: why for what, why in found.held_up.items() if what in known}
        again = {known[what]: at for what, at in found.again.items() if what in known and at > now}
        return SeenState(state, live=live, lost=found.lost, held_up=held_up, again=again)


def is_looked_after(checked_ago: timedelta | None) -> bool:
    """Whether a worker is there."""
    return checked_ago is not None and checked_ago < LOOKED_AFTER_WITHIN


async def until_true(ask: Callable[[], Awaitable[bool]], within: timedelta) -> bool:
    """Ask until the answer is yes; False where it isn't in time."""
    end = monotonic() + within.total_seconds()
    while True:
        if await ask():
            return True
        if monotonic() > end:
            return False
        await asyncio.sleep(0.02)


def not_recorded_yet(which: str) -> NotReachable:
    return NotReachable(f"{which} has started, but no worker answers yet: is worker.py running?")


def _viewed(look: SeenState[State]) -> SeenState[DirectiveView]:
    from domain.timers import in_order
    from domain.view import view

    seen = view(look.seen)
    seen = seen.model_copy(update={"timers": in_order((*seen.timers, *look.retries))})
    return SeenState(seen, live=look.live, lost=look.lost, held_up=look.held_up, again=look.again)
