"""The runs whose histories are kept: a change of the workflow must replay all of them (docs/workflow-changes.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import WorkflowFailureError, WorkflowHandle

from activities.schedules import ScheduleActivities
from domain import requests
from domain.errors import CannotServe
from domain.failures import FailureCategory
from domain.models import Question, State
from domain.plan import PlannedStep
from domain.protocol import FIRING
from domain.pull_request import Finding, FindingKind, PullRequest, PullRequestState
from domain.questions import question_id
from domain.reports import DaemonSeen, DirectiveSummary
from domain.schedules import scheduled_of
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask, failed
from tests.histories.quick_steps import within_tasks
from tests.workers import TestedWorker
from tests.workflows.scripted import Handle, Surroundings, planned, until, until_status, work_of
from workflows.directive import DirectiveWorkflow
from workflows.scheduled_start import ScheduledStartWorkflow

AnyHandle = WorkflowHandle[Any, Any]
DIAMOND = planned(("floor", []), ("left", ["floor"]), ("right", ["floor"]), ("roof", ["left", "right"]))


async def plain_run(world: Surroundings) -> Handle:
    """Plan, a diamond, completion, closed by --once."""
    world.daemon.plans = [DIAMOND]
    handle = await world.start(world.directive(once=True))
    await handle.result()
    return handle


async def goal_change(world: Surroundings) -> Handle:
    """Another goal while a step runs; archived when it rests."""
    world.daemon.plans = [planned(("floor", []), ("roof", ["floor"])), planned(("pool", ["roof"]))]
    free = world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await world.daemon.arrived["floor"].wait()
    change = requests.ChangeGoal(goal="A house with a pool")
    await handle.execute_update(DirectiveWorkflow.change_goal, change)
    free.set()
    await until_status(handle, "idle")
    return await archived(handle)


async def steered(world: Surroundings) -> Handle:
    """A draft, approval, a failure, every kind of touch by an operator, a pause, an archive."""
    world.daemon.plans = [planned(("a", []), ("b", ["a"]), ("c", []), ("d", ["c"]))]
    world.daemon.endings |= {"a": fails, "c": fails}
    handle = await world.start(world.directive(require_approval=True, max_attempts=1, memory=True), begin=False)
    await handle.execute_update(DirectiveWorkflow.begin, requests.Begin())
    await until_reason(handle, "waits for approval")
    await handle.execute_update(DirectiveWorkflow.approve, requests.Approve())
    await until_steps(handle, b="blocked", d="blocked")
    del world.daemon.endings["a"]
    await handle.execute_update(DirectiveWorkflow.pause, requests.Pause(now=True))
    await handle.execute_update(DirectiveWorkflow.retry_step, requests.RetryStep(step="a"))
    await handle.execute_update(DirectiveWorkflow.skip_step, requests.SkipStep(step="c"))
    await handle.execute_update(DirectiveWorkflow.edit_step, requests.EditStep(step="d", task_plan="x"))
    step = PlannedStep(name="e", task_plan="x", depends_on=("d",))
    await handle.execute_update(DirectiveWorkflow.add_step, requests.AddStep(id=uuid4(), step=step))
    await handle.execute_update(DirectiveWorkflow.set_memory, requests.SetMemory(key="k", value="v"))
    await handle.execute_update(DirectiveWorkflow.resume, requests.Resume())
    await until_steps(handle, b="completed", d="completed", e="completed")
    return await archived(handle)


async def refused_and_asked(world: Surroundings) -> Handle:
    """A daemon refuses, another is picked; an agent asks and is answered."""
    world.daemon.plans = [planned(("floor", []))]
    calls = 0

    async def refuses_then_asks(command: SpawnTask) -> Outcome:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise CannotServe("no concrete")
        done = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED)
        if any(question.answer for question in command.context.answers):
            return done.model_copy(update={"work": work_of(command)})
        question = Question(id=question_id(command.task, "Wood?"), task=command.task, text="Wood?")
        return done.model_copy(update={"status": OutcomeStatus.WAITING, "questions": (question,)})

    world.daemon.endings["floor"] = refuses_then_asks
    world.ledger.daemons = ["scripted", "other"]
    async with world.daemon_worker("other"):
        handle = await world.start(world.directive())

        await until_asked(handle)
        (question,) = (await handle.query(DirectiveWorkflow.state_now)).questions.values()
        answer = requests.AnswerQuestion(question=str(question.id), answer="oak")
        await handle.execute_update(DirectiveWorkflow.answer, answer)
        await until_status(handle, "idle")
    return await archived(handle)


async def continued(world: Surroundings) -> Handle:
    """The first run of one whose history became too long."""
    world.daemon.plans = [planned(*((str(n), [str(n - 1)] if n else []) for n in range(12)))]
    handle = await world.start(world.directive(rest_at_events=100))
    await until_status(handle, "idle")
    await archived(handle)
    return world.client.get_workflow_handle_for(DirectiveWorkflow.run, handle.id, run_id=handle.first_execution_run_id)


async def shepherded(world: Surroundings) -> Handle:
    """A failed check and a comment are dealt with, a poke, closed and opened anew, merged, tidied; then a new goal."""
    world.daemon.opens_pull_requests = True
    world.daemon.plans = [planned(("floor", [])), planned(("pool", ["floor"]))]
    handle = await world.start(world.directive())
    first = await until_watched(world, handle, 11)
    check = Finding(id="check:1", kind=FindingKind.CHECK, title="tests: floor", text="1 failed")
    comment = Finding(id="comment:1", kind=FindingKind.COMMENT, title="ann on floor:1", text="Oak, please")
    world.forge.shows(first, check, comment)
    mended = await until_watched(world, handle, 11, unlike=first.head)
    await handle.execute_update(DirectiveWorkflow.poke, requests.Poke())
    world.forge.shows(mended, state=PullRequestState.CLOSED)
    await until_asked(handle)
    (question,) = (await handle.query(DirectiveWorkflow.state_now)).questions.values()
    answer = requests.AnswerQuestion(question=str(question.id), answer="open a new one")
    await handle.execute_update(DirectiveWorkflow.answer, answer)
    second = await until_watched(world, handle, 12)
    world.forge.shows(second, state=PullRequestState.MERGED)
    await until_steps(handle, floor="merged")
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="A house with a pool"))
    await until_watched(world, handle, 13)
    return await archived(handle)


async def bundled(world: Surroundings) -> Handle:
    """Comes to many patches, begun by a version that has one marker for all of them."""
    return await shepherded(world)


async def watched_and_continued(world: Surroundings) -> Handle:
    """The first run of one that became too long while its pull request was watched."""
    world.daemon.opens_pull_requests = True
    world.daemon.plans = [planned(("floor", [])), planned(*((str(n), [str(n - 1)] if n else []) for n in range(14)))]
    handle = await world.start(world.directive(rest_at_events=100))
    first = await until_watched(world, handle, 11)
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="more"))
    await until_watched(world, handle, 11, unlike=first.head)
    await archived(handle)
    return world.client.get_workflow_handle_for(DirectiveWorkflow.run, handle.id, run_id=handle.first_execution_run_id)


async def hurried(world: Surroundings) -> Handle:
    """Quick steps beside slow writes, which ride on the steps' workflow tasks; some wait for their timer."""
    world.ledger.takes = 0.1
    world.daemon.plans = [planned(*((str(n), [str(n - 1)] if n else []) for n in range(12)), ("held", []))]
    free = world.daemon.hold("held")
    handle = await world.start(world.directive(memory=True))
    await until_steps(handle, **{"11": "completed"})
    await until(lambda: _recorded(world, "11", "completed"))
    await handle.execute_update(DirectiveWorkflow.set_memory, requests.SetMemory(key="k", value="v"))
    free.set()
    await until_status(handle, "idle")
    return await archived(handle)


