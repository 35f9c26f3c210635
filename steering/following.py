"""Logs of tasks, delivery by delivery; `logs --follow` goes on until nothing more can come (rule 6.11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from domain import names
from domain.logged import DeliveryTold, LogPiece, LogPlace
from domain.lookup import find_step
from domain.models import State, Task

if TYPE_CHECKING:
    from steering.connections import Logs

LOOK_EVERY = 1.0
LAST_WORDS = 3.0
"""Seconds from the end of a task in which the last of its log may still be on its way."""


class LogSink(Protocol):
    """Where logs go as they are read."""

    def print_header(self, task: Task, delivery: DeliveryTold) -> None:
        """There is this delivery of the task, and so it stands; told at every look."""
        ...

    def take(self, task: Task, delivery: DeliveryTold, piece: LogPiece) -> None:
        """A piece of its log."""
        ...


@dataclass
class TaskReader:
    """Reads what one task's deliveries have logged, each piece once."""

    record: Logs
    directive: UUID
    task: UUID
    _places: dict[tuple[int, str], LogPlace] = field(default_factory=dict)

    async def news(self) -> AsyncIterator[tuple[DeliveryTold, Sequence[LogPiece]]]:
        """All deliveries that there are, each with what was not read of it yet: also of an earlier one, whose machine
        may have been cut off. Raises NotReachable.
        """
        for delivery in await self.record.deliveries(self.directive, self.task):
            key = (delivery.attempt, delivery.delivery)
            place = self._places.get(key, LogPlace(*key))
            pieces: Sequence[LogPiece] = ()
            if delivery.newest >= place.next_byte:
                pieces, place = await self.record.log_after(self.task, place)
            self._places[key] = place
            yield delivery, pieces


async def follow(
    record: Logs, look: Callable[[], Awaitable[State]], choose: Callable[[State], Sequence[Task]], sink: LogSink
) -> None:
    """Tell the logs of the tasks that `choose` names, also of those that come to be, until all have ended and no other
    can begin. Raises NotReachable.
    """
    readers: dict[UUID, TaskReader] = {}
    last = False
    while True:
        state = await look()
        for task in choose(state):
            reader = readers.setdefault(task.id, TaskReader(record, state.directive.id, task.id))
            async for delivery, pieces in reader.news():
                sink.print_header(task, delivery)
                for piece in pieces:
                    sink.take(task, delivery, piece)
        if last:
            return
        last = is_over(state, choose(state))
        await asyncio.sleep(LAST_WORDS if last else LOOK_EVERY)


def is_over(state: State, chosen: Sequence[Task]) -> bool:
    """Whether nothing more is to be expected of these tasks; pure. One that is missing can still come to be while the
    directive is at work.
    """
    only_one = len(chosen) == 1 and chosen[0].step is not None
    return (state.status.rests or only_one) and not any(task.status.is_live for task in chosen)


def tasks_of(state: State, step: str | None) -> Sequence[Task]:
    """The task of a step; without a step, those of planning and completion."""
    if step is None:
        return [task for task in state.tasks.values() if task.step is None]
    task = state.tasks.get(names.step_task(find_step(state, step).id))
    return [task] if task else []
