"""What an agent hands to its daemon through the commands it calls in its shell (rule 3.1).

Every function takes the handover so far and gives the next one, or raises Refused: then nothing has changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ValidationError

from domain import memory
from domain.errors import PlanRefused, Refused
from domain.models import MAX_CHOICE, MAX_CHOICES, Memory, PlanChanges, Question
from domain.nodes import Dependencies
from domain.plan import PlannedStep, add_steps, as_left, check_order, resolved, targets
from domain.problems import first_problem
from domain.questions import OWN_CHOICES, question_id
from domain.spawn_task import CommandContext, KnownStep, MemoryChange, SpawnTask
from domain.statuses import TaskKind
from domain.value import Value

CONTEXT_FILE = "context.json"
HANDOVER_FILE = "handover.json"
ANSWERS_FILE = "answers.json"
ARTIFACTS_FOLDER = "artifacts"
LOCK_FILE = "handover.lock"

MAX_ARTIFACT_MESSAGE = 1_900_000
"""Bytes of an artifact as JSON: it must pass as one payload, and quotes and newlines grow on the way."""
MAX_ARTIFACTS = 50
MAX_REASON = 4 * 1024
MAX_OPEN_QUESTIONS = 5
"""A task's."""

_NO_FILE_NAME = re.compile(r"[/\x00-\x1f\x7f]|\A\.{1,2}\Z")
_WEB_ADDRESS = re.compile(r"\Ahttps?://[^\s\x00-\x1f]+\Z")


def file_name(name: str) -> str:
    """`name`, if a file of one folder can be called so; ValueError else."""
    if not name.strip() or _NO_FILE_NAME.search(name) or len(name.encode()) > 200:
        raise ValueError("an artifact's name is a file name of at most 200 bytes, without a slash")
    return name


class TaskContext(Value):
    """Written by the daemon before the agent starts; the commands answer from it."""

    task: UUID
    kind: TaskKind
    generation: int
    context: CommandContext


def task_context(command: SpawnTask) -> TaskContext:
    """Of the task that the command is for."""
    return TaskContext(task=command.task, kind=command.kind, generation=command.generation, context=command.context)


class Answers(Value):
    """Written by the daemon while the agent runs: the task's questions, with the answers that have come."""

    questions: tuple[Question, ...] = ()


class Handover(Value):
    """Written by the agent's commands, read by the daemon while the agent runs and when it has ended."""

    plan: PlanChanges = PlanChanges()
    memories: tuple[MemoryChange, ...] = ()
    """One for a key."""
    questions: tuple[Question, ...] = ()
    """All that it has asked; one stays open until its answer was printed."""
    artifacts: tuple[Annotated[str, AfterValidator(file_name)], ...] = ()
    """Names in the order in which they came; the files are in `artifacts/`."""
    pull_request_url: str = ""
    done: bool = False
    nothing_to_do: str = ""
    gave_up: str = ""

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """Asked, and the answer not heard yet."""
        return tuple(question for question in self.questions if question.is_open)


def add(
    handover: Handover, context: TaskContext, planned: Sequence[PlannedStep], new_id: Callable[[], UUID]
) -> Handover:
    """Steps added to the plan, all or none (rule 3.4)."""
    _require_planner(context)
    known = context.context.steps
    may = context.context.agents
    plan = add_steps(handover.plan, planned, generation=context.generation, known=known, new_id=new_id, agents=may)
    return _with(handover, plan=plan)


def remove_step(handover: Handover, context: TaskContext, reference: str) -> Handover:
    """A step taken out of the plan, or an existing one marked for removal; refused where one needs it (rule 4.5)."""
    _require_planner(context)
    plan = handover.plan
    step = _find(plan, context, reference)
    if isinstance(step, KnownStep) and step.finished:
        raise Refused(f"step {step.name!r} has finished and can't be removed")
    identity = step.id if isinstance(step, KnownStep) else step
    changed = plan.model_copy(
        update={
            "add": tuple(added for added in plan.add if added.id != identity),
            "remove": (*plan.remove, identity) if isinstance(step, KnownStep) else plan.remove,
            "set_deps": tuple(entry for entry in plan.set_deps if entry.step != identity),
        }
    )
    left = as_left(changed, context.context.steps)
    needed_by = [other.name for other in left if identity in other.depends_on and not other.status.is_finished]
    if needed_by:
        raise Refused(f"step {needed_by[0]!r} depends on it: remove that one first")
    return _with(handover, plan=changed)


def set_dependencies(handover: Handover, context: TaskContext, reference: str, depends_on: Sequence[str]) -> Handover:
    """Other dependencies for a step of this plan, or for an existing one that has not started."""
    _require_planner(context)
    plan, known = handover.plan, context.context.steps
    step = _find(plan, context, reference)
    others = resolved(reference, depends_on, targets(plan, known))
    if isinstance(step, KnownStep):
        if step.finished or step.running:
            raise Refused(f"step {step.name!r} is {step.status}: its dependencies can't be changed")
        kept = tuple(entry for entry in plan.set_deps if entry.step != step.id)
        plan = plan.model_copy(update={"set_deps": (*kept, Dependencies(step=step.id, depends_on=others))})
    else:
        added = tuple(one.model_copy(update={"depends_on": others}) if one.id == step else one for one in plan.add)
        plan = plan.model_copy(update={"add": added})
    check_order(as_left(plan, known))
    return _with(handover, plan=plan)


def _require_planner(context: TaskContext) -> None:
    if context.kind is not TaskKind.PLANNING:
        raise Refused("only the planner changes the plan")


