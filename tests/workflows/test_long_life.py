"""A directive lives for months: its history continues as new, its state stays small (design 6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from daemon.core.attempt_key import AttemptKey, StateKind
from domain import requests
from domain.directive_secret import new_secret
from domain.failures import Failure, FailureCategory
from domain.models import Directive, State, Step, Task, Text, Work
from domain.names import step_task
from domain.operations import Refusal, apply
from domain.plan import MAX_TASK_PLAN, PlannedStep
from domain.size import MAX_STATE, state_size, without_finished_texts
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from tests.unit.directives import NOW
from tests.workflows.scripted import BASE, Handle, Surroundings, plan_of, planned, surroundings, until, until_status
from workflows.directive import DirectiveWorkflow


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        yield made


def many(count: int, prefix: str) -> list[PlannedStep]:
    return planned(*((f"{prefix} {number}", []) for number in range(count)))


async def runs_of(handle: Handle) -> int:
    """How many runs the directive has had, from its first one's link."""
    description = await handle.describe()
    first, count = description.raw_description.workflow_execution_info.first_run_id, 1
    run = description.run_id
    while run != first:
        history = await handle._client.get_workflow_handle(handle.id, run_id=run).fetch_history()
        run = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        count += 1
    return count


@pytest.mark.rule("2.5")
async def test_two_hundred_steps_in_one_plan_cost_at_most_24_events_each(world: Surroundings) -> None:
    world.daemon.plans = [many(200, "step")]
    handle = await world.start(world.directive(max_parallel_steps=64, rest_at_events=40_000))
    state = await until_status(handle, "idle")
    assert sum(step.status is StepStatus.COMPLETED for step in state.steps.values()) == 200
    events = [event async for event in handle.fetch_history_events()]
    assert len(events) / 200 <= 24


async def test_a_chain_costs_at_most_24_events_a_step_however_long_it_is(world: Surroundings) -> None:
    async def events_for(length: int) -> float:
        world.daemon.plans = [planned(*((str(n), [str(n - 1)] if n else []) for n in range(length)))]
        handle = await world.start(world.directive())
        await until_status(handle, "idle")
        return len([event async for event in handle.fetch_history_events()])

    short, long = await events_for(5), await events_for(35)
    assert (long - short) / 30 <= 24


@pytest.mark.rule("9.1")
async def test_six_hundred_steps_over_generations_go_on_in_new_runs(world: Surroundings) -> None:
    world.daemon.plans = [many(200, "one"), many(200, "two"), many(200, "three")]
    directive = world.directive(max_parallel_steps=64, rest_at_events=1_000)
    handle = await world.start(directive)
    for generation in (1, 2, 3):
        if generation > 1:
            # The same id again, now in whichever run there is: one effect.
            for _ in range(2):
                change = requests.ChangeGoal(goal=f"goal {generation}")
                await handle.execute_update(DirectiveWorkflow.change_goal, change, id=f"goal-{generation}")

        async def done(generation: int = generation) -> bool:
            await asyncio.sleep(0.5)  # the answer holds all steps: asked for more often it slows what it waits for
            state = await handle.query(DirectiveWorkflow.state_now)
            return state.planned == generation and state.status is DirectiveStatus.IDLE

        await until(done, seconds=180)
    state = await handle.query(DirectiveWorkflow.state_now)
    assert state.generation == 3
    assert len(state.steps) == 600
    assert all(step.shipped for step in state.steps.values())
    names = [name for name in world.daemon.started if name not in ("planning", "completion")]
    assert len(names) == len(set(names)) == 600, "no finished step ran again"
    assert await runs_of(handle) > 1
    # Answered in a run before this one: still no second effect.
    again = requests.ChangeGoal(goal="goal 2")
    answer = await handle.execute_update(DirectiveWorkflow.change_goal, again, id="goal-2")
    assert answer.generation == 2
    assert (await handle.query(DirectiveWorkflow.state_now)).generation == 3

    async def recorded() -> bool:
        return {step.name for step in world.ledger.steps.values() if step.status is StepStatus.COMPLETED} == set(names)

    await until(recorded)  # the record follows the workflow a moment later


async def test_a_directive_that_is_never_quiet_is_held_and_goes_on(world: Surroundings) -> None:
    """Overlapping steps leave no quiet moment; from the threshold on nothing is started until there is one."""
    chains = [(f"{lane}.{n}", [f"{lane}.{n - 1}"] if n else []) for lane in range(4) for n in range(15)]
    world.daemon.plans = [planned(*chains)]
    handle = await world.start(world.directive(rest_at_events=200))
    state = await until_status(handle, "idle")
    assert len(state.steps) == 60
    assert len(world.daemon.started) == len(set(world.daemon.started))
    assert await runs_of(handle) > 1


