"""From a task of the state to the SpawnTask command that runs its attempt (SPEC 5.2)."""

from __future__ import annotations

from uuid import UUID

from domain import names, prompts
from domain.models import State, Step, StepStatus, Task, TaskKind
from domain.plan import known_steps
from domain.settings import AgentChoice, Limits
from domain.spawn_task import CommandContext, ContinueFrom, SpawnTask


def spawn_command(state: State, task: Task) -> SpawnTask:
    """The command for the task's current attempt."""
    match task.kind:
        case TaskKind.STEP:
            return _step_command(state, task)
        case TaskKind.COMPLETION:
            return _completion_command(state, task)
        case TaskKind.PLANNING:
            return _command(
                state,
                task,
                prompt=prompts.planning_prompt(state, task),
                agent=state.directive.settings.planner,
            )
        case TaskKind.PREPARE:
            return _command(state, task, prompt="", agent=None)


def _step_command(state: State, task: Task) -> SpawnTask:
    assert task.step is not None
    step = state.steps[task.step]
    heads = _heads_of(state, step)
    return _command(
        state,
        task,
        prompt=prompts.step_prompt(state, step, task),
        agent=state.directive.settings.agent,
        script=step.task_plan,
        step=step.id,
        step_name=step.name,
        base_commit=state.bases[step.generation],
        target_branch=names.task_branch(task.name, task.id),
        continue_from=heads[0] if heads else None,
        merge=tuple(heads[1:]),
    )


def _completion_command(state: State, task: Task) -> SpawnTask:
    directive = state.directive
    steps = [state.steps[identity] for identity in task.ships]
    pull_request = state.pull_request
    return _command(
        state,
        task,
        prompt=prompts.completion_prompt(state, steps),
        agent=directive.settings.agent,
        target_branch=pull_request.branch
        if pull_request
        else names.directive_branch(directive.text.title, directive.id),
        merge=tuple(_head(step) for step in steps if step.work),
    )


def _command(state: State, task: Task, *, prompt: str, agent: AgentChoice | None, **fields: object) -> SpawnTask:
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
            "agent": agent,
            "limits": _limits(state, task),
            "pulse": directive.settings.timings.pulse,
            "settle": directive.settings.timings.settle,
            "checkpoint_every": directive.settings.timings.checkpoint,
            "context": _context(state, task),
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
        memory_enabled=enabled,
        memories=tuple(state.memories.values()) if enabled else (),
        answers=tuple(question for question in state.questions.values() if question.task == task.id),
    )


def _limits(state: State, task: Task) -> Limits:
    timings = state.directive.settings.timings
    time = {TaskKind.STEP: timings.step_limit, TaskKind.COMPLETION: timings.completion_limit}
    settings = state.directive.settings
    return Limits(
        time=time.get(task.kind, timings.planning_limit),
        no_output=timings.no_output,
        turns=settings.max_turns,
        cost_usd=settings.max_cost_usd,
    )


def _heads_of(state: State, step: Step) -> list[ContinueFrom]:
    """The finished work that a step builds on, in the order of its dependencies, each commit once (SPEC 6.4)."""
    heads: dict[str, ContinueFrom] = {}
    for other in step.depends_on:
        for head in _heads_through(state, state.steps[other]):
            heads.setdefault(head.commit, head)
    return list(heads.values())


def _heads_through(state: State, step: Step) -> list[ContinueFrom]:
    """A step's own head; through a skipped one, those of the steps that it would have built on."""
    if step.work is not None:
        return [_head(step)]
    if step.status is StepStatus.SKIPPED:
        return [head for other in step.depends_on for head in _heads_through(state, state.steps[other])]
    return []


def _head(step: Step) -> ContinueFrom:
    assert step.work is not None
    task: UUID = names.step_task(step.id)
    return ContinueFrom(task=task, name=step.name, branch=step.work.branch, commit=step.work.head)
