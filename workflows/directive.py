"""The story of a directive: plan, do the steps in dependency order, complete, rest, plan again at a new goal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as ActivityTimeout

from workflows.attribute_keys import search_attributes
from workflows.operations import Operations
from workflows.state import DirectiveInput, DirectiveResult

with workflow.unsafe.imports_passed_through():
    from activities.completion import CompletionActivities
    from activities.ledger import LedgerActivities
    from activities.planning import PlanningActivities
    from activities.steps import StepActivities
    from domain import folding, policy, requests
    from domain.change import Change
    from domain.current import fold_used, is_current, is_late
    from domain.daemon_messages import DaemonWanted
    from domain.dispatch import spawn_command
    from domain.errors import AnswerBroken
    from domain.failures import Failure, FailureCategory
    from domain.models import Task
    from domain.outcome_check import problem_of
    from domain.protocol import HANDED_BACK, WORKFLOW, ErrorType
    from domain.queues import feature_of, holder_of, label_of
    from domain.record import AttemptNamed
    from domain.size import without_finished_texts
    from domain.spawn_task import Outcome, SpawnTask
    from domain.statuses import DirectiveStatus, TaskKind, TaskStatus
    from domain.used import Costs
    from workflows.daemon_answers import answer_of, away_of, daemon_of, until_of, used_of, was_called_back
    from workflows.experience import rates, steps_done
    from workflows.options import FIND_OUTCOME, LONGEST_SLEEP, PICK_DAEMON, daemon_activity
    from workflows.patches import Patch, patched
    from workflows.pull_request_watch import PullRequestWatch, heeds_queue
    from workflows.recorder import Recorder

ACTIVITY: dict[TaskKind, Callable[[Any, SpawnTask], Awaitable[Outcome]]] = {
    TaskKind.PREPARE: PlanningActivities.plan_directive,
    TaskKind.PLANNING: PlanningActivities.plan_directive,
    TaskKind.STEP: StepActivities.execute_step,
    TaskKind.COMPLETION: CompletionActivities.complete_directive,
}

REST_AT_BYTES = 20_000_000
"""Bytes of history; the server ends a run at 50 MB."""


@workflow.defn(name=WORKFLOW)
class DirectiveWorkflow(Operations):
    """One directive. The rules are in domain/; this class only lets them happen, durably."""

    @workflow.init
    def __init__(self, given: DirectiveInput) -> None:
        self.given = given
        self.state = given.state
        self.secret = given.secret
        self.may_know_less = given.may_know_less
        workflow.register_random_seed_callback(self.note_reset)
        self.recorder = Recorder(given.sequence, given.state.planned if given.sequence else 0)
        self.in_flight: dict[tuple[UUID, int, int], asyncio.Task[None]] = {}
        self.costs = Costs(self.state)
        self.shepherd = PullRequestWatch()
        self.news = True

    @workflow.run
    async def run(self, given: DirectiveInput) -> DirectiveResult:
        self.introduce()
        while not self.is_over():
            self.decide()
            self.start_tasks()
            self.call_back_tasks()
            self.look_after_pull_request()
            self.publish()
            await self.continue_if_long()
            await self.something_happens()
        self.shepherd.stop()
        await self.recorder.finish()
        return DirectiveResult(
            status=self.state.status, generation=self.state.generation, pull_request=self.state.pull_request
        )

    def note_reset(self, _: int) -> None:
        """A reset begins a run in the middle of this one's story: what has happened since is in the record alone."""
        self.may_know_less = True

    def introduce(self) -> None:
        """Make this run the one that the record knows; begin a draft that was created to be begun."""
        self.recorder.start(self)
        if self.given.begin and self.state.status is DirectiveStatus.DRAFT:
            self.grant(requests.Begin())

    def is_over(self) -> bool:
        """It is closed as soon as its status is final and nothing runs any more (rule 2.9)."""
        return self.state.status.is_final and not self.in_flight

    def decide(self) -> None:
        """Let everything follow that follows by itself."""
        planned, rests, heeds = self.recorder.planned, self.must_rest(), heeds_queue(self.state)
        self.take(policy.advance(self.state, workflow.now(), recorded=planned, resting=rests, heeds_queue=heeds))
        self.news = False

    def start_tasks(self) -> None:
        """Schedule the activity of every task that the rules have made and that is not under way (design 1)."""
        if self.state.authenticated and not self.secret:
            return  # a run from the record: the answer to its first write brings the secret
        # Also an activity of an attempt that was given up: no two of a task may push to its branch.
        under_way = {identity for identity, _, _ in self.in_flight}
        for task in self.state.live():
            if task.status is TaskStatus.PENDING and not task.unwanted and task.id not in under_way:
                self.in_flight[_key(task)] = asyncio.create_task(self.deliver(task))

    def call_back_tasks(self) -> None:
        """Cancel the activities of tasks that are no longer wanted; ones never started are simply interrupted."""
        for task in self.state.live():
            if task.unwanted and (running := self.in_flight.get(_key(task))):
                running.cancel()
            elif task.unwanted:
                self.take(folding.fold_interrupted(self.state, task, workflow.now()))
        for (identity, attempt, _), running in self.in_flight.items():
            if not is_current(self.state, identity, attempt):
                running.cancel()

    def look_after_pull_request(self) -> None:
        """Keep the watch that the rules want (rule 7.5); it never keeps a run from going on as a new one."""
        if not self.must_rest():
            self.shepherd.follow(self)

    async def deliver(self, task: Task) -> None:
        """Run a task's attempt on some daemon, over as many deliveries as it takes, and fold in what came of it."""
        chosen: str | None = None
        try:
            chosen = await self.choose_daemon(task)
            if chosen is None:
                self.take(folding.fold_no_daemon(self.state, task, workflow.now()))
                return
            await self.learn_rates()
            done = await steps_done(self.state.directive, task)
            command = spawn_command(self.state, task, self.secret, done, self.costs_now())
            command = command.model_copy(update={"run": workflow.info().run_id})
            outcome = recorded = await self.recorded_end(task, command)
            if outcome is None or outcome.work:  # a daemon looks for the work, and brings it back where it is gone
                command = command.model_copy(update={"recorded": recorded})
                outcome = await self.run_by_daemon(task, command, chosen)
            self.take(self.came_in(task, command, outcome))
        # Of an error that nobody takes asyncio only makes a log line: the task would be dispatched anew, for ever.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            self.take(self.ended_without_outcome(task, chosen or "", error))
        finally:
            del self.in_flight[_key(task)]
            self.news = True

    async def learn_rates(self) -> None:
        """What agents cost in this repository, once: by that a budget of money counts what they don't tell."""
        found = await rates(self.state)
        if found is not None and self.state.budgeting.rates is None:
            known = self.state.budgeting.model_copy(update={"rates": found})
            self.state = self.state.model_copy(update={"budgeting": known})

    def costs_now(self) -> Costs:
        """What has been used as of now, worked out once for all tasks that are dispatched together."""
        if self.costs.state is not self.state:
            self.costs = Costs(self.state)
        return self.costs

    async def recorded_end(self, task: Task, command: SpawnTask) -> Outcome | None:
        """How the attempt ended, where the record may know it and this run doesn't; None: nobody knows of an end."""
        if not (self.may_know_less and patched(Patch.ENDS_FROM_RECORD)):
            return None
        wanted = AttemptNamed(directive=self.state.directive.id, task=task.id, attempt=task.attempt)
        outcome = await workflow.execute_activity_method(LedgerActivities.find_outcome, wanted, **FIND_OUTCOME)
        # After a reset the same number may stand for other work, such as that of a step which was edited since.
        return outcome if outcome and not problem_of(command, outcome) else None

    async def run_by_daemon(self, task: Task, command: SpawnTask, chosen: str) -> Outcome:
        """The outcome of the attempt's deliveries; ActivityError, AnswerBroken."""
        return await answer_of(ACTIVITY[task.kind], command, Outcome, **daemon_activity(self.state, task, chosen))

    async def choose_daemon(self, task: Task) -> str | None:
        """Any daemon (""), the directive's only one, the one that has the outcome, or, for a refused task, another one;
        None: none is left.
        """
        only = self.state.directive.settings.on
        if holder := holder_of(task):
            return holder
        if not task.refusals or only:
            return None if only in task.refusals else only
        label, feature = label_of(self.state, task), feature_of(self.state, task)
        refused = tuple(task.refusals)
        wanted = DaemonWanted(owner=self.state.directive.owner, label=label, feature=feature, exclude=refused)
        return await workflow.execute_activity_method(LedgerActivities.pick_daemon, wanted, **PICK_DAEMON)

    def came_in(self, task: Task, command: SpawnTask, outcome: Outcome) -> Change:
        """Fold the outcome in, unless it names what the command didn't; the patch is for runs that have taken one."""
        problem = problem_of(command, outcome)
        if problem and patched(Patch.OUTCOMES_CHECKED):
            return folding.fold_refused(self.state, task, outcome, problem, workflow.now())
        # Runs from before have taken over what an agent named.
        claims = not outcome.pull_request_url or patched(Patch.AGENTS_NAME_NO_PULL_REQUEST)
        agent = command.agent.name if command.agent else ""
        late = is_late(self.state, task, outcome) and patched(Patch.LATE_OUTCOMES_COUNTED)
        given, now = (self.state, task, outcome), workflow.now()
        return folding.fold_outcome(*given, now, agent=agent, believes_agents=not claims, counts_late=late)

    def ended_without_outcome(self, task: Task, chosen: str, error: BaseException) -> Change:
        """What it means: called back, refused by its daemon, lost, no answer of an activity's, or a defect of ours."""
        now, cause = workflow.now(), error.__cause__
        self.take(fold_used(self.state, task, used_of(cause), now))
        if is_cancelled_exception(error) or was_called_back(error):
            return folding.fold_interrupted(self.state, task, now)
        if isinstance(cause, ApplicationError) and cause.type == ErrorType.CANNOT_SERVE:
            told = (daemon_of(cause), cause.message, now, until_of(cause), away_of(cause))
            return folding.fold_cannot_serve(self.state, task, *told)
        if isinstance(cause, ApplicationError) and cause.type in HANDED_BACK:
            return folding.fold_interrupted(self.state, task, now)
        if isinstance(cause, ActivityTimeout) and cause.type is TimeoutType.SCHEDULE_TO_START:
            return folding.fold_cannot_serve(self.state, task, chosen, "did not take the task up in time", now)
        if isinstance(cause, ActivityTimeout):
            times = self.state.directive.settings.max_deliveries
            lost = Failure(category=FailureCategory.LOST, report=f"lost its daemon {times} times")
            return folding.fold_broken(self.state, task, lost, now)
        if not isinstance(error, ActivityError | AnswerBroken):
            workflow.logger.error("a defect of ours: an attempt's end could not be taken in", exc_info=error)
        why = error if isinstance(error, AnswerBroken) else cause or error
        failure = Failure(category=FailureCategory.INTERNAL, report=str(why)[:4000])
        return folding.fold_broken(self.state, task, failure, now)

    def take(self, change: Change) -> None:
        """Make the change's state the directive's, and remember what the record has to be told."""
        self.recorder.remember(self, change.changed)
        self.state = change.state
        self.news = True

    def must_rest(self) -> bool:
        """The history is so long that nothing may be started in it any more (design 6)."""
        info = workflow.info()
        limit = self.state.directive.settings.rest_at_events
        return info.get_current_history_length() >= limit or info.get_current_history_size() >= REST_AT_BYTES

    def waits_for_record(self) -> bool:
        """It ends, or goes on in a new run, as soon as all is recorded."""
        return self.state.status.is_final or self.is_long()

    def is_long(self) -> bool:
        """It is to go on in a new run."""
        return workflow.info().is_continue_as_new_suggested() or self.must_rest()

    async def continue_if_long(self) -> None:
        """Go on in a new run at the next quiet moment: no activity in flight, all recorded, no handler busy."""
        if not self.is_long() or self.in_flight:
            return
        if self.news or self.state.status.is_final or not self.recorder.is_written:
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        self.shepherd.stop()
        workflow.continue_as_new(
            DirectiveInput(
                state=without_finished_texts(self.state),
                begin=False,
                sequence=self.recorder.sequence,
                searchable=self.given.searchable,
                may_know_less=self.may_know_less,
                secret=self.secret,
            )
        )

    def publish(self) -> None:
        """Publish to the Web UI where the directive stands (rule 9.2); workflows/current_details.py tells the rest."""
        found_by, wanted = workflow.info().typed_search_attributes, search_attributes(self.state)
        if self.given.searchable and any(found_by.get(pair.key) != pair.value for pair in wanted):
            workflow.upsert_search_attributes([pair.key.value_set(pair.value) for pair in wanted])

    async def something_happens(self) -> None:
        """Wait for an outcome, an operator, a written plan, a due task; Cancel in the Web UI is archive (rule 9.2)."""
        due = policy.next_wake(self.state)
        timeout = min(max(due - workflow.now(), timedelta(0)), LONGEST_SLEEP) if due else None
        try:
            await workflow.wait_condition(
                lambda: self.news or self.recorder.has_failed, timeout=timeout, timeout_summary="wake waiting tasks"
            )
        except TimeoutError:
            self.news = True
        except asyncio.CancelledError:
            if not self.state.status.is_final:
                self.grant(requests.Archive(actor="web ui"))
        self.recorder.check()


def _key(task: Task) -> tuple[UUID, int, int]:
    return (task.id, task.attempt, task.dispatch)
