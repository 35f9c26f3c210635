"""A machine drives the pure state with whatever operators, daemons and planners may do, and checks what must hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain import folding, policy, requests
from domain.budget import Budget
from domain.change import Change, Draft
from domain.current import is_current
from domain.directive_settings import AgentChoice, CompletionRule
from domain.dispatch import spawn_command
from domain.errors import PlanRefused
from domain.failures import Failure, FailureCategory
from domain.models import PlanChanges, Question, State, Task, Work
from domain.operations import apply
from domain.plan import PlannedStep, add_steps, known_steps
from domain.pull_request import (
    Finding,
    FindingKind,
    FindingSource,
    PullRequest,
    PullRequestState,
    Shipped,
    Sighting,
    news_of,
)
from domain.pull_requests import merging, shepherd, watching
from domain.questions import question_id
from domain.record import Facts, snapshot
from domain.recovery import recovered
from domain.size import MAX_STATE, state_size
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask, TaskStarted
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.tidied import Tidied
from domain.usage import ResumableSession, Usage
from domain.used import total_usage
from domain.view import view
from domain.web_ui_details import details
from tests.restoring import restored
from tests.unit.directives import BASE, NOW, begun

SPACE = UUID(int=42)
PULL_REQUEST = "https://example.invalid/r/pull/77"
FAILURE = Failure(category=FailureCategory.AGENT, report="no")
STEP_REQUESTS: list[Any] = [
    lambda name: requests.RetryStep(step=name),
    lambda name: requests.SkipStep(step=name),
    lambda name: requests.CancelStep(step=name),
    lambda name: requests.CompleteStep(step=name),
    lambda name: requests.CompleteStep(step=name, commit="c" * 40),
    lambda name: requests.FailStep(step=name, reason="by hand"),
    lambda name: requests.RemoveStep(step=name),
    lambda name: requests.EditStep(step=name, task_plan="another"),
    lambda name: requests.RetryStep(step=name, agreed=True, reason="not good"),
    lambda name: requests.SkipStep(step=name, agreed=True),
    lambda name: requests.RemoveStep(step=name, agreed=True),
]


class DirectiveMachine(RuleBasedStateMachine):
    """One directive; the set of running activities stands beside it, as in the workflow."""

    state: State

    @initialize(
        parallel=st.integers(1, 4),
        attempts=st.integers(1, 2),
        approval=st.booleans(),
        completion=st.sampled_from(CompletionRule),
        rounds=st.integers(0, 2),
        fixer=st.booleans(),
        budget=st.sampled_from(["", "4usd", "9usd"]),
    )
    def begin(
        self,
        parallel: int,
        attempts: int,
        approval: bool,
        completion: CompletionRule,
        rounds: int,
        fixer: bool,
        budget: str,
    ) -> None:
        self.now = NOW
        self.ids = 0
        self.in_flight: dict[tuple[UUID, int, int], Task] = {}
        self.recorded: set[UUID] = set()
        self.completed: dict[UUID, Work | None] = {}
        self.merged: set[UUID] = set()
        self.told = 0
        """USD: each delivery that says how it ended has cost one."""
        self.state = begun(
            max_parallel_steps=parallel,
            max_attempts=attempts,
            require_approval=approval,
            completion=completion,
            memory=True,
            shepherd_rounds=rounds,
            budget=budget,
            planner=AgentChoice(name="planner" if fixer else "shell"),
        )
        self.react()

    # what the workflow does after every event

    def take(self, change: Change) -> None:
        self.state = change.state

    def react(self) -> None:
        for _ in range(20):
            before = self.state
            self.take(policy.advance(self.state, self.now, recorded=99))
            self.dispatch()
            self.call_back()
            if self.state == before:
                return
        raise AssertionError("the rules never come to rest")

    def dispatch(self) -> None:
        for task in self.state.live():
            key = (task.id, task.attempt, task.dispatch)
            under_way = any(identity == task.id for identity, _, _ in self.in_flight)
            if task.status is TaskStatus.PENDING and not task.unwanted and not under_way:
                self.check_start(task)
                self.check_command(spawn_command(self.state, task))
                self.check_budget(spawn_command(self.state, task))
                self.in_flight[key] = task

    def call_back(self) -> None:
        for task in self.state.live():
            if task.unwanted and (task.id, task.attempt, task.dispatch) not in self.in_flight:
                self.take(folding.fold_interrupted(self.state, task, self.now))

    def check_start(self, task: Task) -> None:
        if task.step is None:
            return
        step = self.state.steps[task.step]
        assert step.id not in self.completed, "no finished step runs again"
        assert all(self.state.steps[other].status.satisfies for other in step.depends_on), "nothing starts too early"
        assert self.state.status.value != "paused"

    def check_command(self, command: SpawnTask) -> None:
        """Nothing is built on, or shipped with, what was taken back; a person may hand in the same commit again."""
        built_on = [*((command.continue_from,) if command.continue_from else ()), *command.merge]
        taken_back = set(self.state.shepherding.taken_back) - {"c" * 40}
        assert not taken_back.intersection(each.commit for each in built_on)

    def check_budget(self, command: SpawnTask) -> None:
        """No agent is started once it is used up."""
        budget = self.state.directive.settings.budget
        assert not (budget and budget.is_used_up(Usage(cost_usd=self.told))) or command.agent is None

    # what may happen

    @rule(data=st.data(), size=st.integers(1, 5))
    @precondition(lambda self: self.in_flight)
    def an_activity_completes(self, data: st.DataObject, size: int) -> None:
        self.an_activity_ends(data, size, "completed")

    @rule(data=st.data(), size=st.integers(2, 6))
    @precondition(lambda self: any(task.step is None for task in self.in_flight.values()))
    def a_planner_or_completion_completes(self, data: st.DataObject, size: int) -> None:
        key = data.draw(st.sampled_from(sorted(key for key, task in self.in_flight.items() if task.step is None)))
        task = self.in_flight.pop(key)
        self.take(folding.fold_outcome(self.state, task, self.outcome(task, size, "completed"), self.now))
        self.react()

    @rule(data=st.data(), size=st.integers(0, 4), outcome=st.sampled_from(["completed", "failed", "lost", "refused"]))
    @precondition(lambda self: self.in_flight)
    def an_activity_ends(self, data: st.DataObject, size: int, outcome: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_flight)))
        task = self.in_flight.pop(key)
        if outcome == "lost":
            self.take(
                folding.fold_broken(self.state, task, Failure(category=FailureCategory.LOST, report="x"), self.now)
            )
        elif outcome == "refused":
            self.take(folding.fold_cannot_serve(self.state, task, "one", "no disk", self.now))
        else:
            self.take(folding.fold_outcome(self.state, task, self.outcome(task, size, outcome), self.now))
        self.react()

    @rule(data=st.data())
    @precondition(lambda self: self.in_flight)
    def an_activity_starts(self, data: st.DataObject) -> None:
        task = self.in_flight[data.draw(st.sampled_from(sorted(self.in_flight)))]
        started = TaskStarted(task=task.id, attempt=task.attempt, delivery="d" * 8, daemon="one")
        self.take(folding.fold_started(self.state, started, self.now))
        self.react()

    @rule(data=st.data())
    @precondition(lambda self: self.in_flight)
    def an_agent_asks(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_flight)))
        task = self.in_flight.pop(key)
        self.told += 1
        text = f"question {len(self.state.questions) % 3}"
        question = Question(id=question_id(task.id, text), task=task.id, text=text)
        outcome = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.WAITING, questions=(question,))
        outcome = outcome.model_copy(update={"resume": self.resume(task), "usage": self.usage(task)})
        self.take(folding.fold_outcome(self.state, task, outcome, self.now))
        self.react()

    @rule(data=st.data(), tells=st.booleans())
    @precondition(lambda self: self.called_back())
    def a_called_back_activity_ends(self, data: st.DataObject, tells: bool) -> None:
        unwanted = self.called_back()
        task = data.draw(st.sampled_from(unwanted))
        task = self.in_flight.pop((task.id, task.attempt, task.dispatch))
        if tells:
            self.told += 1
            left = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.WAITING, summary="called back")
            left = left.model_copy(update={"resume": self.resume(task), "usage": self.usage(task)})
            self.take(folding.fold_outcome(self.state, task, left, self.now))
        else:
            self.take(folding.fold_interrupted(self.state, task, self.now))
        self.react()

    @rule()
    def a_no_daemon_wait(self) -> None:
        for key, task in list(self.in_flight.items()):
            if self.state.tasks[task.id].refusals and task.dispatch == self.state.tasks[task.id].dispatch:
                del self.in_flight[key]
                self.take(folding.fold_no_daemon(self.state, task, self.now))
        self.react()

    @rule(minutes=st.integers(1, 20))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.react()

    @rule(data=st.data(), make=st.sampled_from(STEP_REQUESTS))
    @precondition(lambda self: self.state.steps)
    def an_operator_touches_a_step(self, data: st.DataObject, make: Any) -> None:
        self.ask(make(str(data.draw(st.sampled_from(sorted(self.state.steps))))))

    @rule(
        request=st.sampled_from(
            [
                requests.Pause(),
                requests.Pause(now=True),
                requests.Resume(),
                requests.Resume(),
                requests.ChangeGoal(goal="another"),
                requests.Replan(comment="again"),
                requests.Approve(),
                requests.Approve(),
                requests.Reject(comment="no"),
                requests.SetMemory(key="a", value="b"),
                requests.EditDirective(budget=Budget(cost_usd=5)),
                requests.EditDirective(budget=Budget(cost_usd=50)),
            ]
        )
    )
    def an_operator_asks(self, request: requests.Request) -> None:
        self.ask(request)

    @rule(number=st.integers(0, 5))
    def a_step_is_added(self, number: int) -> None:
        names = [step.name for step in self.state.ordered_steps()]
        step = PlannedStep(name=f"added {self.next_id().hex[:6]}", task_plan="x", depends_on=tuple(names[-number:][:1]))
        self.ask(requests.AddStep(id=self.next_id(), step=step))

    @rule(data=st.data())
    @precondition(lambda self: any(question.is_open for question in self.state.questions.values()))
    def a_question_is_answered(self, data: st.DataObject) -> None:
        open_ones = [question for question in self.state.questions.values() if question.is_open]
        question = data.draw(st.sampled_from(open_ones))
        answer = data.draw(st.sampled_from(question.choices or ("yes", "finish", "30usd")))
        self.ask(requests.AnswerQuestion(question=str(question.id), answer=answer))

    @rule(
        data=st.data(),
        state=st.sampled_from([None, None, None, *PullRequestState]),
        findings=st.lists(st.sampled_from(FindingKind), max_size=4),
        pushed=st.booleans(),
    )
    @precondition(lambda self: watching.wanted_watch(self.state) is not None)
    def the_watch_ends(
        self, data: st.DataObject, state: PullRequestState | None, findings: list[FindingKind], pushed: bool
    ) -> None:
        watch = watching.wanted_watch(self.state)
        assert watch is not None
        seen = watch.pull_request
        if state not in (None, PullRequestState.PUSHED):
            seen = seen.model_copy(update={"state": state})
        if pushed:
            seen = seen.model_copy(update={"head": self.next_id().hex + "0" * 8})
        holds = [self.finding(kind, data.draw(st.integers(0, 9))) for kind in findings if not seen.state.is_over]
        sighting = Sighting(pull_request=seen, findings=tuple(holds), base_head=BASE, daemon="one")
        if (news := news_of(watch, sighting)) is not None:
            self.take(shepherd.fold_sighting(self.state, news, self.now))
            self.check_seen(sighting)
            self.react()

    @rule(is_done=st.booleans())
    @precondition(lambda self: merging.wanted_tidying(self.state) is not None)
    def the_remote_is_tidied(self, is_done: bool) -> None:
        tidying = merging.wanted_tidying(self.state)
        assert tidying is not None
        draft = Draft(self.state, self.now)
        merging.fold_tidied(draft, tidying, Tidied(deleted=tidying.branches) if is_done else None)
        self.take(draft.change())
        self.react()

    @rule()
    @precondition(lambda self: self.in_flight)
    def all_goes_well_for_a_while(self) -> None:
        for _ in range(20):
            if not self.in_flight:
                return
            task = self.in_flight.pop(min(self.in_flight))
            self.take(folding.fold_outcome(self.state, task, self.outcome(task, 3, "completed"), self.now))
            self.react()

    @rule(request=st.sampled_from([requests.Poke(), requests.Poke(), requests.SetPullRequest(url=PULL_REQUEST)]))
    @precondition(lambda self: self.state.pull_request)
    def an_operator_thinks_of_the_pull_request(self, request: requests.Request) -> None:
        self.ask(request)

    @rule()
    def temporals_data_is_lost(self) -> None:
        """Recovered from the record: nothing is in flight, the state is what was written."""
        write = snapshot(self.state, Facts(), "run", 1)
        self.state = recovered(restored(write.row, write.steps, write.tasks))
        self.in_flight.clear()
        self.react()

    # helpers

    def finding(self, kind: FindingKind, number: int) -> Finding:
        return Finding(id=FindingSource(kind).id_of(number), kind=kind, title=f"{kind} {number}", text="```\nit fails")

    def check_seen(self, sighting: Sighting) -> None:
        """What was seen is not told again and again, or the watch would end so: at most once more, where this sighting
        has ended the fix that what it tells had to wait for.
        """
        watch = watching.wanted_watch(self.state)
        if watch and (again := news_of(watch, sighting)):
            watch = watching.wanted_watch(shepherd.fold_sighting(self.state, again, self.now).state)
            assert watch is None or news_of(watch, sighting) is None

    def called_back(self) -> list[Task]:
        """What the workflow has cancelled: unwanted tasks, and attempts that were given up."""
        unwanted = [task for task in self.in_flight_now() if task.unwanted]
        return unwanted + [task for task in self.in_flight.values() if not self.counts(task)]

    def in_flight_now(self) -> list[Task]:
        now = [self.state.tasks[task.id] for task in self.in_flight.values()]
        return [task for task in now if (task.id, task.attempt, task.dispatch) in self.in_flight]

    def ask(self, request: requests.Request) -> None:
        change = apply(self.state, request, self.now)
        if isinstance(change, Change):
            if isinstance(request, requests.Repair):
                self.work_is_taken_back(change.state)
            self.take(change)
            self.react()

    def work_is_taken_back(self, after: State) -> None:
        """Never what a pull request holds or a completion may be pushing; and all that was built on it goes with it."""
        gone = {identity for identity in self.completed if after.steps[identity].work != self.completed[identity]}
        gone |= {identity for identity in self.completed if after.steps[identity].status is not StepStatus.COMPLETED}
        gone -= self.merged
        shipping = {step for task in self.in_flight.values() for step in task.ships if self.counts(task)}
        for identity in gone:
            step, known = self.state.steps[identity], self.state.pull_request
            has_work = bool(step.work and step.work.commits)
            assert not (step.shipped and has_work and known and step.shipped_in == known.version) or (
                known.state is PullRequestState.CLOSED
            )
            assert identity not in shipping
            del self.completed[identity]
            if has_work:
                assert step.work and step.work.head in after.shepherding.taken_back
        for identity in self.completed.keys() - self.merged:
            built_on = set(self.state.steps[identity].depends_on) & gone
            work = after.steps[identity].work
            assert work is None or not any(self.had_work(other) for other in built_on)

    def had_work(self, identity: UUID) -> bool:
        work = self.state.steps[identity].work
        return work is not None and work.commits > 0

    def counts(self, task: Task) -> bool:
        """Whether what this activity reports would still be heard."""
        return is_current(self.state, task.id, task.attempt)

    def next_id(self) -> UUID:
        self.ids += 1
        return uuid5(SPACE, str(self.ids))

    def usage(self, task: Task) -> Usage:
        """Of the whole attempt: what it had used when it was dispatched, and its newest delivery."""
        return (task.resume.usage if task.resume else Usage()) + Usage(cost_usd=1, tokens=100)

    def resume(self, task: Task) -> ResumableSession:
        return ResumableSession(agent="a", session="s", daemon="one", usage=self.usage(task))

    def outcome(self, task: Task, size: int, kind: str) -> Outcome:
        self.told += 1
        return self.ending(task, size, kind).model_copy(update={"usage": self.usage(task)})

    def ending(self, task: Task, size: int, kind: str) -> Outcome:
        if kind == "failed":
            return Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.FAILED, failure=FAILURE)
        done = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.COMPLETED)
        if task.kind in (TaskKind.PLANNING, TaskKind.PREPARE):
            return done.model_copy(update={"plan": self.plan(size), "base_commit": BASE})
        head = task.id.hex[:32] + f"{task.attempt:08d}"
        work = Work(branch="b", base=BASE, head=head, commits=0 if size == 1 and task.step else 1)
        done = done.model_copy(update={"work": work})
        return done.model_copy(update={"shipped": self.shipped(task, head, size)}) if task.step is None else done

    def shipped(self, task: Task, head: str, size: int) -> Shipped | None:
        """At a forge, mostly: in the known pull request, or, where that was found to be over, in the next one."""
        wanted = spawn_command(self.state, task).pull_request
        assert wanted is not None
        if size == 2:
            return None
        known, open_state = wanted.known, PullRequestState.DRAFT if wanted.draft else PullRequestState.OPEN
        version = known.version if known else 1
        former = None
        if known and known.number and (known.state.is_over or size == 4):
            over = known.state if known.state.is_over else PullRequestState.MERGED
            former, version = known.model_copy(update={"state": over}), version + 1
        branch = wanted.branches[version - (known.version if known else 1)]
        now = PullRequest(branch=branch, head=head, base="main", state=open_state, number=version, version=version)
        return Shipped(pull_request=now, over=(former,) if former else ())

    def plan(self, size: int) -> PlanChanges:
        """A chain with side branches, the second half in a later phase, tied to a step that exists."""
        known = known_steps(self.state)
        new = [f"s{self.ids + n}" for n in range(size)]
        self.ids += size
        before = [step.name for step in known][-1:]
        steps = [
            PlannedStep(
                name=name,
                task_plan="x",
                order_index=2 * n // max(size, 1),
                depends_on=tuple(new[max(0, n - 2) : max(0, n - 1)] or before),
            )
            for n, name in enumerate(new)
        ]
        try:
            changes = add_steps(PlanChanges(), steps, generation=1, known=known, new_id=self.next_id)
        except PlanRefused:
            return PlanChanges()
        unfinished = [step.id for step in known if not step.finished]
        return changes.model_copy(update={"remove": tuple(unfinished[:1]) if size == 3 else ()})

    # what must hold

    @invariant()
    def nothing_recorded_is_lost(self) -> None:
        assert self.recorded <= self.state.steps.keys()
        self.recorded |= self.state.steps.keys()

    @invariant()
    def finished_work_stays_finished(self) -> None:
        for identity, work in self.completed.items():
            assert self.state.steps[identity].status in (StepStatus.COMPLETED, StepStatus.MERGED)
            assert self.state.steps[identity].work == work
        for step in self.state.steps.values():
            assert step.id not in self.merged or step.status is StepStatus.MERGED
            if step.status is StepStatus.COMPLETED:
                self.completed.setdefault(step.id, step.work)
            if step.status is StepStatus.MERGED:
                self.merged.add(step.id)
                assert step.shipped

    @invariant()
    def status_is_explainable(self) -> None:
        for step in view(self.state).steps:
            if step.status in (StepStatus.PENDING, StepStatus.READY, StepStatus.BLOCKED):
                assert step.waiting, f"{step.name} is {step.status} and nobody knows why"
        assert details(self.state)

    @invariant()
    def progress_is_possible_or_the_reason_is_shown(self) -> None:
        state = self.state
        if state.status.value in ("planning", "active", "completing"):
            moving = bool(self.in_flight) or policy.next_wake(state) is not None
            asks = any(question.is_open for question in state.questions.values())
            assert moving or asks or state.proposal, f"{state.status}, but nothing moves and nobody is asked"
        if state.status.value == "paused":
            assert state.reason

    @invariant()
    def what_was_used_is_counted_once_and_never_forgotten(self) -> None:
        assert total_usage(self.state).cost_usd == self.told

    @invariant()
    def fixes_hold_up_nobody(self) -> None:
        for step in self.state.steps.values():
            phases = [other for other in step.blocked_by if other not in step.depends_on]
            assert not any(self.state.steps[other].fix for other in phases)
        assert self.state.shepherding.rounds <= (
            self.state.directive.settings.shepherd_rounds + self.state.shepherding.granted
        )

    @invariant()
    def whoever_may_still_be_merged_is_looked_after(self) -> None:
        state = self.state
        if state.pull_request and state.pull_request.number and not state.pull_request.state.is_over:
            assert watching.wanted_watch(state) or state.live(TaskKind.COMPLETION) or not state.planned

    @invariant()
    def at_most_the_allowed_number_is_in_flight(self) -> None:
        started = [task for task in self.state.live(TaskKind.STEP) if task.status is not TaskStatus.WAITING]
        assert len(started) <= self.state.directive.settings.max_parallel_steps

    @invariant()
    def the_record_gives_the_state_back(self) -> None:
        write = snapshot(self.state, Facts(), "run", 1)
        assert restored(write.row, write.steps, write.tasks) == self.state

    @invariant()
    def the_state_stays_within_its_size(self) -> None:
        assert state_size(self.state) < MAX_STATE


DirectiveMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDirectiveMachine = pytest.mark.rule("4.1")(pytest.mark.rule("9.1")(DirectiveMachine.TestCase))
