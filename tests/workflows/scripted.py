"""A directive's surroundings without git and Postgres: a daemon that does as it is told, a ledger that remembers."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.completion import CompletionActivities
from activities.ledger import LedgerActivities
from activities.planning import PlanningActivities
from activities.ports import Ledger
from activities.pull_requests import PullRequestActivities
from activities.steps import StepActivities
from domain import names
from domain.daemon_messages import DaemonWanted
from domain.directive_secret import NO_SECRET
from domain.directive_settings import AgentChoice, Settings
from domain.errors import RowBroken
from domain.experience import RepositoryNamed, StepDone
from domain.models import Directive, PlanChanges, State, Step, Task, Text, Work
from domain.plan import PlannedStep, add_steps
from domain.progress import Progress
from domain.pull_request import Finding, FindingKind, PullRequest, PullRequestState, Shipped, Sighting, Watch, news_of
from domain.record import AttemptNamed, LastWrite, ProgressWrite, WriteAnswer, WriteVerdict, answer_to
from domain.spawn_task import Delivery, Outcome, OutcomeStatus, SpawnTask, refuse_other_run
from domain.statuses import TaskKind
from domain.tidied import Tidied, Tidying
from domain.timings import Timings
from domain.usage import Rate, ResumableSession, Usage
from tests.polling import pause
from tests.restoring import restored
from tests.workers import TestedWorker
from workflows.current_details import CurrentDetails
from workflows.directive import DirectiveWorkflow
from workflows.state import DirectiveInput, DirectiveResult

BASE = "b" * 40
Handle = WorkflowHandle[DirectiveWorkflow, DirectiveResult]


def planned(*steps: tuple[str, list[str]] | tuple[str, list[str], int]) -> list[PlannedStep]:
    """(name, names it depends on[, phase]) → steps as a planner writes them."""
    return [
        PlannedStep(name=step[0], task_plan=f"do {step[0]}", depends_on=tuple(step[1]), order_index=[*step, 0][2])
        for step in steps
    ]


def plan_of(steps: list[PlannedStep], generation: int = 1, known: tuple[Any, ...] = ()) -> PlanChanges:
    return add_steps(PlanChanges(), steps, generation=generation, known=known, new_id=uuid4)


def work_of(command: SpawnTask, commits: int = 1) -> Work:
    """A made-up commit, told apart by the task and its attempt."""
    head = (command.task.hex + f"{command.attempt:08d}")[:40]
    return Work(branch=command.target_branch, base=command.base_commit or BASE, head=head, commits=commits)


def shipped_by(command: SpawnTask) -> Shipped:
    """The pull request that the command wants, at a forge that numbers them by their versions, from 11 on."""
    wanted = command.pull_request
    assert wanted is not None
    known = wanted.known
    version = known.version + known.state.is_over if known else 1
    made = PullRequest(
        branch=wanted.branches[1 if known and known.state.is_over else 0],
        head=work_of(command).head,
        base=command.base_branch,
        url=f"https://example.invalid/house/pull/{10 + version}",
        state=PullRequestState.DRAFT if wanted.draft else PullRequestState.OPEN,
        number=10 + version,
        version=version,
    )
    return Shipped(pull_request=made, over=(known,) if known and known.state.is_over else ())


class ScriptedDaemon:
    """Does every task at once, unless the test holds it or says how it ends."""

    def __init__(self) -> None:
        self.plans: list[list[PlannedStep]] = []
        self.base = BASE
        """Where the steps of its plans begin."""
        self.commands: list[SpawnTask] = []
        self.started: list[str] = []
        self.ended: list[str] = []
        self.endings: dict[str, Callable[[SpawnTask], Awaitable[Outcome]]] = {}
        self.holds: dict[str, asyncio.Event] = defaultdict(_open)
        self.arrived: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.opens_pull_requests = False
        self.uses: dict[str, Usage] = {}
        """What an attempt has used, as it tells at its end, or where it is called back while it is held."""
        self.beats: dict[str, Usage] = {}
        """What its heartbeats say that it has used."""
        self.held_up: dict[str, str] = {}
        """And what is tried again."""
        self.again: dict[str, datetime] = {}
        """And when."""
        self.falls_silent: set[str] = set()
        """Steps whose machine is lost after its first heartbeat, once each."""
        self.used_before: list[Usage] = []
        """What each delivery was told that the one before had used."""

    def hold(self, name: str) -> asyncio.Event:
        """The step waits until the returned event is set."""
        self.holds[name] = asyncio.Event()
        return self.holds[name]

    async def spawn(self, command: SpawnTask, delivery: Delivery) -> Outcome:
        name = command.step_name or command.kind.value
        self.commands.append(command)
        self.used_before.append(delivery.used_before)
        refuse_other_run(command, delivery)
        if command.recorded:
            return command.recorded
        self.started.append(name)
        self.arrived[name].set()
        await delivery.started(delivery.name)
        try:
            await self._held(name, delivery)
        except asyncio.CancelledError:
            if name in self.uses:
                delivery.leaves(self._left(command, self.uses[name]))
            raise
        outcome = await self.endings[name](command) if name in self.endings else self.done(command)
        self.ended.append(name)
        return outcome.model_copy(update={"usage": self.uses[name]}) if name in self.uses else outcome

    def _left(self, command: SpawnTask, used: Usage) -> Outcome:
        waits = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.WAITING, usage=used)
        session = ResumableSession(agent="planner", session="s", daemon="scripted", usage=used)
        return waits.model_copy(update={"resume": session})

    async def _held(self, name: str, delivery: Delivery) -> None:
        while not self.holds[name].is_set():
            used = self.beats.get(name, Usage())
            told = {"phase": "held", "usage": used, "held_up": self.held_up.get(name, "")}
            told["again"] = self.again.get(name)
            delivery.beat(Progress(daemon="scripted", delivery=delivery.name, **told))
            if name in self.falls_silent:
                self.falls_silent.remove(name)
                await asyncio.sleep(600)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.holds[name].wait(), 0.1)

    def done(self, command: SpawnTask) -> Outcome:
        done = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED)
        match command.kind:
            case TaskKind.PREPARE:
                return done.model_copy(update={"base_commit": self.base})
            case TaskKind.PLANNING:
                steps = self.plans.pop(0) if self.plans else []
                plan = plan_of(steps, command.generation, command.context.steps)
                return done.model_copy(update={"base_commit": self.base, "plan": plan})
            case TaskKind.COMPLETION if self.opens_pull_requests:
                return done.model_copy(update={"work": work_of(command), "shipped": shipped_by(command)})
            case _:
                return done.model_copy(update={"work": work_of(command)})


class ScriptedForge:
    """A forge with one pull request, as a daemon's shepherd sees it: the test says what holds. As at a forge it is
    told for as long as a look doesn't know it: the news that one look has taken along may never reach the workflow.
    """

    def __init__(self) -> None:
        self.shown: tuple[PullRequest, dict[str, Any], tuple[Finding, ...]] | None = None
        self.answer: Any = None
        """What a look is answered with, or fails with, whatever holds."""
        self.queued = False
        """It waits in the merge queue."""
        self.looks: list[Watch] = []
        self.slow = timedelta()
        """How long it takes to look."""
        self.tidied: list[Tidying] = []

    def shows(self, known: PullRequest, *findings: Finding, **fields: Any) -> None:
        """From now on: `fields` of this pull request, `findings` of its head, comments of every head."""
        self.shown = (known, fields, findings)

    async def look(self, watch: Watch) -> Sighting | None:
        self.looks.append(watch)
        await asyncio.sleep(self.slow.total_seconds())
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer:
            return cast("Sighting", self.answer)
        now, findings = watch.pull_request, tuple[Finding, ...]()
        if self.shown and self.shown[0].branch == now.branch:
            known, fields, shown = self.shown
            findings = tuple(one for one in shown if one.kind is FindingKind.COMMENT or known.head == now.head)
            now = now.model_copy(update=fields)
        waits = {"queued": self.queued, "blocked": ("it waits in the merge queue",) if self.queued else ()}
        return news_of(watch, Sighting(pull_request=now, findings=findings, base_head="e" * 40, **waits))

    async def tidy(self, tidying: Tidying) -> Tidied:
        self.tidied.append(tidying)
        return Tidied(deleted=tidying.branches)


def _open() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class RememberedLedger:
    """Keeps the rows that a real one would hold, by the rules of writes."""

    def __init__(self) -> None:
        self.writes: list[ProgressWrite] = []
        self.rows: dict[UUID, ProgressWrite] = {}
        self.steps: dict[UUID, Step] = {}
        self.tasks: dict[UUID, Task] = {}
        self.ended: dict[tuple[UUID, int], Outcome] = {}
        self.broken: set[UUID] = set()
        """Tasks whose attempts' rows hold what nobody can read."""
        self.away = _open()
        self.takes = 0.0
        """Seconds for a write."""
        self.last = 0
        self.daemons: list[str] = []
        self.done: list[StepDone] = []
        """What earlier steps of the repository have used."""
        self.refuses_steps_done = False
        self.known_rates: dict[str, Rate] = {}
        self.wanted: list[DaemonWanted] = []

    async def find_outcome(self, wanted: AttemptNamed) -> Outcome | None:
        if wanted.task in self.broken:
            raise RowBroken("its row can't be read")
        return self.ended.get((wanted.task, wanted.attempt))

    async def steps_done(self, wanted: RepositoryNamed) -> tuple[StepDone, ...]:
        if self.refuses_steps_done:
            raise ApplicationError("the record refuses that", non_retryable=True)
        return tuple(self.done)

    async def rates(self, wanted: RepositoryNamed) -> dict[str, Rate]:
        return self.known_rates

    async def pick_daemon(self, wanted: DaemonWanted) -> str | None:
        self.wanted.append(wanted)
        return next((name for name in self.daemons if name not in wanted.exclude), None)

    async def record(self, write: ProgressWrite) -> WriteAnswer:
        await self.away.wait()
        await asyncio.sleep(self.takes)
        answer = answer_to(write, LastWrite(self.writes[-1].run_id, self.last) if self.writes else None)
        if answer.verdict is not WriteVerdict.APPLIED:
            return answer
        self.last = write.sequence
        self.writes.append(write)
        self.rows[write.row.directive.id] = write
        over = [end.outcome for end in write.facts.attempts if end.outcome.status is not OutcomeStatus.WAITING]
        self.ended |= {(outcome.task, outcome.attempt): outcome for outcome in over}
        self.steps |= {step.id: step for step in write.steps}
        self.tasks |= {task.id: task for task in write.tasks}
        return answer

    def state(self, directive: UUID) -> State:
        return restored(self.rows[directive].row, tuple(self.steps.values()), tuple(self.tasks.values()))