@pytest.mark.rule("6.8")
async def test_a_directive_keeps_its_secret_when_it_goes_on_in_new_runs(world: Surroundings) -> None:
    world.secret = new_secret()
    world.daemon.plans = [planned(*((f"{n}", [f"{n - 1}"] if n else []) for n in range(30)))]
    handle = await world.start(world.directive(rest_at_events=200))
    await until_status(handle, "idle")
    assert await runs_of(handle) > 1
    commands = [command for command in world.daemon.commands if command.kind is not TaskKind.PREPARE]
    assert len(commands) == len({command.task for command in commands}) == 32
    for command in commands:
        written, read = AttemptKey.of(command.model_copy(update={"secret": world.secret})), AttemptKey.of(command)
        assert written and read, "an attempt of a later run has a key"
        assert read.decrypt(StateKind.OUTCOME, written.encrypt(StateKind.OUTCOME, b"done", "ref"), "ref") == b"done"


@pytest.mark.rule("6.8")
async def test_a_run_from_the_record_asks_it_for_ends_in_its_later_runs_too(world: Surroundings) -> None:
    steps = planned(*((f"{n}", [f"{n - 1}"] if n else []) for n in range(30)))
    state = State(directive=world.directive(rest_at_events=200), given_plan=plan_of(steps).add)
    last = step_task(state.given_plan[-1].id)
    failure = Failure(category=FailureCategory.REPOSITORY, report="as the record tells")
    world.ledger.ended[last, 1] = Outcome(task=last, attempt=1, status=OutcomeStatus.FAILED, failure=failure)
    handle = await world.start_from(state, begin=True, may_know_less=True)
    after = await until_status(handle, "idle")
    assert await runs_of(handle) > 1
    assert "28" in world.daemon.started and "29" not in world.daemon.started
    assert [step.failure for step in after.steps.values() if step.failure] == [failure]


def finished(number: int) -> tuple[Step, Task]:
    step = Step(
        id=uuid4(),
        generation=1 + number // 200,
        position=number % 200,
        name=f"A step with an ordinary name, number {number}",
        task_plan="x" * 2000,
        description="y" * 500,
        status=StepStatus.COMPLETED,
        work=Work(branch=f"makima/a-directive-a-step-with-an-ordinary-name-{number}", base=BASE, head=BASE, commits=1),
        shipped=True,
    )
    name = f"Build a house: {step.name}"
    task = Task(
        id=step_task(step.id),
        kind=TaskKind.STEP,
        name=name,
        step=step.id,
        generation=step.generation,
        status=TaskStatus.COMPLETED,
        daemon="a-daemon-somewhere",
        delivery="12345678",
    )
    return step, task


@pytest.mark.rule("1")
async def test_a_thousand_finished_steps_and_texts_at_their_limit_continue_as_new(world: Surroundings) -> None:
    done = [finished(number) for number in range(1000)]
    directive = world.directive(max_parallel_steps=64, rest_at_events=100)
    state = State(
        directive=directive,
        status=DirectiveStatus.IDLE,
        generation=5,
        planned=5,
        bases=dict.fromkeys(range(1, 6), BASE),
        steps={step.id: step for step, _ in done},
        tasks={task.id: task for _, task in done},
    )
    given = without_finished_texts(state)
    big = [PlannedStep(name=f"big {n}", task_plan="x" * (MAX_TASK_PLAN - 500)) for n in range(7)]
    world.daemon.plans = [big]
    world.daemon.hold("big 0")
    handle = await world.start_from(given)
    await handle.execute_update(DirectiveWorkflow.change_goal, requests.ChangeGoal(goal="goal 6"))

    async def nearly_done() -> bool:
        steps = (await handle.query(DirectiveWorkflow.state_now)).steps.values()
        return len(steps) == 1007 and sum(not step.status.is_finished for step in steps) == 1

    await until(nearly_done, seconds=90)
    assert state_size(await handle.query(DirectiveWorkflow.state_now)) < MAX_STATE
    world.daemon.holds["big 0"].set()

    async def continued() -> bool:
        return await runs_of(handle) > 1

    await until(continued)
    after = await until_status(handle, "idle")
    assert len(after.steps) == 1007


def test_what_would_not_fit_one_payload_is_refused_with_what_helps() -> None:
    done = [finished(number)[0] for number in range(1000)]
    directive = Directive(
        id=uuid4(),
        owner="default",
        text=Text(title="t", goal="g"),
        repository="https://example.invalid/r.git",
        base_branch="main",
    )
    state = State(
        directive=directive,
        status=DirectiveStatus.IDLE,
        planned=1,
        bases={1: BASE},
        steps={step.id: step for step in done},
    )
    refusal = apply(state, requests.SetMemory(key="a", value="b"), NOW)
    assert isinstance(refusal, Refusal)
    assert "let steps finish, remove some, or start another directive" in refusal.reason
