"""After a Reset in the Web UI, or lost data of Temporal's, the record follows the run that lives (rules 9.1, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from domain.directive_secret import new_secret
from domain.failures import FailureCategory
from domain.models import Memory, State
from domain.recovery import recovered
from domain.size import without_finished_texts
from domain.spawn_task import MemoryChange, Outcome, OutcomeStatus, SpawnTask, failed
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.workflows.scripted import Handle, Surroundings, planned, surroundings, until, until_status, work_of
from workflows.directive import DirectiveWorkflow

CHAIN = planned(("a", []), ("b", ["a"]), ("c", ["b"]))


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment, ledger: PostgresLedger) -> AsyncIterator[Surroundings]:
    """As elsewhere, but the record is Postgres."""
    async with surroundings(temporal_server.client, ledger) as made:
        yield made


async def reset_to_middle(client: Client, handle: Handle) -> str:
    """Reset to the workflow task after the first step's end, as the Web UI does; the new run's id."""
    return await reset(client, handle, after=0.5)


async def reset(client: Client, handle: Handle, after: float) -> str:
    """Reset to the workflow task that followed when this part of the activities had ended; the new run's id."""
    history = await handle.fetch_history()
    ends = [
        event.event_id for event in history.events if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    ]
    points = [
        event.event_id for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    return await reset_to(
        client, handle, next(event for event in points if not after or event > ends[int(len(ends) * after)])
    )


async def reset_to(client: Client, handle: Handle, point: int) -> str:
    """Reset to the workflow task that ended with the event `point`; the new run's id."""
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            reason="a test",
            workflow_task_finish_event_id=point,
            request_id=str(uuid4()),
        )
    )
    return answer.run_id


async def agrees(record: Record, handle: Handle, directive: UUID) -> bool:
    """Postgres holds what the workflow says of itself."""
    recorded = await record.state(directive)
    now = await handle.query(DirectiveWorkflow.state_now)
    return recorded is not None and _comparable(recorded) == _comparable(now)


def _comparable(state: State) -> State:
    return without_finished_texts(state)


@pytest.mark.rule("9.1")
@pytest.mark.rule("9.2")
async def test_after_a_reset_in_mid_way_the_record_follows(
    world: Surroundings, record: Record, temporal_server: WorkflowEnvironment
) -> None:
    world.daemon.plans = [CHAIN, CHAIN]
    directive = world.directive()
    handle = await world.start(directive)
    await until_status(handle, "idle")
    await reset_to_middle(temporal_server.client, handle)
    await until_status(handle, "idle")

    async def same() -> bool:
        return await agrees(record, handle, directive.id)

    await until(same)
    recorded = await record.state(directive.id)
    assert recorded is not None
    assert all(step.shipped for step in recorded.steps.values())


@pytest.mark.rule("9.1")
async def test_a_reset_run_that_only_waits_is_recorded_all_the_same(
    world: Surroundings, record: Record, temporal_server: WorkflowEnvironment
) -> None:
    world.daemon.plans = [CHAIN]
    world.daemon.hold("b")
    directive = world.directive()
    handle = await world.start(directive)
    await until_runs(handle, "b")
    await reset_to_middle(temporal_server.client, handle)

    async def same() -> bool:
        return await agrees(record, handle, directive.id)

    await until(same)
    world.daemon.holds["b"].set()
    await until_status(handle, "idle")
    await until(same)


@pytest.mark.rule("6.8")
@pytest.mark.parametrize("after", [0, 0.5])
async def test_after_a_reset_no_agent_does_again_what_the_record_knows_to_have_ended(
    world: Surroundings, record: Record, temporal_server: WorkflowEnvironment, after: float
) -> None:
    """From the very beginning, and from between two steps. What lies on a remote may be gone: here there is none."""
    world.secret = new_secret()
    world.daemon.plans = [CHAIN]
    world.daemon.endings["b"] = fails_once_and_remembers
    directive = world.directive(memory=True)
    handle = await world.start(directive)
    before = await until_status(handle, "idle")
    await until_recorded_idle(record, directive.id)
    started = list(world.daemon.started)
    assert started.count("b") == 2

    await reset(temporal_server.client, handle, after)

    await until_status(handle, "idle")
    assert world.daemon.started == started, "nothing was done a second time"
    state = await handle.query(DirectiveWorkflow.state_now)
    assert state.memories == before.memories and state.memories
    assert _comparable(state).steps == _comparable(before).steps

    async def same() -> bool:
        return await agrees(record, handle, directive.id)

    await until(same)


