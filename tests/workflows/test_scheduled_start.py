"""A schedule's firing (rule 2.16): real Temporal, and a record and a daemon that say what they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.schedules import ScheduleActivities
from activities.start_checks import StartCheckActivities
from domain import names
from domain.directive_settings import AgentChoice
from domain.models import State
from domain.protocol import DaemonFeature
from domain.reports import DaemonSeen, DirectiveSummary
from domain.schedules import LOOKS, Fired, Scheduled, scheduled_of
from domain.start_checks import StartSeen, StartWanted
from domain.statuses import DirectiveStatus
from tests.values import NOON
from tests.workers import TestedWorker
from tests.workflows.scripted import Surroundings, until
from workflows.current_details import CurrentDetails
from workflows.scheduled_start import ScheduledStartWorkflow

Handle = WorkflowHandle[ScheduledStartWorkflow, Fired]


@dataclass
class Scripted:
    """What the record knows, what a daemon finds, and what was started."""

    client: Client
    daemons_seen: list[DaemonSeen] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    looks: list[StartWanted] = field(default_factory=list)
    started: list[State] = field(default_factory=list)
    known: dict[Any, State] = field(default_factory=dict)
    lost: str = ""

    async def look(self, wanted: StartWanted) -> StartSeen:
        self.looks.append(wanted)
        return StartSeen(trouble=self.troubles.pop(0) if self.troubles else "")

    async def start(self, draft: State) -> str:
        self.started.append(draft)
        self.known[draft.directive.id] = draft.model_copy(update={"status": DirectiveStatus.ACTIVE})
        return names.workflow_id(draft.directive.text.title, draft.directive.id)

    async def daemons(self, owner: str) -> list[DaemonSeen]:
        return self.daemons_seen

    async def state(self, directive: Any) -> State | None:
        return self.known.get(directive)

    async def directive(self, owner: str, directive: Any) -> DirectiveSummary | None:
        state = self.known.get(directive)
        if state is None or state.directive.owner != owner:
            return None
        return DirectiveSummary(
            id=directive,
            workflow_id="w",
            title="t",
            status=state.status,
            reason="",
            generation=1,
            steps={},
            updated_at=NOON,
            lost=self.lost,
        )

    def becomes(self, status: DirectiveStatus, reason: str = "") -> None:
        for each, state in self.known.items():
            self.known[each] = state.model_copy(update={"status": status, "reason": reason})


@dataclass
class World:
    scripted: Scripted
    scheduled: Scheduled
    client: Client
    queue: str

    async def fires(self, at: str = "2026-11-30T03:00:00Z") -> Handle:
        return await self.client.start_workflow(
            ScheduledStartWorkflow.run,
            self.scheduled,
            id=f"schedule-{self.scheduled.directive.owner}.weekly-{at}",
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )

    def worker(self) -> Worker:
        given = ScheduleActivities(self.scripted, self.client, self.scripted)
        return TestedWorker(
            self.client,
            task_queue=self.queue,
            workflows=[ScheduledStartWorkflow],
            activities=[
                given.look_before_firing,
                given.start_scheduled,
                given.follow_scheduled,
                given.end_scheduled,
            ],
            interceptors=[CurrentDetails()],
        )


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[World]:
    client = temporal_server.client
    directive = Surroundings(client).directive(agent=AgentChoice(name="planner"))
    fast = directive.settings.timings.model_copy(update={"poll": timedelta(milliseconds=100)})
    settings = directive.settings.model_copy(update={"timings": fast})
    directive = directive.model_copy(update={"settings": settings})
    scheduled = scheduled_of("weekly", State(directive=directive), ("0 3 * * 1",), "")
    scripted = Scripted(client)
    presence = TestedWorker(
        client,
        task_queue=names.presence_queue(directive.owner, "box"),
        activities=[StartCheckActivities(scripted).look_before_start],
    )
    made = World(scripted, scheduled, client, f"directives-{directive.owner}")
    async with made.worker(), presence:
        yield made


def box() -> DaemonSeen:
    return DaemonSeen(
        name="box",
        version="1",
        agents=("planner",),
        labels=(),
        capacity=4,
        running=(),
        sandbox="none",
        reported_at=NOON,
        silent_for=timedelta(),
        features=(DaemonFeature.START_CHECKS,),
    )


async def failure_of(handle: Handle) -> str:
    with pytest.raises(WorkflowFailureError) as ended:
        await asyncio.wait_for(handle.result(), 120)
    assert isinstance(ended.value.cause, ApplicationError)
    return ended.value.cause.message


async def has_started(world: World) -> None:
    async def started() -> bool:
        return bool(world.scripted.started)

    await until(started)


@pytest.mark.rule("2.16")
async def test_what_is_wrong_for_a_moment_is_looked_at_again(world: World) -> None:
    world.scripted.daemons_seen = [box()]
    world.scripted.troubles = ["the remote does not answer"] * (LOOKS - 1)
    handle = await world.fires()
    await has_started(world)
    assert len(world.scripted.looks) == LOOKS
    assert world.scripted.looks[0].repository == world.scheduled.directive.repository
    world.scripted.becomes(DirectiveStatus.IDLE)
    fired = await asyncio.wait_for(handle.result(), 120)
    assert fired.directive == world.scripted.started[0].directive.id


@pytest.mark.rule("2.16")
async def test_a_repository_that_stays_wrong_fails_the_firing_with_the_reason_and_starts_nothing(world: World) -> None:
    world.scripted.daemons_seen = [box()]
    world.scripted.troubles = ["there is no\nsuch repository\x1b[2J"] * 99
    said = await failure_of(await world.fires())
    assert said.startswith("there is no such repository") and "\x1b" not in said
    assert not world.scripted.started
    world.scripted.troubles = []
    await world.fires("2026-12-07T03:00:00Z")
    await has_started(world)


@pytest.mark.rule("2.16")
async def test_without_a_daemon_it_is_started_and_waits_for_one(world: World) -> None:
    world.scripted.troubles = ["nobody may look"] * 99
    await world.fires()
    await has_started(world)
    assert not world.scripted.looks


@pytest.mark.rule("2.16")
@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (DirectiveStatus.FAILED, "a step failed", "failed: a step failed"),
        (DirectiveStatus.PAUSED, "gone — `starter.py resume 1`", "paused: gone"),
    ],
)
async def test_a_directive_that_does_not_go_on_by_itself_has_failed_its_firing(
    world: World, status: DirectiveStatus, reason: str, said: str
) -> None:
    handle = await world.fires()
    await has_started(world)
    world.scripted.becomes(DirectiveStatus.PAUSED, "paused by ann")
    world.scripted.becomes(status, reason)
    assert (await failure_of(handle)).startswith(said)


@pytest.mark.rule("2.16")
async def test_one_whose_workflow_is_lost_has_failed_it_also_where_nothing_was_recorded(world: World) -> None:
    handle = await world.fires()
    await has_started(world)
    world.scripted.lost = "terminated"
    assert await failure_of(handle) == "lost: terminated"
    world.scripted.lost = ""
    handle = await world.fires("2026-12-07T03:00:00Z")

    async def another() -> bool:
        return len(world.scripted.started) == 2

    await until(another)
    world.scripted.known.clear()
    assert await failure_of(handle) == "lost: unknown to Temporal"


@pytest.mark.rule("2.16")
async def test_a_worker_that_was_killed_is_followed_by_one_that_starts_no_second_directive(world: World) -> None:
    """A start whose answer was lost is tried again: it is the same directive."""
    first, again = asyncio.Event(), asyncio.Event()
    started = world.scripted.start

    async def lost_once(draft: State) -> str:
        workflow = await started(draft)
        if not first.is_set():
            first.set()
            raise ConnectionError("the answer was lost")
        again.set()
        return workflow

    world.scripted.start = lost_once  # type: ignore[method-assign]
    handle = await world.fires()
    await asyncio.wait_for(again.wait(), 120)
    assert len({each.directive.id for each in world.scripted.started}) == 1 < len(world.scripted.started)
    world.scripted.becomes(DirectiveStatus.IDLE)
    await asyncio.wait_for(handle.result(), 120)


@pytest.mark.rule("2.16")
async def test_cancelled_it_ends_once_its_directive_has(world: World) -> None:
    handle = await world.fires()
    await has_started(world)
    draft = world.scripted.started[0]
    # What stands for the directive: a workflow under its id, which is cancelled as that would be.
    directive = await world.client.start_workflow(
        "Stands", id=names.workflow_id(draft.directive.text.title, draft.directive.id), task_queue=f"no-{uuid4()}"
    )
    await handle.cancel()

    async def asked() -> bool:
        events = [event async for event in directive.fetch_history_events()]
        return any(event.HasField("workflow_execution_cancel_requested_event_attributes") for event in events)

    await until(asked)
    world.scripted.becomes(DirectiveStatus.ARCHIVED)
    with pytest.raises(WorkflowFailureError) as ended:
        await asyncio.wait_for(handle.result(), 120)
    assert isinstance(ended.value.cause, CancelledError)
    await directive.terminate()


async def test_the_web_ui_is_told_which_directive_it_is(world: World) -> None:
    handle = await world.fires()
    await has_started(world)
    directive = world.scripted.started[0].directive

    async def told() -> bool:
        shown = await handle.query("__temporal_workflow_metadata")
        return str(directive.id) in str(shown)

    await until(told)
