"""What makes a plan valid, and how it becomes steps (rule 3.4): one validator for both ways to hand a plan over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError

from domain import directive_settings as settings
from domain.directive_settings import AgentChoice, StepAgents
from domain.errors import PlanRefused
from domain.models import PlanChanges, State, Step
from domain.phases import Gate, Node, Phases
from domain.plan_references import by_name, check_count
from domain.problems import first_problem
from domain.spawn_task import KnownStep
from domain.statuses import StepStatus
from domain.value import Value

MAX_CHANGED = 2000
"""Steps that a plan removes; a directive has hardly room for more."""
MAX_NAME = 200
MAX_DESCRIPTION = 4 * 1024
LAST_PHASE = 1_000_000
"""A step's highest order index: Postgres, and whoever reads it, take no number of any length."""
MAX_TASK_PLAN = 64 * 1024
MAX_PLAN = 512 * 1024
MAX_UNFINISHED_TEXTS = 768 * 1024
LABEL = re.compile(settings.LABEL)


def _names(given: object) -> object:
    return given.split(",") if isinstance(given, str) and given.strip() else given or ()


class PlannedStep(Value):
    """A step as a planner writes it, in camel or snake case; dependencies by name or id."""

    name: str
    description: str = ""
    task_plan: str = Field("", validation_alias=AliasChoices("task_plan", "taskPlan"))
    depends_on: tuple[str, ...] = Field((), validation_alias=AliasChoices("depends_on", "dependsOn"))
    order_index: int = Field(0, validation_alias=AliasChoices("order_index", "orderIndex"))
    label: str = ""
    agents: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        (), validation_alias=AliasChoices("agent", "agents")
    )
    model: str = ""


def read_planned(entries: object) -> list[PlannedStep]:
    """The steps of a decoded list, depending on names; PlanRefused names the entry and the field that is wrong."""
    if not isinstance(entries, list):
        raise PlanRefused("a plan is a JSON list of steps")
    check_count(len(entries))
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise PlanRefused(f"step {number} is no object: {str(entry)[:80]!r}")
    return [_read_one(number, entry) for number, entry in enumerate(by_name(entries), 1)]


def _read_one(number: int, entry: object) -> PlannedStep:
    try:
        return PlannedStep.model_validate(entry)
    except ValidationError as error:
        name = entry.get("name", "") if isinstance(entry, dict) else ""
        raise PlanRefused(f"step {number} ({name!r}): {first_problem(error, 'entry')}") from error


def add_steps(
    changes: PlanChanges,
    planned: Sequence[PlannedStep],
    *,
    generation: int,
    known: Iterable[KnownStep],
    new_id: Callable[[], UUID],
    agents: StepAgents = StepAgents.model_construct(),  # noqa: B008 - a frozen value
) -> PlanChanges:
    """`changes` with `planned` added as steps of `generation`; PlanRefused if any rule of rule 3.4 is broken.

    A name in `depends_on` means this plan's step first, else the newest known step of that name; an id means that step.
    `agents`: what the steps may be given.
    """
    known = tuple(known)
    start = max((step.position for step in changes.add), default=-1) + 1
    named = [(step, new_id()) for step in planned]
    target = targets(changes, known, [(step.name.strip(), identity) for step, identity in named])
    added = tuple(
        _step(step, identity, generation, start + index, target, agents) for index, (step, identity) in enumerate(named)
    )
    extended = changes.model_copy(update={"add": changes.add + added})
    check(extended)
    check_order(as_left(extended, known))
    return extended


def targets(changes: PlanChanges, known: Iterable[KnownStep], new: Iterable[tuple[str, UUID]] = ()) -> dict[str, UUID]:
    """What a name or an id in `depends_on` means; later entries win, so this plan's names stand last."""
    kept = sorted((step for step in known if step.id not in changes.remove), key=lambda step: step.generation)
    pairs = [(step.name, step.id) for step in kept] + [(step.name, step.id) for step in changes.add] + list(new)
    return {wanted: identity for name, identity in pairs for wanted in (name, str(identity))}


def resolved(name: str, depends_on: Iterable[str], target: dict[str, UUID]) -> tuple[UUID, ...]:
    """The ids that `depends_on` of the step `name` means, each once; PlanRefused for an unknown one (rule 3.4)."""
    alike: dict[str, set[UUID]] = {}
    for other, identity in target.items():
        alike.setdefault(other.casefold(), set()).add(identity)
    return tuple(dict.fromkeys(_meant(name, wanted, target, alike) for wanted in depends_on))


def _meant(name: str, wanted: str, target: Mapping[str, UUID], by_letters: Mapping[str, set[UUID]]) -> UUID:
    """By its exact name or id, else by the one name that differs in letter case alone."""
    if found := target.get(wanted.strip()):
        return found
    alike = by_letters.get(wanted.strip().casefold(), set())
    if len(alike) == 1:
        return next(iter(alike))
    why = "may mean more than one step" if alike else "is no step's name or id"
    raise PlanRefused(f"step {name!r} depends on {wanted[:200]!r}, which {why}")


def _step(
    planned: PlannedStep,
    identity: UUID,
    generation: int,
    position: int,
    target: dict[str, UUID],
    agents: StepAgents,
) -> Step:
    name = planned.name.strip()
    return Step(
        id=identity,
        generation=generation,
        position=position,
        name=name,
        description=planned.description,
        task_plan=planned.task_plan or planned.description,
        depends_on=resolved(name, planned.depends_on, target),
        order_index=planned.order_index,
        label=planned.label.strip(),
        agent=_agent(name, planned, agents),
    )


