"""An intake's world: real Temporal, real directives with a scripted daemon, and issues that are what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.intake import IntakeActivities
from activities.issues import IssueActivities
from domain import names
from domain.directive_settings import AgentChoice, Settings
from domain.intake.commands import CommandSaid
from domain.intake.issue import IssueNamed, IssueRead, IssueStanding
from domain.intake.state import (
    MOST_AT_ONCE,
    Followed,
    Intake,
    IntakeState,
    IssueLook,
    IssuesSeen,
    IssueTold,
    ProgressTold,
    intake_id,
)
from domain.intake.taken import LeftAlone
from domain.models import State
from tests.workers import TestedWorker
from tests.workflows.scripted import PATIENT, Surroundings, until
from tests.workflows.scripted import Handle as DirectiveHandle
from workflows.directive import DirectiveWorkflow
from workflows.intake import IntakeWorkflow

REPOSITORY = "https://forge.invalid/acme/shop.git"
Handle = WorkflowHandle[IntakeWorkflow, IntakeState]
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def issue(number: int) -> IssueRead:
    return IssueRead(number=number, standing=IssueStanding.OPEN, title=f"Issue {number}", text="So.", author="ann")


@dataclass
class ScriptedIssues:
    """What the forge has, as a daemon sees it; what it was asked, and what the worker was to start."""

    directives: Surroundings
    labelled: list[IssueRead] = field(default_factory=list)
    """Those that somebody with write access has labelled: seen until they are taken."""
    forgets: bool = False
    """Which are taken: as a daemon that has not heard of it yet."""
    commands: list[CommandSaid] = field(default_factory=list)
    """Seen until they are handled."""
    left: tuple[LeftAlone, ...] = ()
    trouble: str = ""
    fails: list[Exception] = field(default_factory=list)
    """The next looks."""
    looks: list[IssueLook] = field(default_factory=list)
    started: list[State] = field(default_factory=list)
    told: list[ProgressTold] = field(default_factory=list)
    refuses_to_tell: Exception | None = None

    async def read(self, named: IssueNamed) -> IssueRead:
        return issue(named.number)

    async def look(self, look: IssueLook) -> IssuesSeen | None:
        self.looks.append(look)
        if self.fails:
            raise self.fails.pop(0)
        handled = {each.number: each.handled for each in look.followed}
        seen = IssuesSeen(
            found=tuple(each for each in self.labelled if self.forgets or each.number not in look.taken)[:MOST_AT_ONCE],
            commands=tuple(each for each in self.commands if each.key not in handled.get(each.number, (each.key,))),
            left=self.left,
            trouble=self.trouble,
        )
        return seen if seen.is_news_to(look) else None

    async def tell(self, told: ProgressTold) -> IssueTold:
        if self.refuses_to_tell:
            raise self.refuses_to_tell
        self.told.append(told)
        return IssueTold(at=NOON + timedelta(seconds=10 * len(self.told)))

    async def start(self, draft: State) -> str:
        self.started.append(draft)
        try:
            return (await self.directives.start_from(draft, begin=True)).id
        except WorkflowAlreadyStartedError as known:
            return known.workflow_id

    def last_said(self, number: int) -> str:
        """What the issue says now."""
        return next((each.body for each in reversed(self.told) if each.number == number), "")

    def hears(self, number: int, text: str, comment: int, at: datetime = NOON + timedelta(days=1)) -> None:
        """Somebody commands this in the issue."""
        said = CommandSaid(number=number, comment=comment, author="ann", text=text, said_at=at)
        self.commands.append(said)


@dataclass
class IntakeWorld:
    issues: ScriptedIssues
    directives: Surroundings
    handle: Handle

    async def state(self) -> IntakeState:
        return await self.handle.query(IntakeWorkflow.status)

    async def until(self, holds: Callable[[IntakeState], object]) -> IntakeState:
        """The first state for which it `holds`."""

        async def reached() -> bool:
            return bool(holds(await self.state()))

        await until(reached)
        return await self.state()

    async def until_told(self, number: int, *words: str) -> str:
        """What the issue says, once it says these words."""

        async def said() -> bool:
            return all(word in self.issues.last_said(number) for word in words)

        await until(said)
        return self.issues.last_said(number)

    def handle_of(self, workflow: str) -> DirectiveHandle:
        return self.directives.client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)

    async def followed(self, number: int) -> Followed:
        (one,) = [each for each in (await self.state()).followed if each.number == number]
        return one


@asynccontextmanager
async def intake_world(
    client: Client, *, every: timedelta = timedelta(milliseconds=100), **settings: Any
) -> AsyncIterator[IntakeWorld]:
    """`settings`: of the directives that it starts."""
    directives = Surroundings(client)
    scripted, owner = ScriptedIssues(directives), directives.owner
    issues, intake = IssueActivities(scripted), IntakeActivities(scripted, client)
    by_worker: list[Callable[..., Any]] = [intake.start_directive, intake.watch_directives, intake.carry_out]
    by_daemon: list[Callable[..., Any]] = [issues.look_at_issues, issues.tell_issue]
    core = f"intakes-{owner}"
    wanted = Intake(
        owner=owner,
        repository=REPOSITORY,
        label="makima",
        settings=Settings(**{"planner": AgentChoice(name="planner"), "timings": PATIENT, **settings}),
        every=every,
    )
    handle = await client.start_workflow(
        IntakeWorkflow.run, IntakeState(wanted=wanted), id=intake_id(owner, REPOSITORY), task_queue=core
    )
    workers = [
        TestedWorker(client, task_queue=core, workflows=[IntakeWorkflow], activities=by_worker),
        TestedWorker(client, task_queue=names.light_queue(owner), activities=by_daemon),
        directives.core_worker(),
        directives.daemon_worker(),
    ]
    async with workers[0], workers[1], workers[2], workers[3]:
        yield IntakeWorld(scripted, directives, handle)


Scenario = Callable[[IntakeWorld], Awaitable[Handle]]
