"""A budget in the workflow: nothing starts once it is used up, and what was used is known in every run (rule 2.10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from domain import requests
from domain.agents import Away
from domain.budget import Budget
from domain.day_budget import used_up
from domain.directive_settings import AgentChoice
from domain.dispatch import spawn_command
from domain.errors import CannotServe
from domain.events import EventName
from domain.models import State
from domain.protocol import SignalName
from domain.questions import open_questions
from domain.recovery import recovered
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.usage import Rate, Usage
from domain.used import total_usage
from domain.why import why
from tests.workflows.scripted import PATIENT, Handle, Surroundings, planned, surroundings, until, until_status
from workflows.directive import DirectiveWorkflow

pytestmark = pytest.mark.rule("2.10")


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        yield made


def costs(amount: float) -> Usage:
    return Usage(cost_usd=amount, tokens=1000, seconds=1)


async def stopped(world: Surroundings, handle: Handle) -> State:
    """Paused at the end of its budget, and nothing runs any more."""

    async def nothing_runs() -> bool:
        return not (await handle.query(DirectiveWorkflow.state_now)).live()

    await until_status(handle, "paused")
    await until(nothing_runs)
    return await handle.query(DirectiveWorkflow.state_now)


async def half_built(world: Surroundings, **settings: object) -> tuple[Handle, State]:
    """Of three steps two ran when the first one's cost ended the budget; the other was called back."""
    world.daemon.plans = [planned(("floor", []), ("wall", []), ("roof", []))]
    world.daemon.uses = {"planning": costs(1), "floor": costs(9), "wall": costs(2)}
    floor, wall = world.daemon.hold("floor"), world.daemon.hold("wall")
    handle = await world.start(world.directive(budget=Budget(cost_usd=10), max_parallel_steps=2, **settings))
    await world.daemon.arrived["floor"].wait()
    await world.daemon.arrived["wall"].wait()
    floor.set()
    state = await stopped(world, handle)
    wall.set()
    return handle, state


async def test_what_ran_at_the_end_is_called_back_with_what_it_had_used(world: Surroundings) -> None:
    handle, state = await half_built(world)
    assert total_usage(state).cost_usd == pytest.approx(12), "overspent by what was in flight"
    assert sorted(world.daemon.started) == ["floor", "planning", "wall"]
    assert len(open_questions(state)) == 1
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("resume", requests.Resume())
    await handle.execute_update("edit", requests.EditDirective(budget=Budget(cost_usd=100)))
    state = await until_status(handle, "idle")
    again = [command for command in world.daemon.commands if command.step_name == "wall"]
    assert [command.attempt for command in again] == [1, 1]
    assert again[1].resume
    assert again[1].limits.budget.cost_usd == pytest.approx(100 - 12 + 2)
    assert total_usage(state).cost_usd == pytest.approx(12), "what it had used before is part of its end, not beside it"
    assert open_questions(state) == []


async def test_a_run_from_the_record_neither_forgets_nor_counts_twice(world: Surroundings) -> None:
    handle, state = await half_built(world)

    async def is_recorded() -> bool:
        return world.ledger.state(state.directive.id) == await handle.query(DirectiveWorkflow.state_now)

    await until(is_recorded)
    await handle.terminate()
    lost = recovered(world.ledger.state(state.directive.id))
    again = await world.start_from(lost, may_know_less=True)
    state = await again.query(DirectiveWorkflow.state_now)
    assert total_usage(state).cost_usd == pytest.approx(12)
    (question,) = open_questions(state)
    await again.execute_update("answer", requests.AnswerQuestion(question=str(question.id), answer="finish"))
    state = await until_status(again, "idle")
    assert {step.name: step.status for step in state.steps.values()} == {
        "floor": StepStatus.COMPLETED,
        "wall": StepStatus.CANCELLED,
        "roof": StepStatus.CANCELLED,
    }
    assert world.daemon.commands[-1].agent is None
    assert world.daemon.started[-1] == "completion"


async def test_runs_that_continue_as_new_keep_what_was_spent(world: Surroundings) -> None:
    names = [f"step {number}" for number in range(30)]
    world.daemon.plans = [planned(*((name, []) for name in names))]
    world.daemon.uses = {name: costs(1) for name in names}
    directive = world.directive(budget=Budget(cost_usd=25), max_parallel_steps=2, rest_at_events=100)
    handle = await world.start(directive)
    state = await stopped(world, handle)
    assert 25 <= total_usage(state).cost_usd <= 26
    assert len([name for name in world.daemon.started if name in names]) <= 26
    events = [event for write in world.ledger.writes for event in write.facts.events]
    assert [event.what for event in events].count(EventName.BUDGET_NEARLY_USED) == 1


async def lost_machine(world: Surroundings, **settings: object) -> Handle:
    """A step whose machine has told that it used 3 USD, and was heard no more."""
    world.daemon.plans = [planned(("roof", []))]
    world.daemon.beats, world.daemon.falls_silent = {"roof": costs(3)}, {"roof"}
    world.daemon.hold("roof")
    timings = PATIENT.model_copy(update={"heartbeat": timedelta(seconds=8), "cannot_serve": timedelta(hours=1)})
    return await world.start(world.directive(budget=Budget(cost_usd=10), timings=timings, **settings))


