"""From a task of the state to the SpawnTask command that runs its attempt (rule 5.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from domain import budgeting, names, prompts
from domain.directive_secret import NO_SECRET
from domain.directive_settings import Limits, StepAgents
from domain.experience import StepDone
from domain.fallbacks import agent_of, name_of
from domain.models import State, Step, Task
from domain.plan import known_steps
from domain.pull_requests import shipping
from domain.pull_requests.merging import base_of
from domain.queues import feature_of
from domain.spawn_task import CommandContext, ContinueFrom, SpawnTask
from domain.statuses import StepStatus, TaskKind
from domain.used import Costs


def spawn_command(
    state: State,
    task: Task,
    secret: SecretStr = NO_SECRET,
    done: Sequence[StepDone] = (),
    costs: Costs | None = None,
) -> SpawnTask:
    """The command for the task's current attempt; with the directive's secret where a state is left on a remote.
    `done`: what earlier steps of the repository have cost, for a planner. `costs`: the state's, where
    more than one task of it is dispatched.
    """
    command = _command_of(costs or Costs(state), task, done)
    return command.model_copy(update={"secret": secret}) if feature_of(state, task) else command


def _command_of(costs: Costs, task: Task, done: Sequence[StepDone]) -> SpawnTask:
    match task.kind:
        case TaskKind.STEP:
            return _step_command(costs, task)
        case TaskKind.COMPLETION:
            return _completion_command(costs, task)
        case TaskKind.PLANNING:
            return _command(costs, task, prompt=prompts.planning_prompt(costs.state, task, done))
        case TaskKind.PREPARE:
            return _command(costs, task, prompt="")


def _step_command(costs: Costs, task: Task) -> SpawnTask:
    assert task.step is not None
    state = costs.state
    step = state.steps[task.step]
    settings = state.directive.settings
    return _command(
        costs,
        task,
        prompt=prompts.step_prompt(state, step, task),
        # A fix's plan quotes logs and comments: nothing may ever run it as a script.
        script="" if step.fix else step.task_plan,
        step=step.id,
        step_name=step.name,
        target_branch=names.task_branch(task.name, task.id, settings.prefix),
        **_ground(state, step),
    )


def _ground(state: State, step: Step) -> dict[str, Any]:
    """What a step's work builds on: finished work, the base branch, or both (rules 6.4, 7.2)."""
    heads = _heads_of(state, step)
    if not step.fix and (not heads or any(_rests_on_merged(state, state.steps[other]) for other in step.depends_on)):
        bridges = state.merged.heads if heads else ()
        return {"base_commit": base_of(state, step.generation), "merge": tuple(heads), "bridges": bridges}
    if step.fix:
        branch, base = shipping.target_branch(state), state.directive.base_branch
        heads = heads or [_outside(state, "the pull request", branch, step.fix.starts_at)]
        heads += [_outside(state, base, base, commit) for commit in step.fix.merges]
    # The recorded base, also where the branch has moved on: the repository's own settings are read there.
    return {"base_commit": state.bases[step.generation], "continue_from": heads[0], "merge": tuple(heads[1:])}


def _outside(state: State, name: str, branch: str, commit: str) -> ContinueFrom:
    """A commit that is no task's."""
    return ContinueFrom(task=state.directive.id, name=name, branch=branch, commit=commit)


def _completion_command(costs: Costs, task: Task) -> SpawnTask:
    state = costs.state
    steps = [state.steps[identity] for identity in task.ships]
    return _command(
        costs,
        task,
        prompt=prompts.completion_prompt(state, steps),
        # Once the budget is used up git alone merges: an agent, at a conflict, would cost more than there is.
        **({"agent": None} if budgeting.is_used_up(costs) else {}),
        target_branch=shipping.target_branch(state),
        merge=tuple(_head(step) for step in steps if step.work),
        bridges=state.merged.heads,
        taken_back=state.shepherding.taken_back,
        pull_request=shipping.wanted(state, task),
    )


def _command(costs: Costs, task: Task, *, prompt: str, **fields: object) -> SpawnTask:
    state = costs.state
    directive = state.directive
    return SpawnTask.model_validate(
        {
            "task": task.id,
            "name": task.name,
            "kind": task.kind,
            "attempt": task.attempt,
            "owner": directive.owner,
            "directive": directive.id,
            "directive_title": directive.text.title,
            "generation": task.generation,
            "prompt": prompt,
            "repository": directive.repository,
            "base_branch": directive.base_branch,
            "agent": agent_of(state, task),
            "handed_over": task.agents.before,
            "limits": _limits(costs, task),
            "pulse": directive.settings.timings.pulse,
            "settle": directive.settings.timings.settle,
            "checkpoint_every": directive.settings.timings.checkpoint,
            "context": _context(state, task),
            "branch_prefix": directive.settings.branch_prefix,
            "setup": directive.settings.setup,
            "verify": directive.settings.verify,
            "resume": task.resume,
            **fields,
        }
    )


def _context(state: State, task: Task) -> CommandContext:
    enabled = state.directive.settings.memory
    return CommandContext(
        steps=known_steps(state) if task.kind is TaskKind.PLANNING else (),
        agents=state.directive.settings.for_steps if task.kind is TaskKind.PLANNING else StepAgents(),
        memory_enabled=enabled,
        memories=tuple(state.memories.values()) if enabled else (),
        answers=tuple(question for question in state.questions.values() if question.task == task.id),
    )


def _limits(costs: Costs, task: Task) -> Limits:
    settings = costs.state.directive.settings
    timings = settings.timings
    time = {TaskKind.STEP: timings.step_limit, TaskKind.COMPLETION: timings.completion_limit}
    return Limits(
        time=time.get(task.kind, timings.planning_limit),
        no_output=timings.no_output,
        turns=settings.max_turns,
        cost_usd=settings.max_cost_usd,
        budget=budgeting.left_for(costs, task),
        whole_budget=settings.budget,
        rate=costs.rate_for(name_of(costs.state, task)),
    )


def _heads_of(state: State, step: Step) -> list[ContinueFrom]:
    """The finished work that a step builds on, in the order of its dependencies, each commit once (rule 6.4). What was
    merged is in the base branch.
    """
    heads: dict[str, ContinueFrom] = {}
    for other in _ground_steps(state, step.depends_on):
        if other.status is not StepStatus.MERGED and other.work is not None:
            heads.setdefault(other.work.head, _head(other))
    return list(heads.values())


def _rests_on_merged(state: State, step: Step) -> bool:
    """It is merged, or skipped on top of one that is."""
    return any(other.status is StepStatus.MERGED for other in _ground_steps(state, [step.id]))


def _ground_steps(state: State, wanted: Sequence[UUID]) -> Iterator[Step]:
    """The steps of `wanted`, and through skipped ones without work those that these would have built on; each once, for
    the ways through a net of skipped steps are more than can be walked.
    """
    seen: set[UUID] = set()
    waiting = list(reversed(wanted))
    while waiting:
        step = state.steps[waiting.pop()]
        if step.id in seen:
            continue
        seen.add(step.id)
        yield step
        if step.status is StepStatus.SKIPPED and step.work is None:
            waiting.extend(reversed(step.depends_on))


def _head(step: Step) -> ContinueFrom:
    assert step.work is not None
    task: UUID = names.step_task(step.id)
    merges = step.fix.merges if step.fix else ()
    return ContinueFrom(task=task, name=step.name, branch=step.work.branch, commit=step.work.head, merges=merges)
