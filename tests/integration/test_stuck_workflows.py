"""A directive whose workflow tasks all fail is said to be stuck, and `recover` goes on with it (rules 9.1, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain import names
from domain.protocol import WORKFLOW
from tests.fixtures_desk import Desk
from tests.workflows.scripted import planned, until
from workflows.state import DirectiveInput

STUCK = "lost: its workflow tasks fail (NonDeterministicError); recover goes on"


@workflow.defn(name=WORKFLOW)
class OfAnotherVersion:
    """What it does first is not what any history of ours begins with."""

    @workflow.run
    async def run(self, given: DirectiveInput) -> None:
        await workflow.sleep(timedelta(hours=1))


@asynccontextmanager
async def other_worker(desk: Desk) -> AsyncIterator[None]:
    """A worker that can replay none of the desk's histories, and looks after its workflows as worker.py does."""
    worker = Worker(
        desk.world.client,
        task_queue=names.DIRECTIVES_QUEUE,
        workflows=[OfAnotherVersion],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with desk.looking(), worker:
        yield


async def begun(desk: Desk) -> str:
    """A directive whose first step has ended, and whose second one runs; its worker is gone."""
    desk.daemon.plans = [planned(("floor", []), ("roof", ["floor"]))]
    desk.daemon.hold("roof")
    async with desk.worker():
        directive = await desk.start()
        await desk.daemon.arrived["roof"].wait()

        async def roof_is_recorded() -> bool:
            steps = (await desk.recorded(directive)).ordered_steps()
            return [step.status.value for step in steps] == ["completed", "running"]

        await until(roof_is_recorded)
    return directive


async def stuck(desk: Desk) -> str:
    """One whose tasks have failed under a worker that is gone by now, and that `status` and `list` say so of."""
    directive = await begun(desk)

    async def is_said() -> bool:
        return STUCK in await desk.does("status", directive) and STUCK in await desk.does("list")

    async with other_worker(desk):
        desk.daemon.holds["roof"].set()
        await until(is_said)
    return directive


@pytest.mark.rule("9.1")
async def test_one_whose_tasks_all_fail_is_said_to_be_and_recover_goes_on_with_it(idle_desk: Desk) -> None:
    desk = idle_desk
    async with desk.daemons():
        directive = await stuck(desk)
        [left] = (await desk.json("recover", "--all"))["directives"]
        assert not left["recovered"]
        assert left["why"].startswith("its workflow tasks fail") and f"`recover {directive[:8]}`" in left["why"]
        async with desk.worker():
            await desk.does("recover", directive)
            await desk.until_recorded(directive, "idle")
            assert "lost" not in await desk.does("list")
    assert desk.daemon.started.count("planning") == desk.daemon.started.count("floor") == 1


@pytest.mark.rule("9.2")
async def test_one_that_goes_on_by_itself_with_the_right_worker_is_not_said_to_be_stuck(idle_desk: Desk) -> None:
    desk = idle_desk
    async with desk.daemons():
        directive = await stuck(desk)
        async with desk.worker():

            async def is_not_stuck() -> bool:
                return "lost" not in await desk.does("list")

            await until(is_not_stuck)
            assert "is running" in await desk.refused("recover", directive)
            await desk.until_recorded(directive, "idle")
    assert desk.daemon.started == ["planning", "floor", "roof", "completion"]
