"""The operator's actions against a running directive (rules 2.4, 2.8, 4.5, 8.1–8.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain import requests
from domain.directive_settings import CompletionRule
from domain.errors import CannotServe
from domain.events import EventName
from domain.failures import FailureCategory
from domain.models import Answer, Memory, Question, State
from domain.plan import PlannedStep
from domain.questions import question_id
from domain.spawn_task import MemoryChange, Outcome, OutcomeStatus, SpawnTask, failed
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.timings import Timings
from domain.usage import ResumableSession
from tests.workflows.scripted import Handle, Surroundings, planned, surroundings, until, until_status, work_of
from workflows.directive import DirectiveWorkflow


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        yield made


async def says_nothing_any_more(_: SpawnTask) -> Outcome:
    """As a daemon whose machine died: no heartbeat, and no end."""
    await asyncio.sleep(60)
    raise AssertionError("its worker ends before")


async def fails(command: SpawnTask) -> Outcome:
    return failed(command, FailureCategory.AGENT, "the saw is blunt")


async def now(handle: Handle) -> State:
    return await handle.query(DirectiveWorkflow.state_now)


async def step_statuses(handle: Handle) -> dict[str, str]:
    return {step.name: step.status.value for step in (await now(handle)).steps.values()}


async def until_steps(handle: Handle, **wanted: str) -> None:
    async def reached() -> bool:
        there = await step_statuses(handle)
        return all(there.get(name) == status for name, status in wanted.items())

    await until(reached)


async def refused(handle: Handle, update: Any, request: requests.Request) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await handle.execute_update(update, request)
    assert isinstance(error.value.cause, ApplicationError)
    return error.value.cause.message


@pytest.mark.rule("2.1")
async def test_a_draft_waits_until_it_is_begun_and_can_be_begun_only_once(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    handle = await world.start(world.directive(), begin=False)
    assert (await now(handle)).status is DirectiveStatus.DRAFT
    assert "draft" in await refused(handle, DirectiveWorkflow.pause, requests.Pause())
    await handle.execute_update(DirectiveWorkflow.begin, requests.Begin())
    await until_status(handle, "idle")
    said = await refused(handle, DirectiveWorkflow.begin, requests.Begin())
    assert said == "Directive must be in 'draft' status to start, current status: 'idle'"


@pytest.mark.rule("2.4")
async def test_a_plan_is_held_until_approved_and_a_rejection_reaches_the_planner(world: Surroundings) -> None:
    world.daemon.plans = [planned(("cellar", [])), planned(("floor", []))]
    handle = await world.start(world.directive(require_approval=True))

    async def proposed() -> bool:
        return (await now(handle)).proposal is not None

    await until(proposed)
    seen = (await now(handle)).proposal
    assert seen and (await now(handle)).steps == {}
    await handle.execute_update(DirectiveWorkflow.reject, requests.Reject(comment="no cellar here"))

    async def proposed_again() -> bool:
        proposal = (await now(handle)).proposal
        return proposal is not None and proposal.add[0].name == "floor"

    await until(proposed_again)
    assert "no cellar here" in world.daemon.commands[-1].prompt
    waits = (await now(handle)).proposal
    assert waits
    for rejected in (requests.Approve(plan=seen.name), requests.Reject(plan=seen.name, comment="smaller")):
        update = DirectiveWorkflow.approve if isinstance(rejected, requests.Approve) else DirectiveWorkflow.reject
        assert f"but another one, {waits.name}" in await refused(handle, update, rejected), "it was seen before"
    await handle.execute_update(DirectiveWorkflow.approve, requests.Approve(plan=waits.name))
    state = await until_status(handle, "idle")
    assert [step.name for step in state.steps.values()] == ["floor"]
    assert "no plan waits" in await refused(handle, DirectiveWorkflow.approve, requests.Approve())


@pytest.mark.rule("2.8")
async def test_fail_fast_cancels_the_rest_and_fails_the_directive(world: Surroundings) -> None:
    world.daemon.plans = [planned(("walls", []), ("garden", []), ("roof", ["walls"]))]
    world.daemon.endings["walls"] = fails
    world.daemon.hold("garden")
    handle = await world.start(world.directive(fail_fast=True, max_attempts=1))
    result = await handle.result()
    assert result.status is DirectiveStatus.FAILED
    statuses = {step.name: step.status for step in world.ledger.steps.values()}
    assert statuses == {"walls": StepStatus.FAILED, "garden": StepStatus.CANCELLED, "roof": StepStatus.CANCELLED}


@pytest.mark.rule("2.6")
async def test_completion_all_waits_for_the_failed_step(world: Surroundings) -> None:
    world.daemon.plans = [planned(("walls", []), ("garden", []))]
    world.daemon.endings["walls"] = fails
    handle = await world.start(world.directive(completion=CompletionRule.ALL, max_attempts=1))
    state = await until_status(handle, "idle")
    assert "--completion all" in state.reason
    assert state.pull_request is None
    del world.daemon.endings["walls"]
    await handle.execute_update(DirectiveWorkflow.retry_step, requests.RetryStep(step="walls"))

    async def shipped() -> bool:
        return (await now(handle)).pull_request is not None

    await until(shipped)
    assert [one.name for one in world.daemon.commands[-1].merge] == ["walls", "garden"]


@pytest.mark.rule("8.2")
async def test_pause_drains_what_runs_and_calls_back_what_waits(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []), ("roof", ["floor"]))]
    free = world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await until_steps(handle, floor="running")
    await handle.execute_update(DirectiveWorkflow.pause, requests.Pause())
    free.set()
    await until_steps(handle, floor="completed", roof="pending")
    assert (await now(handle)).status is DirectiveStatus.PAUSED
    await handle.execute_update(DirectiveWorkflow.resume, requests.Resume())
    await until_status(handle, "idle")
    assert world.daemon.started.count("floor") == 1


@pytest.mark.rule("8.2")
async def test_pause_now_stops_what_runs_and_uses_no_attempt(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    free = world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await until_steps(handle, floor="running")
    await handle.execute_update(DirectiveWorkflow.pause, requests.Pause(now=True))
    await until_steps(handle, floor="pending")
    assert "floor" not in world.daemon.ended
    free.set()
    await handle.execute_update(DirectiveWorkflow.resume, requests.Resume())
    await until_status(handle, "idle")
    assert [command.attempt for command in world.daemon.commands if command.step_name == "floor"] == [1, 1]


@pytest.mark.rule("5.5")
@pytest.mark.rule("8.2")
async def test_a_step_whose_daemon_dies_while_it_is_called_back_uses_no_attempt_either(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    world.daemon.endings["floor"] = says_nothing_any_more
    handle = await world.start(world.directive(timings=Timings.fast()))
    await until_steps(handle, floor="running")
    await handle.execute_update(DirectiveWorkflow.pause, requests.Pause(now=True))
    await until_steps(handle, floor="pending")
    assert (await now(handle)).reason == "paused by operator"
    del world.daemon.endings["floor"]
    await handle.execute_update(DirectiveWorkflow.resume, requests.Resume())
    await until_status(handle, "idle")
    assert [command.attempt for command in world.daemon.commands if command.step_name == "floor"] == [1, 1]


@pytest.mark.rule("4.2")
async def test_skipping_and_retrying_free_what_was_blocked(world: Surroundings) -> None:
    world.daemon.plans = [planned(("a", []), ("b", ["a"]), ("c", []), ("d", ["c"]))]
    world.daemon.endings |= {"a": fails, "c": fails}
    handle = await world.start(world.directive(max_attempts=1))
    await until_steps(handle, b="blocked", d="blocked")
    del world.daemon.endings["a"]
    await handle.execute_update(DirectiveWorkflow.retry_step, requests.RetryStep(step="a"))
    await handle.execute_update(DirectiveWorkflow.skip_step, requests.SkipStep(step="c"))
    await until_steps(handle, a="completed", b="completed", c="skipped", d="completed")
    assert [command.attempt for command in world.daemon.commands if command.step_name == "a"] == [1, 2]


@pytest.mark.rule("4.5")
async def test_a_step_completed_by_hand_hands_its_commit_to_its_dependents(world: Surroundings) -> None:
    world.daemon.plans = [planned(("a", []), ("b", ["a"]))]
    world.daemon.endings["a"] = fails
    handle = await world.start(world.directive(max_attempts=1))
    await until_steps(handle, b="blocked")
    commit = "c" * 40
    await handle.execute_update(DirectiveWorkflow.complete_step, requests.CompleteStep(step="a", commit=commit))
    await until_status(handle, "idle")
    b = next(command for command in world.daemon.commands if command.step_name == "b")
    assert b.continue_from is not None
    assert b.continue_from.commit == commit
    assert commit in [one.commit for one in world.daemon.commands[-1].merge]


@pytest.mark.rule("4.5")
@pytest.mark.rule("8.2")
async def test_steps_are_added_edited_and_removed_while_others_run(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []), ("roof", ["floor"]), ("pool", ["floor"]))]
    free = world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await until_steps(handle, floor="running")
    step = PlannedStep(name="paint", task_plan="paint it", depends_on=("roof",))
    added: Answer = await handle.execute_update(DirectiveWorkflow.add_step, requests.AddStep(id=uuid4(), step=step))
    assert added.step is not None
    await handle.execute_update(DirectiveWorkflow.edit_step, requests.EditStep(step="roof", task_plan="a flat roof"))
    said = await refused(handle, DirectiveWorkflow.remove_step, requests.RemoveStep(step="roof"))
    assert said == "step 'paint' depends on 'roof': remove that one first"
    said = await refused(handle, DirectiveWorkflow.edit_step, requests.EditStep(step="floor", task_plan="x"))
    assert "can't be edited" in said
    said = await refused(
        handle, DirectiveWorkflow.set_deps, requests.SetDependencies(step="roof", depends_on=("paint",))
    )
    assert "in a circle" in said
    await handle.execute_update(DirectiveWorkflow.remove_step, requests.RemoveStep(step="pool"))
    await handle.execute_update(
        DirectiveWorkflow.set_deps, requests.SetDependencies(step="paint", depends_on=("floor",))
    )
    free.set()
    await until_status(handle, "idle")
    assert await step_statuses(handle) == {
        "floor": "completed",
        "roof": "completed",
        "pool": "cancelled",
        "paint": "completed",
    }
    roof = next(command for command in world.daemon.commands if command.step_name == "roof")
    assert roof.script == "a flat roof"


@pytest.mark.rule("4.5")
async def test_finished_work_is_done_again_and_what_runs_on_top_of_it_is_stopped_first(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []), ("wall", ["floor"]), ("roof", ["wall"]))]
    world.daemon.hold("roof")
    handle = await world.start(world.directive())
    await until_steps(handle, roof="running")
    said = await refused(handle, DirectiveWorkflow.retry_step, requests.RetryStep(step="floor"))
    assert "done again, too: 'wall', 'roof'" in said
    again = world.daemon.hold("floor")
    world.daemon.arrived["floor"].clear()
    request = requests.RetryStep(step="floor", reason="crooked", agreed=True)
    await handle.execute_update(DirectiveWorkflow.retry_step, request)
    await world.daemon.arrived["floor"].wait()
    await until_steps(handle, floor="running", wall="pending", roof="pending")
    again.set()
    world.daemon.holds["roof"].set()
    await until_status(handle, "idle")
    tries = [(command.step_name, command.attempt) for command in world.daemon.commands if command.step_name]
    assert tries == [("floor", 1), ("wall", 1), ("roof", 1), ("floor", 2), ("wall", 2), ("roof", 2)]
    floor, wall, roof = (command for command in world.daemon.commands if command.attempt == 2)
    assert wall.continue_from
    assert wall.continue_from.commit == work_of(floor).head
    (merge,) = [command.merge for command in world.daemon.commands if command.kind is TaskKind.COMPLETION]
    assert [one.commit for one in merge] == [work_of(each).head for each in (floor, wall, roof)]


@pytest.mark.rule("8.2")
async def test_a_cancelled_step_is_stopped_and_blocks_its_dependents_until_retried(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []), ("roof", ["floor"]))]
    free = world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await until_steps(handle, floor="running")
    await handle.execute_update(DirectiveWorkflow.cancel_step, requests.CancelStep(step="floor"))
    await until_steps(handle, floor="cancelled", roof="blocked")
    free.set()
    await handle.execute_update(DirectiveWorkflow.retry_step, requests.RetryStep(step="floor"))
    await until_steps(handle, floor="completed", roof="completed")


@pytest.mark.rule("8.2")
async def test_the_same_id_twice_has_one_effect(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", [])), planned(("pool", []))]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")
    change = requests.ChangeGoal(goal="A pool")
    answers = [await handle.execute_update(DirectiveWorkflow.change_goal, change, id="goal-v2") for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await now(handle)).generation == 2


@pytest.mark.rule("8.1")
async def test_a_second_goal_while_the_planner_runs_takes_its_place(world: Surroundings) -> None:
    world.daemon.plans = [planned(("pool", []))]
    world.daemon.hold("planning")
    handle = await world.start(world.directive())
    await world.daemon.arrived["planning"].wait()
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="A pool"))

    async def second_planner() -> bool:
        tasks = (await now(handle)).tasks.values()
        first_is_gone = any(task.status is TaskStatus.INTERRUPTED for task in tasks)
        return first_is_gone and world.daemon.started.count("planning") == 2

    await until(second_planner)
    world.daemon.holds["planning"].set()
    state = await until_status(handle, "idle")
    assert state.generation == 2
    assert [step.generation for step in state.steps.values()] == [2]
    assert [revision.text.goal for write in world.ledger.writes for revision in write.facts.revisions] == [
        "A house stands",
        "A pool",
    ]


@pytest.mark.rule("8.1")
@pytest.mark.parametrize("signal", ["A pool", {"goal": "A pool"}])
async def test_the_web_uis_signal_changes_the_goal(world: Surroundings, signal: Any) -> None:
    world.daemon.plans = [planned(("floor", [])), planned(("pool", []))]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")
    await handle.signal("goal_changed", signal)

    async def planned_again() -> bool:
        return (await now(handle)).planned == 2

    await until(planned_again)
    assert (await now(handle)).directive.text.goal == "A pool"


@pytest.mark.rule("8.1")
async def test_a_signal_that_makes_no_sense_is_left_out(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")
    await handle.signal("goal_changed", "")
    await handle.signal("goal_changed", {"aim": "x"})
    assert (await now(handle)).generation == 1


@pytest.mark.rule("8.3")
@pytest.mark.rule("5.3")
async def test_a_question_waits_without_using_an_attempt_and_its_answer_reaches_the_agent(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]

    async def asks(command: SpawnTask) -> Outcome:
        text = "Which wood?"
        answers = [question for question in command.context.answers if question.answer]
        if answers:
            return Outcome(
                task=command.task,
                attempt=command.attempt,
                status=OutcomeStatus.COMPLETED,
                work=work_of(command),
                summary=answers[0].answer or "",
            )
        question = Question(id=question_id(command.task, text), task=command.task, text=text, choices=("oak", "pine"))
        return Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.WAITING, questions=(question,))

    world.daemon.endings["floor"] = asks
    handle = await world.start(world.directive())

    async def asked() -> bool:
        return bool((await now(handle)).questions)

    await until(asked)
    (question,) = (await now(handle)).questions.values()
    shown = await handle.query(DirectiveWorkflow.status)
    assert "asks: Which wood?" in shown.steps[0].waiting
    wrong = requests.AnswerQuestion(question=str(question.id), answer="steel")
    assert "one of: oak, pine" in await refused(handle, DirectiveWorkflow.answer, wrong)
    right = requests.AnswerQuestion(question=question.id.hex[:8], answer="oak")
    await handle.execute_update(DirectiveWorkflow.answer, right)
    state = await until_status(handle, "idle")
    (step,) = state.steps.values()
    assert step.summary == "oak"
    assert [command.attempt for command in world.daemon.commands if command.step_name] == [1, 1]


@pytest.mark.rule("8.3")
async def test_a_questions_default_answers_it_at_its_deadline(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]

    async def asks(command: SpawnTask) -> Outcome:
        answered = [question.answer for question in command.context.answers if question.answer]
        done = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED)
        if answered:
            return done.model_copy(update={"work": work_of(command), "summary": answered[0]})
        from datetime import UTC, datetime, timedelta

        deadline = datetime.now(UTC) + timedelta(seconds=1)
        question = Question(
            id=question_id(command.task, "Wood?"), task=command.task, text="Wood?", default="pine", deadline=deadline
        )
        return done.model_copy(update={"status": OutcomeStatus.WAITING, "questions": (question,)})

    world.daemon.endings["floor"] = asks
    handle = await world.start(world.directive())
    state = await until_status(handle, "idle")
    assert [step.summary for step in state.steps.values()] == ["pine"]


@pytest.mark.rule("8.2")
async def test_memories_reach_the_agents_and_come_back_from_them(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []), ("roof", ["floor"]))]

    async def remembers(command: SpawnTask) -> Outcome:
        memory = Memory(key="wood", value="oak")
        return Outcome(
            task=command.task,
            attempt=command.attempt,
            status=OutcomeStatus.COMPLETED,
            work=work_of(command),
            memories=(MemoryChange(key="wood", memory=memory),),
        )

    world.daemon.endings["floor"] = remembers
    handle = await world.start(world.directive(memory=True))
    await handle.execute_update(DirectiveWorkflow.set_memory, requests.SetMemory(key="colour", value="red"))
    await until_status(handle, "idle")
    roof = next(command for command in world.daemon.commands if command.step_name == "roof")
    assert {memory.key: memory.value for memory in roof.context.memories} == {"colour": "red", "wood": "oak"}
    too_much = requests.SetMemory(key="big", value="x" * 9000)
    assert "at most 8 KiB" in await refused(handle, DirectiveWorkflow.set_memory, too_much)


@pytest.mark.rule("5.4")
async def test_a_refused_task_goes_to_another_daemon_and_not_back(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    refusals = 0

    async def refuses_once(command: SpawnTask) -> Outcome:
        nonlocal refusals
        refusals += 1
        if refusals == 1:
            raise CannotServe("no concrete")
        return Outcome(
            task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, work=work_of(command)
        )

    world.daemon.endings["floor"] = refuses_once
    world.ledger.daemons = ["scripted", "other"]
    async with world.daemon_worker("other"):
        handle = await world.start(world.directive())
        state = await until_status(handle, "idle")
    (task,) = [task for task in state.tasks.values() if task.step]
    assert task.daemon == "other"
    assert task.attempt == 1


@pytest.mark.rule("5.4")
async def test_finished_work_that_a_broken_remote_cannot_take_goes_back_to_the_daemon_that_has_it(
    world: Surroundings,
) -> None:
    world.daemon.plans = [planned(("floor", []))]
    told: list[ResumableSession | None] = []

    async def waits_once(command: SpawnTask) -> Outcome:
        told.append(command.resume)
        if len(told) == 1:
            held = ResumableSession(agent="a", session="", daemon="other", is_finished=True)
            return Outcome(
                task=command.task, attempt=1, status=OutcomeStatus.WAITING, summary="bad object", resume=held
            )
        return Outcome(task=command.task, attempt=1, status=OutcomeStatus.COMPLETED, work=work_of(command))

    world.daemon.endings["floor"] = waits_once
    async with world.daemon_worker("other"):
        handle = await world.start(world.directive())
        state = await until_status(handle, "idle")
    (task,) = [task for task in state.tasks.values() if task.step]
    assert (task.daemon, task.attempt) == ("other", 1), "the queue that any daemon serves was open, too"
    assert told[1] and told[1].is_finished

    async def its_wait_is_recorded() -> bool:
        events = [event for write in world.ledger.writes for event in write.facts.events]
        return any(event.what == EventName.TASK_WAITS and event.why == "bad object" for event in events)

    await until(its_wait_is_recorded)


@pytest.mark.rule("5.4")
async def test_finished_work_whose_daemon_never_comes_back_is_done_by_another_one(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]

    async def waits_once(command: SpawnTask) -> Outcome:
        del world.daemon.endings["floor"]
        held = ResumableSession(agent="a", session="", daemon="gone", is_finished=True)
        return Outcome(task=command.task, attempt=1, status=OutcomeStatus.WAITING, resume=held)

    world.daemon.endings["floor"] = waits_once
    world.ledger.daemons = ["other"]
    soon = Timings.fast().model_copy(update={"schedule_to_start": timedelta(seconds=1)})
    async with world.daemon_worker("other"):
        handle = await world.start(world.directive(timings=soon))
        state = await until_status(handle, "idle")
    (task,) = [task for task in state.tasks.values() if task.step]
    assert (task.daemon, task.attempt) == ("other", 1)


@pytest.mark.rule("5.4")
async def test_a_refusal_until_a_time_is_waited_for(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    until_then = datetime.now(UTC) + timedelta(hours=3)

    async def refuses(command: SpawnTask) -> Outcome:
        raise CannotServe("no task of claude", until_then)

    world.daemon.endings["floor"] = refuses
    world.ledger.daemons = ["scripted"]
    handle = await world.start(world.directive())

    async def waits() -> bool:
        state = await handle.query(DirectiveWorkflow.state_now)
        return any(task.wait_until == until_then for task in state.tasks.values())

    await until(waits)


@pytest.mark.rule("5.4")
async def test_a_task_goes_on_when_the_time_has_come_that_its_daemon_has_named(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    began: list[datetime] = []
    until_then = datetime.now(UTC)

    async def refuses_until_then(command: SpawnTask) -> Outcome:
        nonlocal until_then
        began.append(datetime.now(UTC))
        if len(began) == 1:
            until_then = began[0] + timedelta(seconds=1.5)
            raise CannotServe("no task of claude", until_then)
        return Outcome(
            task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, work=work_of(command)
        )

    world.daemon.endings["floor"] = refuses_until_then
    world.ledger.daemons = ["scripted"]
    slow = Timings.fast().model_copy(update={"cannot_serve": timedelta(minutes=5)})
    handle = await world.start(world.directive(timings=slow))
    await until_status(handle, "idle")
    _, second = began
    assert timedelta(0) <= second - until_then < timedelta(seconds=20)


@pytest.mark.rule("5.4")
async def test_a_step_with_a_label_waits_for_a_daemon_that_has_it_also_after_a_refusal(world: Surroundings) -> None:
    plan = [PlannedStep(name="train", task_plan="train it", label="gpu"), *planned(("floor", []))]
    world.daemon.plans = [plan]
    refusals = iter([CannotServe("no driver")])

    async def refuses_once(command: SpawnTask) -> Outcome:
        for refusal in refusals:
            raise refusal
        return Outcome(
            task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, work=work_of(command)
        )

    world.daemon.endings["train"] = refuses_once
    world.ledger.daemons = ["scripted", "other"]
    handle = await world.start(world.directive())

    async def floor_is_done() -> bool:
        return "floor" in world.daemon.ended

    await until(floor_is_done)
    assert "train" not in world.daemon.started, "the daemon here has no label"
    async with world.label_worker("gpu"), world.daemon_worker("other"):
        await until_status(handle, "idle")
    assert world.daemon.started.count("train") == 2
    assert [wanted.label for wanted in world.ledger.wanted] == ["gpu"]


@pytest.mark.rule("5.4")
async def test_a_chosen_daemon_that_does_not_take_the_task_up_is_excluded_too(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]

    async def refuses(command: SpawnTask) -> Outcome:
        raise CannotServe("no concrete")

    world.daemon.endings["floor"] = refuses
    world.ledger.daemons = ["scripted", "asleep"]
    handle = await world.start(world.directive())

    async def explained() -> bool:
        shown = await handle.query(DirectiveWorkflow.status)
        return any("asleep: did not take the task up in time" in step.waiting for step in shown.steps)

    await until(explained)
    await handle.execute_update(DirectiveWorkflow.archive, requests.Archive())
    await asyncio.wait_for(handle.result(), 20)


@pytest.mark.rule("8.2")
async def test_a_replan_asks_the_planner_again_with_the_comment(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", [])), []]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")
    await handle.execute_update(DirectiveWorkflow.replan, requests.Replan(comment="think of the cellar"))

    async def again() -> bool:
        return (await now(handle)).planned == 2

    await until(again)
    assert "think of the cellar" in world.daemon.commands[-1].prompt


@pytest.mark.rule("9.2")
async def test_the_web_ui_is_told_where_it_stands_when_it_asks(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    handle = await world.start(world.directive(once=True))
    await handle.result()
    told = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert told.current_details.startswith("**completed**, generation 1: 1 completed")
    assert "floor" in told.current_details
