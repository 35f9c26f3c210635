"""The runs whose histories are kept: a change of the workflow must replay all of them (docs/workflow-changes.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from domain.operations import Archive, ChangeGoal
from tests.workflows.scripted import Handle, Surroundings, planned, until_status
from workflows.directive import DirectiveWorkflow

DIAMOND = planned(("floor", []), ("left", ["floor"]), ("right", ["floor"]), ("roof", ["left", "right"]))


async def plain_run(world: Surroundings) -> Handle:
    """Plan, a diamond, completion, closed by --once."""
    world.daemon.plans = [DIAMOND]
    handle = await world.start(world.directive(once=True))
    await handle.result()
    return handle


async def goal_change(world: Surroundings) -> Handle:
    """Another goal while a step runs; archived when it rests."""
    world.daemon.plans = [planned(("floor", []), ("roof", ["floor"])), planned(("pool", ["roof"]))]
    free = world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await world.daemon.arrived["floor"].wait()
    await handle.execute_update(DirectiveWorkflow.change_goal, ChangeGoal(goal="A house with a pool"))
    free.set()
    await until_status(handle, "idle")
    return await archived(handle)


async def archived(handle: Handle) -> Handle:
    await handle.execute_update(DirectiveWorkflow.archive, Archive())
    await asyncio.wait_for(handle.result(), 30)
    return handle


SCENARIOS: dict[str, Callable[[Surroundings], Awaitable[Handle]]] = {
    scenario.__name__: scenario for scenario in (plain_run, goal_change)
}
