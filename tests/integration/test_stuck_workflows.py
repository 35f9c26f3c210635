"""A directive whose workflow tasks all fail is said to be stuck, and `recover` goes on with it (rules 9.1, 9.2); a
query that comes at a bad moment makes none of them so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowQueryFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from domain import names
from domain.protocol import WORKFLOW
from ledger.reader import Record
from runtime.whole_tasks import REFUSED
from tests.fixtures_desk import Desk
from tests.workers import TestedWorker
from tests.workflows.scripted import Handle, planned, until
from worker import build_workers
from workflows.directive import DirectiveWorkflow
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
    worker = TestedWorker(
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


PATIENT = timedelta(seconds=60)
ON_ITS_WAY = 0.5
"""Seconds that a request has to reach the server, which tells nobody that it waits there; too few cost another try."""


@asynccontextmanager
async def real_worker(desk: Desk) -> AsyncIterator[None]:
    """Those of worker.py."""
    directives, telemetry = build_workers(desk.world.client, desk.ledger, Record(desk.pool))
    async with directives, telemetry:
        yield


@pytest.mark.rule("9.1")
async def test_a_query_before_the_first_task_of_a_worker_changes_no_order(idle_desk: Desk) -> None:
    """A step's end, a query and a `pause` wait for a worker: what the step's end leads to stands behind the `pause`."""
    desk = idle_desk
    async with desk.daemons():
        for _ in range(10):
            if await was_asked_between_two_tasks(desk):
                return
    pytest.fail("no query has come before the workflow task")


async def was_asked_between_two_tasks(desk: Desk) -> bool:
    """Whether the query came first; the directive has gone on in any case."""
    desk.daemon.plans = [planned(("floor", []))]
    desk.daemon.arrived.pop("floor", None)
    floor = desk.daemon.hold("floor")
    async with real_worker(desk):
        directive = await desk.start()
        await desk.daemon.arrived["floor"].wait()
        handle = desk.world.client.get_workflow_handle_for(
            DirectiveWorkflow.run, (await desk.json("status", directive))["workflow_id"]
        )
        await until(lambda: rests(handle))
    asked = asyncio.create_task(handle.query(DirectiveWorkflow.status, rpc_timeout=PATIENT))
    await asyncio.sleep(ON_ITS_WAY)
    floor.set()
    await until(lambda: waits_for_a_worker(handle))
    pausing = asyncio.create_task(desk.type("pause", directive))
    await asyncio.sleep(ON_ITS_WAY)
    async with real_worker(desk):
        [answer] = await asyncio.gather(asked, return_exceptions=True)
        await pausing
        await until(lambda: rests(handle))
    replayer = Replayer(
        workflows=[DirectiveWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await replayer.replay_workflow(await handle.fetch_history())
    async with real_worker(desk):
        await desk.does("resume", directive)
        await desk.until_recorded(directive, "idle")
    return isinstance(answer, WorkflowQueryFailedError) and REFUSED in str(answer)


async def last_event(handle: Handle) -> int:
    return [event.event_type async for event in handle.fetch_history_events()][-1]


async def rests(handle: Handle) -> bool:
    """Nothing waits for the workflow's worker."""
    told = (await handle.describe()).raw_description
    queue_of_its_own = {each.activity_type.name for each in told.pending_activities} & {"record_progress"}
    return not told.HasField("pending_workflow_task") and not queue_of_its_own


async def waits_for_a_worker(handle: Handle) -> bool:
    return await last_event(handle) == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