PATIENT = Timings.fast().model_copy(update={"heartbeat": timedelta(seconds=20)})
"""A machine that stands still for some seconds loses no delivery."""


class Surroundings:
    """One directive's world, on queues of its own: the owner's name is unique."""

    def __init__(self, client: Client, ledger: Ledger | None = None) -> None:
        self.client = client
        self.daemon = ScriptedDaemon()
        self.forge = ScriptedForge()
        self.ledger = RememberedLedger()
        self.real_ledger = ledger
        self.secret = NO_SECRET
        """Of the directives that are started from now on; the histories that are kept have none."""
        self.owner = f"t-{uuid4().hex[:12]}"

    def directive(self, **settings: Any) -> Directive:
        chosen = {"planner": AgentChoice(name="planner"), "timings": PATIENT, **settings}
        return Directive(
            id=uuid4(),
            owner=self.owner,
            text=Text(title="Build a house", goal="A house stands"),
            repository="https://example.invalid/house.git",
            base_branch="main",
            settings=Settings(**chosen),
        )

    async def start(self, directive: Directive, given: PlanChanges | None = None, *, begin: bool = True) -> Handle:
        state = State(directive=directive, given_plan=given.add if given else (), authenticated=bool(self.secret))
        return await self.start_from(state, begin=begin, secret=self.secret)

    async def start_from(
        self, state: State, *, begin: bool = False, secret: SecretStr = NO_SECRET, may_know_less: bool = False
    ) -> Handle:
        """`may_know_less`: as a run from the record is started, by `recover`."""
        directive = state.directive
        return await self.client.start_workflow(
            DirectiveWorkflow.run,
            DirectiveInput(state=state, begin=begin, secret=secret, may_know_less=may_know_less),
            id=names.workflow_id(directive.text.title, directive.id),
            task_queue=f"directives-{self.owner}",
        )

    def workers(self) -> list[Worker]:
        return [self.core_worker(), self.daemon_worker(), self.light_worker()]

    def core_worker(self) -> Worker:
        ledger = LedgerActivities(self.real_ledger or self.ledger)
        return TestedWorker(
            self.client,
            task_queue=f"directives-{self.owner}",
            workflows=[DirectiveWorkflow],
            activities=[
                ledger.record_progress,
                ledger.pick_daemon,
                ledger.find_outcome,
                ledger.find_steps_done,
                ledger.find_rates,
            ],
            interceptors=[CurrentDetails()],
        )

    def daemon_worker(self, name: str = "", prefix: str = "") -> Worker:
        """Of the shared queue, or of one daemon's own; `prefix`: of attempts with a secret."""
        queue = names.daemon_queue(self.owner, name, prefix) if name else names.daemons_queue(self.owner, prefix)
        return self._worker_of(queue, name)

    def label_worker(self, label: str) -> Worker:
        return self._worker_of(names.label_queue(self.owner, label))

    def light_worker(self) -> Worker:
        return self._worker_of(names.light_queue(self.owner))

    def _worker_of(self, queue: str, name: str = "") -> Worker:
        given = (self.daemon, self.client, name or "scripted")
        shepherd = PullRequestActivities(self.forge, name or "scripted")
        return TestedWorker(
            self.client,
            task_queue=queue,
            activities=[
                PlanningActivities(*given).plan_directive,
                StepActivities(*given).execute_step,
                CompletionActivities(*given).complete_directive,
                shepherd.watch_pull_request,
                shepherd.tidy_pull_request,
            ],
            max_heartbeat_throttle_interval=timedelta(milliseconds=200),
        )


@asynccontextmanager
async def surroundings(client: Client, ledger: Ledger | None = None) -> AsyncIterator[Surroundings]:
    """`ledger`: the real one in place of the one that remembers."""
    world = Surroundings(client, ledger)
    authenticated = world.daemon_worker(prefix=names.AUTHENTICATED)
    async with world.core_worker(), world.daemon_worker(), authenticated, world.light_worker():
        yield world


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
    """Wait for a condition; the limit only ends a test that has failed."""
    async with asyncio.timeout(seconds):
        asked = time.monotonic()
        while not await condition():
            await asyncio.sleep(pause(time.monotonic() - asked))
            asked = time.monotonic()


async def until_status(handle: Handle, *wanted: str) -> State:
    async def reached() -> bool:
        return (await handle.query(DirectiveWorkflow.state_now)).status.value in wanted

    await until(reached)
    return await handle.query(DirectiveWorkflow.state_now)