def _find(plan: PlanChanges, context: TaskContext, reference: str) -> KnownStep | UUID:
    """An existing step, or the id of one that this plan adds; Refused where neither has this name or id."""
    identity = targets(plan, context.context.steps).get(reference.strip())
    if identity is None:
        raise PlanRefused(f"there is no step {reference!r}; `makima directive status` lists them")
    return next((step for step in context.context.steps if step.id == identity), identity)


def memories(handover: Handover, context: TaskContext) -> dict[str, Memory]:
    """What is remembered, with the agent's own changes; Refused where the directive has no memory (rule 1)."""
    if not context.context.memory_enabled:
        raise Refused("memory is not enabled for this directive")
    found = _remembered_before(context)
    for change in handover.memories:
        found.pop(change.key, None)
        if change.memory is not None:
            found[change.key] = change.memory
    return found


def set_memory(handover: Handover, context: TaskContext, new: Memory) -> Handover:
    """An entry written; Refused, with the limit named, where it doesn't fit."""
    after = memory.remembered(memories(handover, context), new)
    return _with(handover, memories=_changes(_remembered_before(context), after))


def delete_memory(handover: Handover, context: TaskContext, key: str) -> Handover:
    """An entry deleted; Refused where it isn't there."""
    after = memory.forgotten(memories(handover, context), key)
    return _with(handover, memories=_changes(_remembered_before(context), after))


def _remembered_before(context: TaskContext) -> dict[str, Memory]:
    return {entry.key: entry for entry in context.context.memories}


def _changes(before: Mapping[str, Memory], after: Mapping[str, Memory]) -> tuple[MemoryChange, ...]:
    """What leads from one to the other; first what makes room, so that no limit is met on the way that both keep."""
    deleted = [MemoryChange(key=key) for key in before if key not in after]
    written = [entry for key, entry in after.items() if before.get(key) != entry]
    written.sort(key=lambda entry: memory.size(entry) - (memory.size(before[entry.key]) if entry.key in before else 0))
    return (*deleted, *(MemoryChange(key=entry.key, memory=entry) for entry in written))


def is_reserved(choices: Collection[str]) -> bool:
    """Whether Makima acts on the answer to a question with these choices: an agent may not ask it in its place."""
    return any(set(choices) == set(own) for own in OWN_CHOICES)


def make_question(
    context: TaskContext,
    text: str,
    *,
    choices: Sequence[str] = (),
    background: str = "",
    default: str = "",
    deadline: datetime | None = None,
) -> Question:
    """A question of this task (rule 8.3); Refused where it makes no sense or is too long."""
    offered = tuple(choice.strip() for choice in choices if choice.strip())
    if is_reserved(offered):
        raise Refused(
            f"{', '.join(offered)} are the choices of a question that Makima itself asks: word them otherwise"
        )
    if default and offered and default not in offered:
        raise Refused(f"the default {default!r} is none of the choices")
    if default and deadline is None:
        raise Refused("a default needs a --timeout after which it is the answer")
    if len(offered) > MAX_CHOICES or any(len(choice) > MAX_CHOICE for choice in (*offered, default)):
        raise Refused(f"a question has at most {MAX_CHOICES} choices of {MAX_CHOICE} characters")
    try:
        return Question(
            id=question_id(context.task, text),
            task=context.task,
            text=text.strip(),
            choices=offered,
            context=background,
            default=default,
            deadline=deadline,
        )
    except ValidationError as error:
        raise Refused(f"the question's {first_problem(error)}") from error


def ask(handover: Handover, question: Question) -> Handover:
    """The question recorded for the daemon to show; one that is known stays as it is."""
    if any(known.id == question.id for known in handover.questions):
        return handover
    if len(handover.open_questions) >= MAX_OPEN_QUESTIONS:
        raise Refused(f"{MAX_OPEN_QUESTIONS} of your questions are open: end your work, it is resumed with the answers")
    return _with(handover, questions=(*handover.questions, question))


def hear(handover: Handover, answered: Question) -> Handover:
    """The answer was printed: the question no longer keeps the task waiting."""
    heard = tuple(answered if known.id == answered.id else known for known in handover.questions)
    return _with(handover, questions=heard)


def put_artifact(handover: Handover, name: str) -> Handover:
    """A file handed over; a later one of the same name takes its place."""
    if name in handover.artifacts:
        return handover
    if len(handover.artifacts) >= MAX_ARTIFACTS:
        raise Refused(f"a task hands over at most {MAX_ARTIFACTS} artifacts")
    return _with(handover, artifacts=(*handover.artifacts, name))


def set_pull_request(handover: Handover, url: str) -> Handover:
    """Where the agent has opened a pull request itself (rule 3.2)."""
    if len(url) > 2000 or not _WEB_ADDRESS.match(url):
        raise Refused(f"{url[:100]!r} is no web address (https://…)")
    return _with(handover, pull_request_url=url)


def finish(handover: Handover, nothing_to_do: str) -> Handover:
    """The task is done; a reason says that nothing had to be changed. The agent's last word counts."""
    return _with(handover, done=True, nothing_to_do=_reason(nothing_to_do), gave_up="")


def give_up(handover: Handover, reason: str) -> Handover:
    """It can't be done. The agent's last word counts."""
    if not reason.strip():
        raise Refused("say why: makima directive fail REASON")
    return _with(handover, done=False, nothing_to_do="", gave_up=_reason(reason))


def _reason(text: str) -> str:
    if len(text.encode()) > MAX_REASON:
        raise Refused(f"a reason has at most {MAX_REASON // 1024} KiB")
    return text.strip()


def _with(handover: Handover, **fields: object) -> Handover:
    return handover.model_copy(update=fields)
