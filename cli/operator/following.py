"""`logs --follow`: what the agents print, as it arrives, until nothing more can come (rule 6.11)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from cli.operator.connections import Logs
from domain.models import State, Task

LOOK_EVERY = 1.0
LAST_WORDS = 3.0
"""Seconds from the end of a task in which the last of its log may still be on its way."""

PrintLog = Callable[[Task, str], None]
"""Takes a piece of a task's log."""


async def follow(
    record: Logs, look: Callable[[], Awaitable[State]], choose: Callable[[State], Sequence[Task]], print_log: PrintLog
) -> None:
    """Tell the logs of the tasks that `choose` names, also of those that come to be, until all have ended and no other
    can begin. Raises NotReachable.
    """
    followers: dict[UUID, asyncio.Task[None]] = {}
    try:
        while True:
            state = await look()
            chosen = choose(state)
            for task in chosen:
                if task.id not in followers:
                    followers[task.id] = asyncio.create_task(_print(record, task, print_log))
            if is_over(state, chosen):
                await _watched(followers, LAST_WORDS)
                return
            await _watched(followers, LOOK_EVERY)
    finally:
        for follower in followers.values():
            follower.cancel()
        await asyncio.gather(*followers.values(), return_exceptions=True)


def is_over(state: State, chosen: Sequence[Task]) -> bool:
    """Whether nothing more is to be expected of these tasks; pure. One that is missing can still come to be while the
    directive is at work.
    """
    only_one = len(chosen) == 1 and chosen[0].step is not None
    return (state.status.rests or only_one) and not any(task.status.is_live for task in chosen)


async def _print(record: Logs, task: Task, print_log: PrintLog) -> None:
    async for text in record.follow_logs(task.id):
        print_log(task, text)


async def _watched(followers: dict[UUID, asyncio.Task[None]], seconds: float) -> None:
    """Let them work for a while; raises what ends one of them."""
    pausing = asyncio.create_task(asyncio.sleep(seconds))
    try:
        await asyncio.wait([pausing, *followers.values()], return_when=asyncio.FIRST_COMPLETED)
    finally:
        pausing.cancel()
    for follower in followers.values():
        if follower.done():
            follower.result()
