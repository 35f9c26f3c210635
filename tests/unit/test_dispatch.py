"""From a task to the command that a daemon gets (rules 5.2, 5.8), and the order in which steps are taken (4.3)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from pydantic import SecretStr, ValidationError

from domain.directive_settings import AgentChoice
from domain.dispatch import spawn_command
from domain.failures import Failure, FailureCategory
from domain.folding import fold_interrupted
from domain.models import Memory, PlanChanges, State, Task
from domain.plan import PlannedStep, add_steps, known_steps
from domain.prompts import PROMPT_LIMIT
from domain.requests import ChangeGoal, SetMemory
from domain.spawn_task import OutcomeStatus, SpawnTask
from domain.statuses import TaskKind
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, granted, planned_state, settled
from tests.values import question


def one_step(**fields: object) -> PlanChanges:
    step = PlannedStep.model_validate({"name": "roof", "task_plan": "tiles", "description": "flat", **fields})
    return add_steps(PlanChanges(), [step], generation=1, known=(), new_id=uuid4)


def command_of(state: State) -> SpawnTask:
    (task,) = dispatchable(state)
    return spawn_command(state, task)


@pytest.mark.rule("5.2")
def test_a_command_survives_its_way_through_json_and_ignores_what_it_doesnt_know() -> None:
    command = command_of(planned_state(one_step()))
    newer = {**command.model_dump(mode="json"), "version": "1.9", "from_the_future": True}
    assert SpawnTask.model_validate(newer) == command.model_copy(update={"version": "1.9"})


@pytest.mark.rule("5.2")
def test_a_newer_major_version_is_refused_clearly() -> None:
    command = command_of(planned_state(one_step()))
    with pytest.raises(ValidationError, match="this daemon understands up to 1"):
        SpawnTask.model_validate({**command.model_dump(mode="json"), "version": "2.0"})


@pytest.mark.rule("5.2")
def test_a_step_without_dependencies_starts_from_its_generations_base() -> None:
    command = command_of(planned_state(one_step()))
    assert (command.base_commit, command.continue_from, command.merge) == (BASE, None, ())
    assert command.target_branch == f"makima/house-roof-{command.task.hex[:8]}"
    assert command.script == "tiles"


@pytest.mark.rule("5.8")
def test_a_steps_prompt_holds_its_parts_in_order() -> None:
    state = planned_state(one_step(), memory=True)
    state = granted(state, SetMemory(key="wood", value="oak beams"))
    (task,) = dispatchable(state)
    failure = Failure(category=FailureCategory.AGENT, report="fell off the ladder")
    state = ended(state, task, status=OutcomeStatus.FAILED, failure=failure)
    prompt = command_of(state).prompt
    parts = ["House: roof", "flat", "tiles", "oak beams", "fell off the ladder", "makima directive fail"]
    places = [prompt.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.rule("5.8")
@pytest.mark.rule("1")
def test_a_prompt_stays_within_its_limit_and_keeps_goal_and_rules() -> None:
    steps = [PlannedStep(name=f"{'n' * 190}{n}", task_plan="x") for n in range(200)]
    state = planned_state(add_steps(PlanChanges(), steps, generation=1, known=(), new_id=uuid4), max_parallel_steps=64)
    for _ in range(4):
        for task in dispatchable(state):
            failure = Failure(category=FailureCategory.AGENT, report="r" * 4000)
            state = ended(state, task, status=OutcomeStatus.FAILED, failure=failure)
    state = granted(state, ChangeGoal(goal="the newest goal"))
    planner = next(task for task in state.live(TaskKind.PLANNING))
    prompt = spawn_command(state, planner).prompt
    assert len(prompt.encode()) <= PROMPT_LIMIT
    assert "the newest goal" in prompt
    assert "batch-add-steps" in prompt


@pytest.mark.rule("4.3")
def test_ready_steps_are_taken_by_generation_then_phase_then_place_in_the_plan() -> None:
    first = [PlannedStep(name=name, task_plan="x") for name in ("a", "b", "c")]
    state = planned_state(add_steps(PlanChanges(), first, generation=1, known=(), new_id=uuid4), max_parallel_steps=1)
    state = granted(state, ChangeGoal(goal="more"))
    planner = next(task for task in state.live(TaskKind.PLANNING))
    second = [PlannedStep(name="d", task_plan="x", depends_on=("a",)), PlannedStep(name="e", task_plan="x")]
    changes = add_steps(PlanChanges(), second, generation=2, known=known_steps(state), new_id=uuid4)
    (held,) = state.live(TaskKind.STEP)
    assert held.unwanted
    state = settled(fold_interrupted(state, held, NOW).state)
    state = ended(state, planner, plan=changes, base_commit=BASE)
    taken = []
    while tasks := [task for task in dispatchable(state) if task.step]:
        (task,) = tasks
        assert task.step is not None
        taken.append(state.steps[task.step].name)
        state = ended(state, task)
    assert taken == ["a", "b", "c", "d", "e"]


@pytest.mark.rule("1")
def test_memories_reach_a_command_only_where_they_are_enabled() -> None:
    enabled = granted(planned_state(one_step(), memory=True), SetMemory(key="k", value="v"))
    assert command_of(enabled).context.memories == (Memory(key="k", value="v"),)
    disabled = granted(planned_state(one_step()), SetMemory(key="k", value="v"))
    assert command_of(disabled).context.memories == ()


@pytest.mark.rule("5.2")
def test_a_command_tells_its_step_by_id_and_name_and_a_prepare_task_has_neither_agent_nor_prompt() -> None:
    state = planned_state(one_step())
    (step,) = state.steps.values()
    command = command_of(state)
    assert (command.step, command.step_name) == (step.id, "roof")
    given = begun(planner=None).model_copy(update={"given_plan": one_step().add})
    prepare = command_of(settled(State(**{**dict(given), "tasks": {}, "status": "planning"})))
    assert (prepare.kind, prepare.agent, prepare.prompt, prepare.script) == (TaskKind.PREPARE, None, "", "")


@pytest.mark.rule("6.8")
def test_the_secret_goes_with_every_command_that_leaves_state_on_a_remote_and_with_no_other() -> None:
    secret = SecretStr("s" * 43)
    state = planned_state(one_step())
    (task,) = dispatchable(state)
    assert not spawn_command(state, task, secret).secret, "the directive was started without one"
    state = state.model_copy(update={"authenticated": True})
    assert spawn_command(state, task, secret).secret == secret
    prepare = Task(id=uuid4(), kind=TaskKind.PREPARE, name="Prepare: House", generation=1)
    assert not spawn_command(state, prepare, secret).secret


@pytest.mark.rule("7.2")
def test_work_on_nothing_that_is_unmerged_needs_no_bridge() -> None:
    state = planned_state(one_step())
    merged = state.merged.model_copy(update={"heads": ("d" * 40,), "generation": 1})
    command = command_of(state.model_copy(update={"merged": merged}))
    assert (command.bridges, command.base_commit, command.merge) == ((), "", ())


@pytest.mark.rule("4.5")
def test_a_completion_is_told_which_commits_must_not_be_in_it() -> None:
    state = planned_state(one_step())
    state = ended(state, dispatchable(state)[0])
    shepherding = state.shepherding.model_copy(update={"taken_back": ("e" * 40,)})
    assert command_of(state.model_copy(update={"shepherding": shepherding})).taken_back == ("e" * 40,)


@pytest.mark.rule("3.1")
@pytest.mark.rule("5.7")
def test_a_command_carries_its_limits_and_what_its_agents_commands_answer_from() -> None:
    state = planned_state(one_step(), memory=True, max_turns=7, max_cost_usd=2.5, agent=AgentChoice(name="builder"))
    state = granted(state, SetMemory(key="wood", value="oak"))
    (task,) = dispatchable(state)
    own, other = question(task.id, "Which nails?"), question(uuid4(), "Which saw?")
    state = state.model_copy(update={"questions": {each.id: each for each in (own, other)}})
    command = spawn_command(state, task)
    timings = state.directive.settings.timings
    assert (command.limits.turns, command.limits.cost_usd) == (7, 2.5)
    assert (command.limits.time, command.limits.no_output) == (timings.step_limit, timings.no_output)
    assert (command.agent, command.context.answers) == (AgentChoice(name="builder"), (own,)), "the planner's is another"
    assert (command.context.memory_enabled, [each.key for each in command.context.memories]) == (True, ["wood"])
    assert command.context.steps == (), "only a planner changes the plan"
    planner = Task(id=uuid4(), kind=TaskKind.PLANNING, name="Re-plan: House", generation=2)
    told = spawn_command(state, planner)
    assert ([step.name for step in told.context.steps], told.limits.time) == (["roof"], timings.planning_limit)


@pytest.mark.rule("6.4")
def test_what_needed_no_change_is_nothing_to_build_on() -> None:
    steps = [PlannedStep(name="floor", task_plan="x"), PlannedStep(name="wall", task_plan="x", depends_on=("floor",))]
    state = planned_state(add_steps(PlanChanges(), steps, generation=1, known=(), new_id=uuid4))
    command = command_of(ended(state, dispatchable(state)[0], work=None))
    assert (command.step_name, command.base_commit, command.continue_from, command.merge) == ("wall", BASE, None, ())
