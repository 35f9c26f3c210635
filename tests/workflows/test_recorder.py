"""When a run writes its record: at once where somebody waits for it, else together with what follows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain.models import Question
from domain.questions import question_id
from domain.record import ProgressWrite, WriteAnswer
from domain.requests import SetMemory
from domain.statuses import DirectiveStatus
from tests.workflows.scripted import Handle, Surroundings, plan_of, planned, surroundings, until, until_status
from workflows.directive import DirectiveWorkflow

SLOW = 0.5
"""Seconds for a write: the next one may then wait for five."""


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        yield made


@pytest.mark.rule("9.1")
async def test_the_longer_a_write_takes_the_later_comes_the_next_one_and_the_last_one_holds_all(
    world: Surroundings,
) -> None:
    world.ledger.takes = 0.2
    world.daemon.plans = [planned(*((str(n), [str(n - 1)] if n else []) for n in range(24)))]
    directive = world.directive()
    handle = await world.start(directive)
    state = await until_status(handle, "idle")
    await until(lambda: _recorded(world, directive.id, state))
    events = (await handle.fetch_history()).events
    begun = [event.event_time.ToDatetime() for event in events if _is_write(event)]
    ended = [_end_of(events, event).event_time.ToDatetime() for event in events if _is_write(event)]
    rows = [write.row for write in world.ledger.writes]
    active = [at for at in range(1, len(rows)) if rows[at - 1].status == rows[at].status == DirectiveStatus.ACTIVE]
    for at in active:
        assert begun[at] - ended[at - 1] >= 4 * (ended[at - 1] - begun[at - 1])


async def test_an_operators_command_and_a_question_are_written_with_the_task_that_brings_them(
    world: Surroundings,
) -> None:
    world.ledger.takes = SLOW
    world.daemon.plans = [planned(("floor", []))]
    free = world.daemon.hold("floor")
    handle = await world.start(world.directive(memory=True))
    await world.daemon.arrived["floor"].wait()
    await until(lambda: _all_told(handle))
    await handle.execute_update(DirectiveWorkflow.set_memory, SetMemory(key="k", value="v"))
    await until(lambda: _told(world, 3))
    await until(lambda: _all_told(handle))
    task = world.daemon.commands[-1].task
    question = Question(id=question_id(task, "Oak?"), task=task, text="Oak?")
    await handle.signal(DirectiveWorkflow.question_asked, question)
    await until(lambda: _told(world, 4))
    assert list(world.ledger.writes[2].row.memories) == ["k"]
    assert len(world.ledger.writes[2].row.answered) == 1
    assert list(world.ledger.writes[3].row.questions) == [question.id]
    events = (await handle.fetch_history()).events
    writes = [_task_of(event) for event in events if _is_write(event)]
    assert _task_before(events, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED) in writes
    assert not [event for event in events if event.event_type == EventType.EVENT_TYPE_TIMER_FIRED]
    free.set()
    await until_status(handle, "idle")


def _is_write(event: HistoryEvent) -> bool:
    return event.activity_task_scheduled_event_attributes.activity_type.name == "record_progress"


def _end_of(events: Sequence[HistoryEvent], scheduled: HistoryEvent) -> HistoryEvent:
    return next(
        each
        for each in events
        if each.activity_task_completed_event_attributes.scheduled_event_id == scheduled.event_id
    )


def _task_of(event: HistoryEvent) -> int:
    """The completed workflow task that scheduled it."""
    return event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id


def _task_before(events: Sequence[HistoryEvent], kind: EventType.ValueType) -> int:
    """The completed workflow task that the first event of a kind came with."""
    at = next(event.event_id for event in events if event.event_type == kind)
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return max(event.event_id for event in events if event.event_type == completed and event.event_id < at)


async def _recorded(world: Surroundings, directive: UUID, state: object) -> bool:
    return world.ledger.state(directive) == state


@pytest.mark.rule("9.2")
async def test_what_ends_the_writing_of_the_record_fails_the_workflow_task_where_people_see_it(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had ended the writing with a line in the worker's log, and the directive waited for its plan's record."""
    kept = world.ledger.record

    async def refusing(_: ProgressWrite) -> WriteAnswer:
        raise ApplicationError("never", non_retryable=True)

    monkeypatch.setattr(world.ledger, "record", refusing)
    handle = await world.start(world.directive(), plan_of(planned(("floor", []))))

    async def task_has_failed() -> bool:
        history = await handle.fetch_history()
        return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in history.events)

    await until(task_has_failed)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    monkeypatch.setattr(world.ledger, "record", kept)


async def _told(world: Surroundings, writes: int) -> bool:
    return len(world.ledger.writes) >= writes


async def _all_told(handle: Handle) -> bool:
    """No write is under way."""
    pending = (await handle.describe()).raw_description.pending_activities
    return not any(each.activity_type.name == "record_progress" for each in pending)