async def test_what_a_lost_machine_had_told_is_known_to_the_next_one_and_counts_though_that_refuses(
    world: Surroundings,
) -> None:
    async def refuses(command: SpawnTask) -> Outcome:
        raise CannotServe("the disk is full")

    world.daemon.endings["roof"] = refuses
    handle = await lost_machine(world)

    async def is_on_another_machine() -> bool:
        return world.daemon.started.count("roof") == 2

    await until(is_on_another_machine)
    assert world.daemon.used_before[-1] == costs(3)
    world.daemon.holds["roof"].set()

    async def waits() -> bool:
        state = await handle.query(DirectiveWorkflow.state_now)
        return any(task.status is TaskStatus.WAITING for task in state.live())

    await until(waits)
    state = await handle.query(DirectiveWorkflow.state_now)
    assert total_usage(state) == costs(3)
    (roof,) = state.live()
    resume = spawn_command(state, roof).resume
    assert resume
    assert (resume.session, resume.usage) == ("", costs(3))


async def test_what_a_machine_had_told_counts_where_its_attempt_is_given_up_for_lost(world: Surroundings) -> None:
    handle = await lost_machine(world, max_deliveries=1, max_attempts=1)

    async def has_failed() -> bool:
        state = await handle.query(DirectiveWorkflow.state_now)
        return any(step.status is StepStatus.FAILED for step in state.steps.values())

    await until(has_failed)
    assert total_usage(await handle.query(DirectiveWorkflow.state_now)) == costs(3)


async def test_the_record_is_asked_once_what_agents_cost_here_where_a_budget_of_money_needs_it(
    world: Surroundings,
) -> None:
    world.ledger.known_rates = {"roofer": Rate(token_usd=2e-6, second_usd=0.001)}
    world.daemon.plans = [planned(("roof", []), ("door", []))]
    directive = world.directive(budget=Budget(cost_usd=10), agent=AgentChoice(name="roofer"))
    handle = await world.start(directive)
    state = await until_status(handle, "idle")
    assert state.budgeting.rates == world.ledger.known_rates
    roof = next(command for command in world.daemon.commands if command.step_name == "roof")
    assert roof.limits.rate == world.ledger.known_rates["roofer"]
    events = [event async for event in handle.fetch_history_events()]
    asked = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    assert asked.count("find_rates") == 1


@pytest.mark.rule("2.11")
@pytest.mark.parametrize("account", ["", "claude/default"])
async def test_what_waits_for_the_next_day_goes_on_by_itself_or_once_that_budget_is_raised(
    world: Surroundings, account: str
) -> None:
    async def waits(command: SpawnTask) -> Outcome:
        del world.daemon.endings["roof"]
        until_midnight = datetime.now(UTC) + timedelta(hours=20)
        fields = {"summary": used_up(account), "wait_until": until_midnight, "away": Away.PARKED if account else None}
        given = {"task": command.task, "attempt": command.attempt, "status": OutcomeStatus.WAITING, **fields}
        return Outcome.model_validate(given)

    world.daemon.plans = [planned(("roof", []))]
    world.daemon.endings["roof"] = waits
    handle = await world.start(world.directive())

    async def roof_waits() -> bool:
        state = await handle.query(DirectiveWorkflow.state_now)
        return any(task.status is TaskStatus.WAITING for task in state.live(TaskKind.STEP))

    await until(roof_waits)
    state = await handle.query(DirectiveWorkflow.state_now)
    (step,) = state.steps.values()
    told = why(state, step, (), datetime.now(UTC))
    assert told.startswith(f"it waits: {used_up(account)}; it goes on at "), told
    await handle.signal(SignalName.DAY_BUDGET_FREED, "codex/other")
    await handle.signal(SignalName.DAY_BUDGET_FREED, 5)
    assert await roof_waits(), "of another account"
    await handle.signal(SignalName.DAY_BUDGET_FREED, account)
    await until_status(handle, "idle")
    assert [command.attempt for command in world.daemon.commands if command.step_name == "roof"] == [1, 1]


@pytest.mark.rule("2.11")
async def test_another_agent_goes_on_where_an_accounts_day_is_over(world: Surroundings) -> None:
    async def waits(command: SpawnTask) -> Outcome:
        assert command.agent
        if command.agent.name == "codex":
            return world.daemon.done(command)
        until_midnight = datetime.now(UTC) + timedelta(hours=20)
        fields = {"summary": used_up("claude/default"), "wait_until": until_midnight, "away": Away.PARKED}
        given = {"task": command.task, "attempt": command.attempt, "status": OutcomeStatus.WAITING, **fields}
        return Outcome.model_validate(given)

    world.daemon.plans = [planned(("roof", []))]
    world.daemon.endings["roof"] = waits
    listed = AgentChoice(name="claude", then=(AgentChoice(name="codex"),))
    handle = await world.start(world.directive(agent=listed))
    await until_status(handle, "idle")
    assert [each.agent.name for each in world.daemon.commands if each.step_name == "roof" and each.agent] == [
        "claude",
        "codex",
    ]
