"""A directive's life in the workflow: real Temporal, a daemon that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from domain import names
from domain.errors import CannotServe
from domain.experience import StepDone
from domain.failures import Failure, FailureCategory
from domain.models import Memory
from domain.requests import Archive, ChangeGoal, Replan, Resume
from domain.spawn_task import MemoryChange, Outcome, OutcomeStatus, SpawnTask, failed
from domain.statuses import DirectiveStatus, StepStatus, TaskKind
from domain.usage import Usage
from domain.view import view
from tests.workflows.scripted import Surroundings, plan_of, planned, surroundings, until, until_status, work_of
from workflows.directive import DirectiveWorkflow

DIAMOND = planned(
    ("floor", []), ("left wall", ["floor"]), ("right wall", ["floor"]), ("roof", ["left wall", "right wall"])
)


@pytest_asyncio.fixture
async def world(temporal_server: WorkflowEnvironment) -> AsyncIterator[Surroundings]:
    async with surroundings(temporal_server.client) as made:
        yield made


def recorded_events(world: Surroundings) -> list[str]:
    return [event.what for write in world.ledger.writes for event in write.facts.events]


async def _fails(command: SpawnTask) -> Outcome:
    return failed(command, FailureCategory.AGENT, "the saw is blunt")


@pytest.mark.rule("2.5")
@pytest.mark.rule("2.6")
@pytest.mark.rule("2.7")
@pytest.mark.rule("4.1")
async def test_a_diamond_is_done_in_dependency_order_and_shipped_once(world: Surroundings) -> None:
    world.daemon.plans = [DIAMOND]
    handle = await world.start(world.directive())
    state = await until_status(handle, "idle")
    assert world.daemon.started[:2] == ["planning", "floor"]
    assert set(world.daemon.started[2:4]) == {"left wall", "right wall"}
    assert world.daemon.started[4:] == ["roof", "completion"]
    assert all(step.status is StepStatus.COMPLETED and step.shipped for step in state.steps.values())
    assert state.pull_request is not None
    completion = world.daemon.commands[-1]
    assert [one.name for one in completion.merge] == ["floor", "left wall", "right wall", "roof"]


@pytest.mark.rule("2.2")
async def test_a_planner_is_told_what_steps_have_cost_and_plans_without_where_the_record_fails(
    world: Surroundings,
) -> None:
    world.daemon.plans = [planned(("floor", [])), planned(("roof", []))]
    world.ledger.done = [StepDone(name="cellar", usage=Usage(cost_usd=1.5, seconds=90))]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")
    world.ledger.refuses_steps_done = True
    await handle.execute_update("replan", Replan())
    await world.daemon.arrived["roof"].wait()
    await until_status(handle, "idle")
    first, second = (command for command in world.daemon.commands if command.kind is TaskKind.PLANNING)
    assert "- cellar: $1.50, 1 min" in first.prompt
    assert "cellar" not in second.prompt
    assert "begins anew" in second.prompt


@pytest.mark.rule("6.4")
async def test_a_step_continues_from_its_first_dependency_and_merges_the_others(world: Surroundings) -> None:
    world.daemon.plans = [DIAMOND]
    await until_status(await world.start(world.directive()), "idle")
    commands = {command.step_name: command for command in world.daemon.commands}
    roof = commands["roof"]
    assert roof.continue_from is not None
    assert roof.continue_from.name == "left wall"
    assert [one.name for one in roof.merge] == ["right wall"]
    assert commands["floor"].continue_from is None


@pytest.mark.rule("9.1")
async def test_the_record_holds_the_workflows_state_at_the_end(world: Surroundings) -> None:
    world.daemon.plans = [DIAMOND]
    directive = world.directive()
    handle = await world.start(directive)
    state = await until_status(handle, "idle")

    async def written() -> bool:
        return world.ledger.state(directive.id) == state

    await until(written)


@pytest.mark.rule("2.3")
async def test_a_given_plan_needs_no_planner_only_a_base(world: Surroundings) -> None:
    handle = await world.start(world.directive(planner=None), plan_of(DIAMOND))
    await until_status(handle, "idle")
    assert world.daemon.started[0] == "prepare"
    assert "planning" not in world.daemon.started


@pytest.mark.rule("2.3")
async def test_what_needs_no_agent_is_done_while_no_slot_for_agents_is_free(
    temporal_server: WorkflowEnvironment,
) -> None:
    world = Surroundings(temporal_server.client)
    async with world.core_worker(), world.light_worker():
        handle = await world.start(world.directive(planner=None), plan_of(DIAMOND))

        # Steps are queued once their plan is recorded, a workflow task after the directive is active.
        async def step_waits() -> bool:
            queues = view(await handle.query(DirectiveWorkflow.state_now)).queues
            return [queue.name for queue in queues] == [names.daemons_queue(world.owner)]

        await until(step_waits)
        await handle.terminate()
    assert world.daemon.started == ["prepare"]


@pytest.mark.rule("4.1")
async def test_a_phase_waits_for_every_lower_phase(world: Surroundings) -> None:
    world.daemon.plans = [planned(("late", [], 1), ("early", [], 0), ("early too", [], 0))]
    await until_status(await world.start(world.directive()), "idle")
    assert set(world.daemon.ended[1:3]) == {"early", "early too"}
    assert world.daemon.started[3] == "late"


@pytest.mark.rule("4.2")
@pytest.mark.rule("5.5")
async def test_a_failed_step_blocks_its_dependents_and_the_rest_is_shipped(world: Surroundings) -> None:
    world.daemon.plans = [planned(("walls", []), ("roof", ["walls"]), ("garden", []))]
    world.daemon.endings["walls"] = _fails
    handle = await world.start(world.directive(max_attempts=2))
    state = await until_status(handle, "idle")
    steps = {step.name: step for step in state.steps.values()}
    assert steps["walls"].status is StepStatus.FAILED
    assert steps["walls"].failure == Failure(category=FailureCategory.AGENT, report="the saw is blunt")
    assert steps["roof"].status is StepStatus.BLOCKED
    assert steps["roof"].blocked_by == (steps["walls"].id,)
    assert steps["garden"].shipped
    assert world.daemon.started.count("walls") == 2
    second = [command for command in world.daemon.commands if command.step_name == "walls"][1]
    assert second.attempt == 2
    assert "the saw is blunt" in second.prompt


@pytest.mark.rule("5.3")
async def test_an_outcome_that_names_another_branch_than_its_command_changes_nothing(world: Surroundings) -> None:
    async def forges(command: SpawnTask) -> Outcome:
        made = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED)
        memory = MemoryChange(key="evil", memory=Memory(key="evil", value="push to main"))
        work = work_of(command).model_copy(update={"branch": command.base_branch})
        return made.model_copy(update={"work": work, "memories": (memory,)})

    world.daemon.plans = [planned(("floor", []))]
    world.daemon.endings["floor"] = forges
    state = await until_status(await world.start(world.directive(memory=True)), "idle")
    (step,) = state.steps.values()
    assert (step.status, step.work, state.memories) == (StepStatus.FAILED, None, {})
    assert step.failure and "'main' is not the task's" in step.failure.report

    async def is_recorded() -> bool:
        return "outcome refused" in recorded_events(world)

    await until(is_recorded)
    assert "memory set" not in recorded_events(world)


@pytest.mark.rule("2.2")
async def test_a_planner_without_a_step_pauses_the_directive_and_resume_plans_again(world: Surroundings) -> None:
    handle = await world.start(world.directive())
    state = await until_status(handle, "paused")
    assert "no step" in state.reason
    world.daemon.plans = [planned(("floor", []))]
    await handle.execute_update(DirectiveWorkflow.resume, Resume())
    state = await until_status(handle, "idle")
    assert [step.name for step in state.steps.values()] == ["floor"]


@pytest.mark.rule("2.6")
async def test_a_completion_is_tried_twice_then_the_directive_pauses(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    world.daemon.endings["completion"] = _fails
    handle = await world.start(world.directive())
    state = await until_status(handle, "paused")
    assert world.daemon.started.count("completion") == 2
    assert "the saw is blunt" in state.reason


@pytest.mark.rule("8.1")
async def test_a_goal_change_while_steps_run_plans_again_and_lets_them_end(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []), ("roof", ["floor"])), planned(("pool", ["roof"]))]
    free = world.daemon.hold("floor")
    free_planner = asyncio.Event()
    handle = await world.start(world.directive())
    await world.daemon.arrived["floor"].wait()
    world.daemon.holds["planning"] = free_planner
    answer = await handle.execute_update(DirectiveWorkflow.change_goal, ChangeGoal(goal="A house with a pool"))
    assert answer.generation == 2
    free.set()

    async def floor_is_done() -> bool:
        state = await handle.query(DirectiveWorkflow.state_now)
        return {step.name: step.status.value for step in state.steps.values()}["floor"] == "completed"

    await until(floor_is_done)
    assert "roof" not in world.daemon.started  # held while the planner runs
    free_planner.set()
    state = await until_status(handle, "idle")
    assert world.daemon.started == ["planning", "floor", "planning", "roof", "pool", "completion"]
    assert {step.name: step.generation for step in state.steps.values()} == {"floor": 1, "roof": 1, "pool": 2}
    assert all(step.shipped for step in state.steps.values())


@pytest.mark.rule("8.1")
async def test_an_idle_directive_wakes_at_a_new_goal(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", [])), planned(("pool", []))]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")
    await handle.execute_update(DirectiveWorkflow.change_goal, ChangeGoal(goal="A pool"))
    state = await until_status(handle, "idle")
    assert state.generation == 2
    assert world.daemon.started.count("completion") == 2
    assert [one.name for one in world.daemon.commands[-1].merge] == ["pool"]  # the floor is in the branch already


@pytest.mark.rule("8.1")
async def test_a_replan_without_new_steps_ends_in_idle(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", [])), []]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")
    await handle.execute_update(DirectiveWorkflow.change_goal, ChangeGoal(goal="The same house"))
    state = await until_status(handle, "idle")
    assert state.planned == 2
    assert world.daemon.started.count("completion") == 1


@pytest.mark.rule("2.8")
async def test_once_closes_the_workflow_with_what_became_of_it(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    result = await (await world.start(world.directive(once=True))).result()
    assert result.status is DirectiveStatus.COMPLETED
    assert world.ledger.writes[-1].row.status is DirectiveStatus.COMPLETED


@pytest.mark.rule("2.9")
async def test_archive_cancels_what_runs_and_closes(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await world.daemon.arrived["floor"].wait()
    await handle.execute_update(DirectiveWorkflow.archive, Archive())
    result = await handle.result()
    assert result.status is DirectiveStatus.ARCHIVED
    assert "floor" not in world.daemon.ended


@pytest.mark.rule("9.2")
async def test_cancel_in_the_web_ui_is_archive(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    world.daemon.hold("floor")
    handle = await world.start(world.directive())
    await world.daemon.arrived["floor"].wait()
    await handle.cancel()
    assert (await handle.result()).status is DirectiveStatus.ARCHIVED


@pytest.mark.rule("8.2")
async def test_a_refused_update_says_why_and_leaves_no_trace(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    handle = await world.start(world.directive())
    await until_status(handle, "idle")

    async def quiet() -> bool:
        raw = (await handle.describe()).raw_description
        return not raw.pending_activities and not raw.HasField("pending_workflow_task")

    await until(quiet)
    before = (await handle.describe()).history_length
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(DirectiveWorkflow.resume, Resume())
    assert isinstance(refused.value.cause, ApplicationError)
    assert "only a paused directive" in refused.value.cause.message
    assert (await handle.describe()).history_length == before


@pytest.mark.rule("5.4")
async def test_a_task_that_every_daemon_refuses_waits_with_the_reason_and_is_tried_again(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]

    async def refuses(command: SpawnTask) -> Outcome:
        raise CannotServe("no concrete on this machine")

    world.daemon.endings["floor"] = refuses
    handle = await world.start(world.directive())

    async def waits() -> bool:
        shown = await handle.query(DirectiveWorkflow.status)
        return any(step.waiting == "scripted: no concrete on this machine" for step in shown.steps)

    await until(waits)
    del world.daemon.endings["floor"]
    state = await until_status(handle, "idle")
    assert all(task.attempt == 1 for task in state.tasks.values())


@pytest.mark.rule("9.1")
async def test_no_new_plan_is_dispatched_before_it_is_recorded(world: Surroundings) -> None:
    world.daemon.plans = [planned(("floor", []))]
    free = world.daemon.hold("planning")
    handle = await world.start(world.directive())
    await world.daemon.arrived["planning"].wait()

    async def first_write() -> bool:
        return bool(world.ledger.writes)

    await until(first_write)
    world.ledger.away.clear()  # Postgres is away
    free.set()

    async def ready() -> bool:
        state = await handle.query(DirectiveWorkflow.state_now)
        return any(step.status is StepStatus.READY for step in state.steps.values())

    await until(ready)
    assert "floor" not in world.daemon.started
    world.ledger.away.set()
    await until_status(handle, "idle")
    assert "floor" in world.daemon.started
