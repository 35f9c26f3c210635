"""When a run writes its record: at once where somebody waits for it, else together with what follows."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain import day_waits
from domain.change import Change
from domain.errors import NotReachable
from domain.models import Question, State
from domain.questions import question_id
from domain.record import ProgressWrite, WriteAnswer, WriteVerdict
from domain.requests import SetMemory
from domain.spawn_task import TaskStarted
from domain.statuses import DirectiveStatus, StepStatus
from tests.histories.quick_steps import slow_chain
from tests.workflows.scripted import Handle, Surroundings, plan_of, planned, surroundings, until, until_status
from workflows.directive import DirectiveWorkflow

TASK_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
SLOW = 0.5
"""Seconds for a write: the next one may then wait for five."""


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        yield made


@dataclass(frozen=True)
class Made:
    """A write as it came to the record."""

    write: ProgressWrite
    within_task: bool
    began: datetime
    ended: datetime


@pytest.fixture
def made(world: Surroundings, monkeypatch: pytest.MonkeyPatch) -> list[Made]:
    """The writes of a world, from the first one on."""
    writes: list[Made] = []
    kept = world.ledger.record

    async def watched(write: ProgressWrite) -> WriteAnswer:
        began, within_task = datetime.now(UTC), activity.info().is_local
        answer = await kept(write)
        if answer.verdict is WriteVerdict.APPLIED:
            writes.append(Made(write, within_task, began, datetime.now(UTC)))
        return answer

    monkeypatch.setattr(world.ledger, "record", watched)
    return writes


async def chain(world: Surroundings) -> Handle:
    """Steps beside writes, until all is recorded."""
    slow_chain(world)
    directive = world.directive()
    handle = await world.start(directive)
    state = await until_status(handle, "idle")
    await until(lambda: _recorded(world, directive.id, state))
    return handle


@pytest.mark.rule("9.1")
async def test_the_longer_a_write_takes_the_later_comes_the_next_one_and_the_last_one_holds_all(
    world: Surroundings, made: list[Made]
) -> None:
    await chain(world)
    rows = [each.write.row for each in made]
    active = [at for at in range(1, len(rows)) if rows[at - 1].status == rows[at].status == DirectiveStatus.ACTIVE]
    assert active
    for at in active:
        assert made[at].began - made[at - 1].ended >= timedelta(seconds=4 * world.ledger.takes)


@pytest.mark.rule("9.1")
async def test_a_write_within_a_workflow_task_tells_only_what_was_there_before(
    world: Surroundings, made: list[Made]
) -> None:
    """Its own news may come to be others, when the task is lost and tried again."""
    handle = await chain(world)
    await check_within(handle, made)
    assert any(each.within_task for each in made)


async def check_within(handle: Handle, made: list[Made]) -> None:
    """Each write within a workflow task tells only of what was there before it."""
    events = (await handle.fetch_history()).events
    within = [each for each in made if each.within_task]
    assert sum(map(_is_within_task, events)) == len(within)
    tasks = [each.event_time.ToDatetime(UTC) for each in events if each.event_type == TASK_STARTED]
    for each in within:
        assert each.write.facts.events
        task = max(began for began in tasks if began <= each.began)
        assert max(event.at for event in each.write.facts.events) < task


@pytest.mark.rule("9.1")
async def test_what_comes_first_in_a_workflow_task_is_not_written_when_more_comes_in_it(
    world: Surroundings, made: list[Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is held brings the next one a signal and an outcome at once, which are taken in one by one."""
    world.ledger.takes = SLOW
    world.daemon.plans = [planned(("floor", []))]
    free, go_on, holds = world.daemon.hold("floor"), threading.Event(), threading.Event()
    handle = await world.start(world.directive())
    await world.daemon.arrived["floor"].wait()
    await until(lambda: _knows_of_start(world))
    recorded = len(made)
    changes_nothing = day_waits.freed

    def held(state: State, account: str, now: datetime) -> Change:
        holds.set()
        go_on.wait(1.5)
        return changes_nothing(state, account, now)

    monkeypatch.setattr(day_waits, "freed", held)
    await until(lambda: _is_in_second_half(made[-1]))
    await handle.signal(DirectiveWorkflow.day_budget_freed, "nobody")
    await until(lambda: _is_set(holds))
    task = world.daemon.commands[-1].task
    begun = TaskStarted(task=task, attempt=1, delivery="another", daemon="scripted")
    await handle.signal(DirectiveWorkflow.task_started, begun)
    free.set()
    await until(lambda: _has_ended(handle, "execute_step"))
    go_on.set()
    await until_status(handle, "idle")
    await until(lambda: _all_told(handle))
    assert "another" in [each.delivery for each in made[recorded].write.facts.deliveries]
    await check_within(handle, made)


@pytest.mark.rule("9.1")
async def test_a_workflow_task_that_is_lost_behind_its_write_leaves_nothing_out_of_the_record(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer can't be read, which fails the task behind a write that was made; the next try makes it again."""
    kept = world.ledger.record
    lost: list[ProgressWrite] = []

    async def losing(write: ProgressWrite) -> WriteAnswer:
        answer = await kept(write)
        if activity.info().is_local and not lost:
            lost.append(write)
            return answer.model_copy(update={"sequence": "nobody can read this"})
        return answer

    monkeypatch.setattr(world.ledger, "record", losing)
    handle = await chain(world)
    assert lost
    assert await has_failed(handle)
    follows = next(write for write in world.ledger.writes if write.sequence == lost[0].sequence + 1)
    assert follows.snapshot
    assert set(lost[0].facts.events) <= set(follows.facts.events)


@pytest.mark.rule("9.1")
async def test_a_write_that_fails_within_a_workflow_task_is_made_beside_the_work(
    world: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = world.ledger.record
    away = [0, 0]
    """Tries within a task, and beside the work."""

    async def failing(write: ProgressWrite) -> WriteAnswer:
        local = activity.info().is_local
        if local and not away[0]:
            await kept(write)  # it was made, but nobody hears of that
        if local or 0 < away[0] > away[1]:
            away[not local] += 1
            raise NotReachable("Postgres is away")
        return await kept(write)

    monkeypatch.setattr(world.ledger, "record", failing)
    handle = await chain(world)
    assert away[0] == away[1] > 0
    assert not await has_failed(handle)


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


def _is_within_task(event: HistoryEvent) -> bool:
    return event.marker_recorded_event_attributes.marker_name == "core_local_activity"


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

    await until(lambda: has_failed(handle))
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    monkeypatch.setattr(world.ledger, "record", kept)


async def has_failed(handle: Handle) -> bool:
    """One of its workflow tasks."""
    history = await handle.fetch_history()
    return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in history.events)


async def _told(world: Surroundings, writes: int) -> bool:
    return len(world.ledger.writes) >= writes


async def _all_told(handle: Handle) -> bool:
    """No write is under way."""
    return await _has_ended(handle, "record_progress")


async def _has_ended(handle: Handle, kind: str) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return not any(each.activity_type.name == kind for each in pending)


async def _knows_of_start(world: Surroundings) -> bool:
    """The record, of a step's."""
    return any(step.status is StepStatus.RUNNING for step in world.ledger.steps.values())


async def _is_set(event: threading.Event) -> bool:
    return event.is_set()


async def _is_in_second_half(last: Made) -> bool:
    """Of the window behind it, of five seconds."""
    return datetime.now(UTC) - last.ended > timedelta(seconds=3)
