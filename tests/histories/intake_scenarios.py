"""The runs of intakes whose histories are kept: a change of the workflow must replay all of them."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.errors import ForgeRefused
from domain.intake.taken import LeftAlone
from domain.protocol import SignalName
from tests.workflows.scripted import planned
from tests.workflows.scripted_intake import Handle, IntakeWorld, Scenario, issue


async def commanded(world: IntakeWorld) -> Handle:
    """Issues are taken and told, a comment is refused by the forge, commands are carried out and refused; removed."""
    world.directives.daemon.plans = [planned(("floor", [])), planned(("roof", []))]
    world.issues.left, world.issues.trouble = (LeftAlone(number=9, why="labelled by mallory"),), "set a token"
    await world.until(lambda state: state.trouble)
    world.issues.trouble, world.issues.labelled = "", [issue(7)]
    await world.until_told(7, "A plan waits for approval")
    world.issues.hears(7, "merge it", comment=1)
    await world.until_told(7, "not understood")
    world.issues.refuses_to_tell = ForgeRefused("the issue is locked")
    world.issues.hears(7, "approve", comment=2)
    await world.until(lambda state: len(state.followed[0].handled) == 2)
    world.issues.refuses_to_tell = None
    world.issues.labelled.append(issue(8))
    await world.until_told(8, "A plan waits for approval")
    return await removed(world)


async def continued_intake(world: IntakeWorld) -> Handle:
    """The first run of one whose history became too long."""
    world.directives.daemon.plans = [planned(("floor", []))] * 20
    world.issues.labelled = [issue(number) for number in range(1, 16)]
    await world.until(lambda state: len(state.taken) == 15)
    await removed(world)
    first = world.handle.first_execution_run_id
    return world.directives.client.get_workflow_handle(world.handle.id, run_id=first)


async def removed(world: IntakeWorld) -> Handle:
    await world.handle.signal(SignalName.INTAKE_REMOVED, "operator")
    await asyncio.wait_for(world.handle.result(), 120)
    return world.handle


INTAKES: dict[str, tuple[Scenario, dict[str, Any]]] = {
    "intake_commanded": (commanded, {"require_approval": True}),
    "intake_continued": (continued_intake, {"rest_at_events": 100}),
}
"""With the settings of their directives."""
