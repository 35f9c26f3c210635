"""An intake's own story (rule 7.7): real Temporal, a daemon that sees what it is told to see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.intake import IntakeActivities
from activities.issues import IssueActivities
from domain import names
from domain.directive_settings import Settings
from domain.errors import ForgeUnreachable
from domain.intake.issue import IssueNamed, IssueRead, IssueStanding
from domain.intake.state import Intake, IntakeState, IssueLook, IssuesSeen, ProgressTold
from domain.intake.taken import LeftAlone
from domain.models import State
from domain.protocol import SignalName
from tests.workflows.scripted import until
from workflows.intake import IntakeWorkflow

REPOSITORY = "https://forge.invalid/acme/shop.git"
Handle = WorkflowHandle[IntakeWorkflow, IntakeState]


def issue(number: int) -> IssueRead:
    return IssueRead(number=number, standing=IssueStanding.OPEN, title=f"Issue {number}", text="So.", author="ann")


@dataclass
class Scripted:
    """What the daemon sees next, what it was asked, and what the worker was to start."""

    seen: list[IssuesSeen | Exception] = field(default_factory=list)
    looks: list[IssueLook] = field(default_factory=list)
    started: list[State] = field(default_factory=list)

    async def read(self, named: IssueNamed) -> IssueRead:
        return issue(named.number)

    async def look(self, look: IssueLook) -> IssuesSeen | None:
        self.looks.append(look)
        seen = self.seen.pop(0) if self.seen else None
        if isinstance(seen, Exception):
            raise seen
        return seen

    async def tell(self, told: ProgressTold) -> None:
        raise AssertionError("there is no directive to be told of")

    async def start(self, draft: State) -> str:
        self.started.append(draft)
        return f"directive-{len(self.started)}"


@dataclass
class World:
    scripted: Scripted
    handle: Handle
    workers: list[Worker]

    async def state(self) -> IntakeState:
        return await self.handle.query(IntakeWorkflow.status)

    async def until(self, what: str, number: int) -> IntakeState:
        """The first state whose `what` has this many."""

        async def has() -> bool:
            return len(getattr(await self.state(), what)) == number

        await until(has)
        return await self.state()


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[World]:
    client, scripted, owner = temporal_server.client, Scripted(), f"owner-{uuid4().hex[:8]}"
    issues, intake = IssueActivities(scripted), IntakeActivities(scripted, client)
    queue = f"directives-{owner}"
    by_worker: list[Callable[..., Any]] = [intake.start_directive, intake.watch_directives, intake.carry_out]
    by_daemon: list[Callable[..., Any]] = [issues.look_at_issues, issues.tell_issue]
    workers = [
        Worker(client, task_queue=queue, workflows=[IntakeWorkflow], activities=by_worker),
        Worker(client, task_queue=names.light_queue(owner), activities=by_daemon),
    ]
    every = timedelta(milliseconds=100)
    wanted = Intake(owner=owner, repository=REPOSITORY, label="makima", settings=Settings(planner=None), every=every)
    handle = await client.start_workflow(
        IntakeWorkflow.run, IntakeState(wanted=wanted), id=f"intake-{owner}", task_queue=queue
    )
    async with workers[0], workers[1]:
        yield World(scripted, handle, workers)


@pytest.mark.rule("7.7")
async def test_each_look_is_told_what_is_taken_and_an_issue_seen_again_is_started_with_the_same_id(
    world: World,
) -> None:
    left = (LeftAlone(number=9, why="labelled by mallory"),)
    world.scripted.seen = [
        IssuesSeen(found=(issue(7),), left=left),
        ForgeUnreachable("does not answer"),
        IssuesSeen(found=(issue(7), issue(8)), left=left),
    ]
    state = await world.until("taken", 2)
    assert [(each.number, each.workflow) for each in state.taken] == [(7, "directive-1"), (8, "directive-3")]
    assert state.left == left
    seven, again, eight = world.scripted.started
    assert seven.directive.id == again.directive.id != eight.directive.id
    assert seven.directive.settings.closes == ("#7",) and "So." in seven.directive.text.goal

    async def told() -> bool:
        return world.scripted.looks[-1].taken == (7, 8)

    await until(told)


@pytest.mark.rule("7.7")
async def test_one_that_is_removed_ends_though_it_waits_for_news(world: World) -> None:
    async def looks() -> bool:
        return len(world.scripted.looks) > 1

    await until(looks)
    await world.handle.signal(SignalName.INTAKE_REMOVED, "operator")
    ended = await asyncio.wait_for(world.handle.result(), 120)
    assert ended.taken == ()


@pytest.mark.rule("7.7")
async def test_a_refusal_of_the_forge_is_told_and_goes_by_itself(world: World) -> None:
    world.scripted.seen = [IssuesSeen(trouble="forge.invalid refuses us: set a token")]

    async def in_trouble() -> bool:
        return "set a token" in (await world.state()).trouble

    await until(in_trouble)
    world.scripted.seen = [IssuesSeen()]

    async def over() -> bool:
        return not (await world.state()).trouble

    await until(over)
