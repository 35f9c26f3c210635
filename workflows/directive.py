"""The story of a directive: plan, do the steps in dependency order, complete, rest, plan again at a new goal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.exceptions import TimeoutError as ActivityTimeout

from workflows.operations import Operations
from workflows.state import GENERATION, OWNER, REPOSITORY, STATUS, DirectiveInput, DirectiveResult

with workflow.unsafe.imports_passed_through():
    from activities.completion import CompletionActivities
    from activities.dispatch import CANNOT_SERVE
    from activities.planning import PlanningActivities
    from activities.steps import StepActivities
    from domain import folding, operations, policy
    from domain.change import Change
    from domain.dispatch import spawn_command
    from domain.models import DirectiveStatus, Failure, FailureCategory, Task, TaskKind, TaskStatus
    from domain.spawn_task import Outcome, SpawnTask
    from domain.view import details
    from workflows.options import daemon_activity
    from workflows.recorder import Recorder

ACTIVITY: dict[TaskKind, Callable[[Any, SpawnTask], Awaitable[Outcome]]] = {
    TaskKind.PREPARE: PlanningActivities.plan_directive,
    TaskKind.PLANNING: PlanningActivities.plan_directive,
    TaskKind.STEP: StepActivities.execute_step,
    TaskKind.COMPLETION: CompletionActivities.complete_directive,
}

HANDED_BACK = ("AttemptGone", "DaemonFull")
"""Failures of a delivery that say nothing of the work: the attempt is dispatched again."""


@workflow.defn
class DirectiveWorkflow(Operations):
    """One directive. The rules are in domain/; this class only lets them happen, durably."""

    @workflow.init
    def __init__(self, given: DirectiveInput) -> None:
        self.given = given
        self.state = given.state
        self.recorder = Recorder()
        self.in_flight: dict[tuple[str, int, int], asyncio.Task[None]] = {}
        self.news = True

    @workflow.run
    async def run(self, given: DirectiveInput) -> DirectiveResult:
        self.begin()
        while not self.is_over():
            self.decide()
            self.start_tasks()
            self.call_back_tasks()
            self.show()
            await self.something_happens()
        await self.recorder.finish()
        return DirectiveResult(
            status=self.state.status, generation=self.state.generation, pull_request=self.state.pull_request
        )

    def begin(self) -> None:
        """Make this run the one that the record knows; start a draft."""
        self.recorder.start(self)
        if self.given.begin and self.state.status is DirectiveStatus.DRAFT:
            self._grant(operations.Begin())

    def is_over(self) -> bool:
        """It is closed as soon as its status is final and nothing runs any more (SPEC 2.9)."""
        return self.state.status.is_final and not self.in_flight

    def decide(self) -> None:
        """Let everything follow that follows by itself."""
        self.take(policy.advance(self.state, workflow.now(), recorded=self.recorder.planned))
        self.news = False

    def start_tasks(self) -> None:
        """Schedule the activity of every task that the rules have made and that is not under way (DESIGN 1)."""
        for task in self.state.live():
            key = _key(task)
            if task.status is TaskStatus.PENDING and not task.unwanted and key not in self.in_flight:
                self.in_flight[key] = asyncio.create_task(self.deliver(task))

    def call_back_tasks(self) -> None:
        """Cancel the activities of tasks that are no longer wanted; ones never started are simply interrupted."""
        for task in self.state.live():
            if task.unwanted and (running := self.in_flight.get(_key(task))):
                running.cancel()
            elif task.unwanted:
                self.take(folding.fold_interrupted(self.state, task, workflow.now()))

    async def deliver(self, task: Task) -> None:
        """Run a task's attempt on some daemon, over as many deliveries as it takes, and fold in what came of it."""
        try:
            outcome: Outcome = await workflow.execute_activity_method(
                ACTIVITY[task.kind],
                spawn_command(self.state, task),
                **daemon_activity(self.state, task),
            )
            self.take(folding.fold_outcome(self.state, task, outcome, workflow.now()))
        except (ActivityError, asyncio.CancelledError) as error:
            self.take(self.ended_without_outcome(task, error))
        finally:
            del self.in_flight[_key(task)]
            self.news = True

    def ended_without_outcome(self, task: Task, error: BaseException) -> Change:
        """What an activity's failure means: called back, refused by its daemon, lost, or a defect of ours."""
        now = workflow.now()
        cause = error.__cause__
        if is_cancelled_exception(error):
            return folding.fold_interrupted(self.state, task, now)
        if isinstance(cause, ApplicationError) and cause.type == CANNOT_SERVE:
            return folding.fold_cannot_serve(self.state, task, cause.message, until_of(cause), now)
        if isinstance(cause, ApplicationError) and cause.type in HANDED_BACK:
            return folding.fold_interrupted(self.state, task, now)
        if isinstance(cause, ActivityTimeout):
            times = self.state.directive.settings.max_deliveries
            lost = Failure(category=FailureCategory.LOST, report=f"lost its daemon {times} times")
            return folding.fold_broken(self.state, task, lost, now)
        failure = Failure(category=FailureCategory.INTERNAL, report=str(cause or error)[:4000])
        return folding.fold_broken(self.state, task, failure, now)

    def take(self, change: Change) -> None:
        """Make the change's state the directive's, and remember what the record has to be told."""
        self.state = change.state
        self.recorder.remember(change.changed)
        self.news = True

    def show(self) -> None:
        """Tell the Web UI where the directive stands (SPEC 9.2)."""
        workflow.set_current_details(details(self.state))
        status = workflow.info().typed_search_attributes
        shown = (status.get(STATUS), status.get(GENERATION))
        if self.given.searchable and shown != (self.state.status.value, self.state.generation):
            workflow.upsert_search_attributes(
                [
                    STATUS.value_set(self.state.status.value),
                    GENERATION.value_set(self.state.generation),
                    OWNER.value_set(self.state.directive.owner),
                    REPOSITORY.value_set(self.state.directive.repository),
                ]
            )

    async def something_happens(self) -> None:
        """Wait for an outcome, an operator, a written plan or a due task; Cancel in the Web UI is archive (SPEC 9.2)."""
        due = policy.next_wake(self.state)
        timeout = max(due - workflow.now(), timedelta(0)) if due else None
        try:
            await workflow.wait_condition(lambda: self.news, timeout=timeout, timeout_summary="wake waiting tasks")
        except TimeoutError:
            self.news = True
        except asyncio.CancelledError:
            if not self.state.status.is_final:
                self._grant(operations.Archive(actor="web ui"))


def until_of(refusal: ApplicationError) -> datetime | None:
    """When the daemon that refused says that asking it again makes sense."""
    until = refusal.details[0] if refusal.details else None
    return datetime.fromisoformat(until) if isinstance(until, str) else None


def _key(task: Task) -> tuple[str, int, int]:
    return (str(task.id), task.attempt, task.dispatch)
