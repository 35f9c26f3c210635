"""Steps that follow each other as quickly as writes of the record do."""

from __future__ import annotations

import asyncio

from temporalio import activity

from domain.errors import NotReachable
from domain.record import ProgressWrite, WriteAnswer
from domain.spawn_task import Outcome, SpawnTask
from tests.workflows.scripted import Handle, Surroundings, planned


async def within_tasks(world: Surroundings) -> Handle:
    """Workflow tasks write what was there before them; the record is away for the first of those."""
    kept, away = world.ledger.record, [True]

    async def away_once(write: ProgressWrite) -> WriteAnswer:
        if activity.info().is_local and away:
            away.clear()
            raise NotReachable("Postgres is away")
        return await kept(write)

    slow_chain(world)
    world.ledger.record = away_once  # type: ignore[method-assign]
    handle = await world.start(world.directive(once=True))
    await handle.result()
    return handle


def slow_chain(world: Surroundings) -> None:
    """Twenty-four steps in a row beside writes that take as long as one of them."""

    async def takes_a_moment(command: SpawnTask) -> Outcome:
        await asyncio.sleep(0.1)
        return world.daemon.done(command)

    world.ledger.takes = 0.1
    names = [str(n) for n in range(24)]
    world.daemon.plans = [planned(*zip(names, ([], *([name] for name in names)), strict=False))]
    world.daemon.endings |= dict.fromkeys(names, takes_a_moment)