async def scheduled(world: Surroundings) -> AnyHandle:
    """A schedule's firing whose directive comes to its end."""
    world.daemon.plans = [planned(("floor", []))]
    async with firing_of(world) as handle:
        await asyncio.wait_for(handle.result(), 30)
    return handle


async def scheduled_and_cancelled(world: Surroundings) -> AnyHandle:
    """One that a later firing has cancelled: its directive is ended first."""
    world.daemon.plans = [planned(("floor", []))]
    world.daemon.hold("floor")
    async with firing_of(world) as handle:
        await world.daemon.arrived["floor"].wait()
        await handle.cancel()
        with suppress(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 30)
    return handle


@asynccontextmanager
async def firing_of(world: Surroundings) -> AsyncIterator[AnyHandle]:
    """A firing, with a worker that serves it."""
    given = ScheduleActivities(Recorded(world), world.client, Recorded(world))
    queue = f"schedules-{world.owner}"
    worker = TestedWorker(
        world.client,
        task_queue=queue,
        workflows=[ScheduledStartWorkflow],
        activities=[given.look_before_firing, given.start_scheduled, given.follow_scheduled, given.end_scheduled],
    )
    wanted = scheduled_of("weekly", State(directive=world.directive()), ("0 3 * * 1",), "")
    async with worker:
        identity = f"schedule-{world.owner}.weekly-2026-11-30T03:00:00Z"
        yield await world.client.start_workflow(FIRING, wanted, id=identity, task_queue=queue)