@pytest.mark.rule("6.8")
async def test_what_was_under_way_at_a_reset_is_dispatched_anew_when_the_record_was_asked(
    world: Surroundings, record: Record, temporal_server: WorkflowEnvironment
) -> None:
    """Temporal itself delivers it once more, by the command of the run before, while the record knows its end."""
    world.daemon.plans = [CHAIN]
    world.daemon.hold("a")
    directive = world.directive()
    handle = await world.start(directive)
    await until_runs(handle, "a")  # by a workflow task before the one that takes its end
    world.daemon.holds["a"].set()
    await until_status(handle, "idle")
    await until_recorded_idle(record, directive.id)
    started = list(world.daemon.started)
    history = await handle.fetch_history()
    begins = [
        event.event_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == "execute_step"
    ]
    points = [
        event.event_id for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    await reset_to(temporal_server.client, handle, next(point for point in points if point > begins[0]))
    await until_status(handle, "idle")
    assert world.daemon.started == started

    async def has_come_once_more() -> bool:
        stale = [command for command in world.daemon.commands if command.run == handle.first_execution_run_id]
        return len(stale) > len(started)

    await until(has_come_once_more)  # the old command; it was refused
    assert world.daemon.started == started


async def until_runs(handle: Handle, step: str) -> None:
    """The directive knows that this step has begun."""

    async def runs() -> bool:
        state = await handle.query(DirectiveWorkflow.state_now)
        return {each.name: each.status.value for each in state.steps.values()}.get(step) == "running"

    await until(runs)


async def until_recorded_idle(record: Record, directive: UUID) -> None:
    """The record knows the ends of all that was done; a run that is reset earlier tells it nothing any more."""

    async def is_recorded() -> bool:
        recorded = await record.state(directive)
        return recorded is not None and recorded.status.value == "idle"

    await until(is_recorded)


async def fails_once_and_remembers(command: SpawnTask) -> Outcome:
    """Its first attempt fails; its second one sets a memory, which no column of the attempt's holds."""
    ended = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, work=work_of(command))
    if command.attempt == 1:
        return failed(command, FailureCategory.AGENT, "no")
    memory = MemoryChange(key="colour", memory=Memory(key="colour", value="red"))
    return ended.model_copy(update={"memories": (memory,)})


@pytest.mark.rule("9.1")
async def test_a_recovered_directive_goes_on_and_runs_no_finished_step_again(
    world: Surroundings, record: Record
) -> None:
    world.daemon.plans = [CHAIN]
    world.secret = new_secret()
    free = world.daemon.hold("b")
    directive = world.directive()
    handle = await world.start(directive)
    await world.daemon.arrived["b"].wait()

    async def a_is_recorded() -> bool:
        state = await record.state(directive.id)
        return state is not None and any(step.work for step in state.steps.values())

    await until(a_is_recorded)
    await handle.terminate("its data is lost")
    free.set()
    state = await record.state(directive.id)
    assert state is not None
    again = await world.start_from(recovered(state))
    await until_status(again, "idle")
    assert world.daemon.started.count("a") == 1
    secrets = {command.secret for command in world.daemon.commands}
    assert secrets == {world.secret}, "a run from the record dispatches nothing without the directive's own secret"
    assert world.secret.get_secret_value() not in str((await again.query("state_now"), await again.query("status")))

    async def same() -> bool:
        return await agrees(record, again, directive.id)

    await until(same)
