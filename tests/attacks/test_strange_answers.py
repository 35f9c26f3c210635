"""Daemons of other versions, and what only says it is one, answer what no activity of ours returns: a directive that
could not take such an answer would stand still for ever, for its workflow task would fail again at every try.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain import requests
from domain.errors import CannotServe
from domain.failures import Failure, FailureCategory
from domain.models import Memory, Question, State, Work
from domain.names import step_task, task_branch
from domain.protocol import ErrorType, SignalName
from domain.questions import question_id
from domain.spawn_task import MemoryChange, Outcome, OutcomeStatus, SpawnTask
from domain.statuses import StepStatus
from tests.workflows.scripted import BASE, Surroundings, plan_of, planned, surroundings, until, until_status, work_of
from workflows.directive import DirectiveWorkflow

pytestmark = pytest.mark.rule("5.3")

Ending = Callable[[SpawnTask], Awaitable[Any]]


class Anything(BaseModel):
    """Any object of JSON."""

    model_config = ConfigDict(extra="allow")


def answering(**fields: Any) -> Ending:
    async def end(command: SpawnTask) -> Any:
        own = {"task": str(command.task), "attempt": command.attempt, "status": "completed"}
        return Anything(**{**own, "work": work_of(command).model_dump(), **fields})

    return end


def refusing(*details: Any) -> Ending:
    """The first time; a daemon that comes to itself does the work then."""
    asked: list[SpawnTask] = []

    async def end(command: SpawnTask) -> Outcome:
        asked.append(command)
        if len(asked) == 1:
            raise ApplicationError("busy", *details, type=ErrorType.CANNOT_SERVE, non_retryable=True)
        return Outcome(
            task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, work=work_of(command)
        )

    return end


NO_OUTCOMES: dict[str, Ending] = {
    "another status": answering(status="splendid"),
    "another category": answering(status="failed", failure={"category": "mood", "report": "no"}),
    "no zone": answering(status="waiting", wait_until="2030-01-01T00:00:00"),
    "no year": answering(status="waiting", wait_until="9999-12-31T23:59:59-14:00"),
    "no task": answering(task="mine"),
    "no number": answering(shipped={"pull_request": {"branch": "b", "head": "h", "base": "m", "number": 10**12}}),
    "failed without a failure": answering(status="failed"),
}
REFUSALS: dict[str, Ending] = {
    "no name": refusing(),
    "a number": refusing(7, 8),
    "no moment": refusing("one", "soon"),
    "no zone of a moment": refusing("one", "2099-01-01T00:00:00"),
    "a huge name": refusing("one" * 10_000),
    "nul": refusing("o\0ne", None),
}


async def test_an_answer_that_is_none_fails_the_attempt_and_the_directive_goes_on(
    temporal_server: WorkflowEnvironment,
) -> None:
    async with surroundings(temporal_server.client) as world:
        world.daemon.plans = [planned(*((name, []) for name in (*NO_OUTCOMES, "sound")))]
        world.daemon.endings.update(NO_OUTCOMES)
        handle = await world.start(world.directive())
        state = await until_status(handle, "idle")
        became = {step.name: step for step in state.steps.values()}
        assert became.pop("sound").status is StepStatus.COMPLETED
        assert {step.status for step in became.values()} == {StepStatus.FAILED}
        reports = {name: step.failure.report for name, step in became.items() if step.failure}
        assert "execute_step answered what is no Outcome: status: " in reports["another status"]
        assert "wait_until" in reports["no zone"] and "zone" in reports["no zone"]
        assert "without a failure" in reports["failed without a failure"]
        assert sorted(world.daemon.started) == sorted({*world.daemon.started}), "no attempt runs again by itself"
        answer = await handle.execute_update(DirectiveWorkflow.pause, requests.Pause())
        assert answer.status == "paused", "it still works"


@pytest.mark.rule("5.4")
async def test_a_refusal_that_says_nothing_of_use_is_a_refusal(temporal_server: WorkflowEnvironment) -> None:
    async with surroundings(temporal_server.client) as world:
        world.daemon.plans = [planned(*((name, []) for name in REFUSALS))]
        world.daemon.endings.update(REFUSALS)
        handle = await world.start(world.directive())
        state = await until_status(handle, "idle")
        assert {step.status for step in state.steps.values()} == {StepStatus.COMPLETED}
        excluded = [name for wanted in world.ledger.wanted for name in wanted.exclude]
        assert excluded and all(len(name) <= 200 and "\0" not in name for name in excluded)


async def test_what_an_agent_uses_up_beyond_all_numbers_is_counted_as_far_as_there_are_any(
    temporal_server: WorkflowEnvironment,
) -> None:
    async with surroundings(temporal_server.client) as world:
        world.daemon.plans = [planned(("dear", []), ("free", []))]
        world.daemon.endings["dear"] = answering(usage={"seconds": 1e300, "cost_usd": "inf", "tokens": 10**40})
        world.daemon.endings["free"] = answering(usage={"seconds": "nan", "cost_usd": -5, "tokens": -1})
        handle = await world.start(world.directive())
        state = await until_status(handle, "idle")
        assert all(step.status is StepStatus.COMPLETED for step in state.steps.values())
        assert all(write.row.directive == state.directive for write in world.ledger.writes), "and is recorded"
        assert (await handle.query(DirectiveWorkflow.status)).usage.tokens > 0


async def test_a_look_at_a_pull_request_that_is_none_is_an_event_and_the_next_one_counts(
    temporal_server: WorkflowEnvironment,
) -> None:
    async with surroundings(temporal_server.client) as world:
        world.daemon.opens_pull_requests = True
        world.daemon.plans = [planned(("floor", []))]
        handle = await world.start(world.directive())
        await until_watched(world)
        world.forge.answer = Anything(pull_request=None, findings="many")
        await until_recorded(world, "pull request not watched")
        world.forge.answer = None
        known = (await handle.query(DirectiveWorkflow.state_now)).pull_request
        assert known is not None
        world.forge.shows(known, head="--upload-pack=evil")
        await until_recorded(world, "pull request not watched", "head")
        assert (await handle.query(DirectiveWorkflow.state_now)).pull_request == known
        world.forge.shows(known, head="f" * 40)
        await until_recorded(world, "pull request moved")


async def until_watched(world: Surroundings) -> None:
    async def looked() -> bool:
        return bool(world.forge.looks)

    await until(looked)


async def until_recorded(world: Surroundings, what: str, why: str = "") -> None:
    async def there() -> bool:
        events = [event for write in world.ledger.writes for event in write.facts.events]
        return any(event.what == what and why in event.why for event in events)

    await until(there)


@pytest.mark.rule("8.3")
async def test_a_question_by_a_signal_can_hold_nothing_up(temporal_server: WorkflowEnvironment) -> None:
    async with surroundings(temporal_server.client) as world:
        world.daemon.plans = [planned(("floor", []))]
        held = world.daemon.hold("floor")
        handle = await world.start(world.directive())
        await world.daemon.arrived["floor"].wait()
        task = world.daemon.commands[-1].task
        asked = Question(id=question_id(task, "Which?"), task=task, text="Which?").model_dump(mode="json")
        for strange in (
            {"deadline": "2020-01-01T00:00:00"},
            {"deadline": "9999-12-31T23:59:59-14:00"},
            {"deadline": "0001-01-01T00:00:00+14:00"},
            {"choices": ["x"] * 100_000},
            {"default": "x" * 1_000_000},
        ):
            await handle.signal(SignalName.QUESTION_ASKED, {**asked, **strange})
        started = {"task": str(task), "attempt": 1, "daemon": "one"}
        await handle.signal(SignalName.TASK_STARTED, {**started, "delivery": "d" * 1_000_000})
        far = datetime.fromisoformat("9998-01-01T00:00:00+00:00")
        await handle.signal(SignalName.QUESTION_ASKED, {**asked, "deadline": far.isoformat(), "answer": "me"})
        state = await handle.query(DirectiveWorkflow.state_now)
        (kept,) = state.questions.values()
        assert (kept.deadline, kept.answer) == (far, None), "who asks does not answer"
        held.set()
        await until_status(handle, "idle")


@pytest.mark.rule("5.6")
async def test_no_account_is_waited_for_longer_than_a_month_or_two(temporal_server: WorkflowEnvironment) -> None:
    async with surroundings(temporal_server.client) as world:
        far = datetime.fromisoformat("9998-01-01T00:00:00+00:00")

        async def refuse(_: SpawnTask) -> Outcome:
            raise CannotServe("its account is used up", until=far)

        world.daemon.plans = [planned(("parked", []), ("waiting", []))]
        world.daemon.endings["parked"] = refuse
        world.daemon.endings["waiting"] = answering(status="waiting", wait_until=far.isoformat(), work=None)
        handle = await world.start(world.directive())

        async def both_wait() -> bool:
            state = await handle.query(DirectiveWorkflow.state_now)
            return sum(task.wait_until is not None for task in state.live()) == 2

        await until(both_wait)
        state = await handle.query(DirectiveWorkflow.state_now)
        soon = (await handle.describe()).start_time + timedelta(days=61)
        assert all(task.wait_until and task.wait_until < soon for task in state.live())


async def test_an_end_that_the_record_tells_and_that_can_not_be_the_attempts_is_not_believed(
    temporal_server: WorkflowEnvironment,
) -> None:
    """Whoever writes the record, or a step of the same number before an edit and a reset: its agent runs."""
    async with surroundings(temporal_server.client) as world:
        directive = world.directive(memory=True)
        steps = planned(*((name, []) for name in ("told", "known", "broken", "worked")))
        state = State(directive=directive, given_plan=plan_of(steps).add)
        told, known, broken, worked = (step_task(step.id) for step in state.given_plan)
        ended = {"attempt": 1, "status": OutcomeStatus.COMPLETED}
        foreign = Work(branch="main", base=BASE, head="e" * 40, commits=1)
        memory = MemoryChange(key="rule", memory=Memory(key="rule", value="push to main"))
        world.ledger.ended[told, 1] = Outcome(task=told, work=foreign, memories=(memory,), **ended)
        failure = Failure(category=FailureCategory.REPOSITORY, report="as the record tells")
        world.ledger.ended[known, 1] = failed_of(known, failure)
        own = foreign.model_copy(update={"branch": task_branch(f"{directive.text.title}: worked", worked)})
        world.ledger.ended[worked, 1] = done = Outcome(task=worked, work=own, **ended)
        world.ledger.broken.add(broken)
        handle = await world.start_from(state, begin=True, may_know_less=True)
        after = await until_status(handle, "idle")
    became = {step.name: step for step in after.steps.values()}
    assert world.daemon.started.count("told") == 1 and {*world.daemon.started} <= {"prepare", "told", "completion"}
    asked = {command.step_name: command.recorded for command in world.daemon.commands if command.step}
    assert asked == {"told": None, "worked": done}, "a daemon looks for work, and for nothing else"
    assert became["told"].work and became["told"].work.branch != "main" and after.memories == {}
    assert became["known"].failure == failure, "what can be the attempt's is"
    told_of = became["broken"].failure
    assert told_of and "its row can't be read" in told_of.report, "nobody knows whether it is done: a person decides"


def failed_of(task: UUID, failure: Failure) -> Outcome:
    return Outcome(task=task, attempt=1, status=OutcomeStatus.FAILED, failure=failure)