class Recorded:
    """Starts directives in these surroundings, and knows of them what is recorded there."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world

    async def start(self, draft: State) -> str:
        return (await self._world.start_from(draft, begin=True)).id

    async def daemons(self, owner: str) -> list[DaemonSeen]:
        return []

    async def state(self, directive: UUID) -> State | None:
        return self._world.ledger.state(directive)

    async def directive(self, owner: str, directive: UUID) -> DirectiveSummary | None:
        if directive not in self._world.ledger.rows:
            return None
        status = self._world.ledger.state(directive).status
        about = {"workflow_id": "w", "title": "t", "reason": "", "generation": 1, "steps": {}}
        return DirectiveSummary(id=directive, status=status, updated_at=datetime.now(UTC), **about)


async def archived(handle: Handle) -> Handle:
    await handle.execute_update(DirectiveWorkflow.archive, requests.Archive())
    await asyncio.wait_for(handle.result(), 30)
    return handle


async def fails(command: SpawnTask) -> Outcome:
    return failed(command, FailureCategory.AGENT, "the saw is blunt")


async def until_asked(handle: Handle) -> None:
    async def asked() -> bool:
        return bool((await handle.query(DirectiveWorkflow.state_now)).questions)

    await until(asked)


async def until_watched(world: Surroundings, handle: Handle, number: int, unlike: str = "") -> PullRequest:
    """The pull request of this number, once it is looked at as it now is, at another head than `unlike`."""

    async def watched() -> bool:
        known = (await handle.query(DirectiveWorkflow.state_now)).pull_request
        looked_at = world.forge.looks[-1].pull_request if world.forge.looks else None
        return known is not None and known.number == number and known.head != unlike and looked_at == known

    await until(watched)
    known = (await handle.query(DirectiveWorkflow.state_now)).pull_request
    assert known
    return known


async def until_reason(handle: Handle, text: str) -> None:
    async def there() -> bool:
        return text in (await handle.query(DirectiveWorkflow.state_now)).reason

    await until(there)


async def until_steps(handle: Handle, **wanted: str) -> None:
    async def there() -> bool:
        steps = (await handle.query(DirectiveWorkflow.state_now)).steps.values()
        now = {step.name: step.status.value for step in steps}
        return all(now.get(name) == status for name, status in wanted.items())

    await until(there)


async def _recorded(world: Surroundings, name: str, status: str) -> bool:
    return any((step.name, step.status.value) == (name, status) for step in world.ledger.steps.values())


SCENARIOS: dict[str, Callable[[Surroundings], Awaitable[AnyHandle]]] = {
    scenario.__name__: scenario
    for scenario in (
        plain_run,
        goal_change,
        steered,
        refused_and_asked,
        continued,
        shepherded,
        bundled,
        watched_and_continued,
        hurried,
        within_tasks,
        scheduled,
        scheduled_and_cancelled,
    )
}