def _agent(name: str, planned: PlannedStep, agents: StepAgents) -> AgentChoice | None:
    try:
        return agents.chosen(planned.agents, planned.model.strip())
    except ValueError as error:
        raise PlanRefused(f"step {name!r}: {error}") from error


def check_agents(steps: Iterable[Step], agents: StepAgents) -> None:
    """Raise PlanRefused where a step has an agent that the operator doesn't allow, whatever a daemon says of it."""
    for step in steps:
        if step.agent:
            try:
                agents.chosen([each.name for each in step.agent.in_order], step.agent.model)
            except ValueError as error:
                raise PlanRefused(f"step {step.name!r}: {error}") from error
            if step.agent.arguments or any(each.model or each.arguments for each in step.agent.then):
                raise PlanRefused(f"step {step.name!r}: a plan gives an agent a model, and no more")


def as_left(changes: PlanChanges, known: Iterable[KnownStep]) -> list[Step]:
    """All steps as the plan leaves them: the known ones that it doesn't remove, without their texts, and its own."""
    told = {entry.step: entry.depends_on for entry in changes.set_deps}
    kept = [
        Step(
            **step.node() | {"depends_on": told.get(step.id, step.depends_on)},
            position=position,
            task_plan="",
            status=StepStatus(step.status),
        )
        for position, step in enumerate(known)
        if step.id not in changes.remove
    ]
    return [*kept, *changes.add]


def check(changes: PlanChanges) -> None:
    """Raise PlanRefused with the first broken rule of rules 1 and 3.4 among the added steps."""
    check_count(len(changes.add))
    if len(changes.remove) > MAX_CHANGED:
        raise PlanRefused(f"a plan removes at most {MAX_CHANGED} steps, this one {len(changes.remove)}")
    names: set[str] = set()
    for step in changes.add:
        check_texts(step)
        if step.name in names:
            raise PlanRefused(f"two steps of one plan are named {step.name!r}")
        names.add(step.name)
    told = [*(step.id for step in changes.add), *(entry.step for entry in changes.set_deps)]
    if len(set(told)) < len(told) or len(set(changes.remove)) < len(changes.remove):
        raise PlanRefused("a plan says what becomes of a step once, this one says it more than once")
    if text_size(changes.add) > MAX_PLAN:
        raise PlanRefused(f"a plan holds at most {MAX_PLAN // 1024} KiB of text")
    check_order(changes.add)


def check_texts(step: Step) -> None:
    """Raise PlanRefused where a step's own texts break a limit."""
    if not step.name:
        raise PlanRefused(f"step {step.position + 1} has no name")
    if len(step.name) > MAX_NAME:
        raise PlanRefused(f"step {step.name[:40]!r}…: a name has at most {MAX_NAME} characters")
    if not step.task_plan.strip():
        raise PlanRefused(f"step {step.name!r} has no task plan")
    for what, text, limit in (
        ("description", step.description, MAX_DESCRIPTION),
        ("task plan", step.task_plan, MAX_TASK_PLAN),
    ):
        if len(text.encode()) > limit:
            raise PlanRefused(f"step {step.name!r}: a {what} has at most {limit // 1024} KiB")
    if not 0 <= step.order_index <= LAST_PHASE:
        raise PlanRefused(f"step {step.name!r}: order_index is {step.order_index}, it lies between 0 and {LAST_PHASE}")
    if step.label and not LABEL.fullmatch(step.label):
        raise PlanRefused(f"step {step.name!r}: a label is up to 40 of [a-z0-9._-], not {step.label[:80]!r}")


def check_order(steps: Iterable[Step]) -> None:
    """No cycle, where a phase is a dependency on every lower phase of the same generation (rule 4.1)."""
    left = [step for step in steps if not step.status.is_finished]
    phases = Phases(left)
    graph = phases.graph() | {step.id: phases.waited_for_by(step) for step in left}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names: dict[Node, str] = {step.id: step.name for step in left}
        circle = [each for each in error.args[1][1:] if not isinstance(each, Gate)]
        path = " → ".join(repr(names.get(each, str(each))) for each in reversed([circle[-1], *circle]))
        raise PlanRefused(f"the steps wait for each other in a circle: {path}") from error


def check_unfinished_texts(state: State) -> None:
    """Raise PlanRefused where the steps still to be done hold too much text (rule 1)."""
    if text_size(step for step in state.steps.values() if not step.status.is_finished) > MAX_UNFINISHED_TEXTS:
        raise PlanRefused(f"the unfinished steps would hold more than {MAX_UNFINISHED_TEXTS // 1024} KiB of text")


def text_size(steps: Iterable[Step]) -> int:
    """Bytes of UTF-8 in the texts of `steps`."""
    return sum(len((step.name + step.description + step.task_plan).encode()) for step in steps)


def known_steps(state: State) -> tuple[KnownStep, ...]:
    """The steps of `state` as the agent's commands see them, oldest first."""
    return tuple(
        KnownStep(
            **step.node(),
            status=step.status,
            finished=step.status.is_finished,
            running=step.status is StepStatus.RUNNING,
        )
        for step in state.ordered_steps()
    )
