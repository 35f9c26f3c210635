"""What makes a plan valid, and how it becomes steps (SPEC 3.4): one validator for both ways to hand a plan over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from domain.errors import PlanRefused
from domain.models import State, Step
from domain.spawn_task import KnownStep, PlanChanges

MAX_STEPS = 200
MAX_NAME = 200
MAX_DESCRIPTION = 4 * 1024
MAX_TASK_PLAN = 64 * 1024
MAX_PLAN = 512 * 1024
MAX_UNFINISHED_TEXTS = 768 * 1024


class PlannedStep(BaseModel):
    """A step as a planner writes it, in camel or snake case; dependencies by name or id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    task_plan: str = Field("", validation_alias=AliasChoices("task_plan", "taskPlan"))
    depends_on: tuple[str, ...] = Field((), validation_alias=AliasChoices("depends_on", "dependsOn"))
    order_index: int = Field(0, validation_alias=AliasChoices("order_index", "orderIndex"))


def read_planned(entries: object) -> list[PlannedStep]:
    """The steps of a decoded JSON list; PlanRefused names the entry and the field that is wrong."""
    if not isinstance(entries, list):
        raise PlanRefused("a plan is a JSON list of steps")
    return [_read_one(number, entry) for number, entry in enumerate(entries, 1)]


def _read_one(number: int, entry: object) -> PlannedStep:
    try:
        return PlannedStep.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "entry"
        name = entry.get("name", "") if isinstance(entry, dict) else ""
        raise PlanRefused(f"step {number} ({name!r}): {field}: {first['msg']}") from error


def add_steps(
    changes: PlanChanges,
    planned: Sequence[PlannedStep],
    *,
    generation: int,
    known: Iterable[KnownStep],
    new_id: Callable[[], UUID],
) -> PlanChanges:
    """`changes` with `planned` added as steps of `generation`; PlanRefused if any rule of SPEC 3.4 is broken.

    A name in `depends_on` means this plan's step first, else the newest known step of that name; an id means that step.
    """
    start = len(changes.add)
    named = [(step, new_id()) for step in planned]
    target = _targets(known, changes.add, [(step.name.strip(), identity) for step, identity in named])
    added = tuple(
        _step(step, identity, generation, start + index, target) for index, (step, identity) in enumerate(named)
    )
    extended = PlanChanges(add=changes.add + added, remove=changes.remove)
    check(extended)
    return extended


def _targets(known: Iterable[KnownStep], earlier: Iterable[Step], new: Iterable[tuple[str, UUID]]) -> dict[str, UUID]:
    """What a name or an id in `depends_on` means; later entries win, so this plan's names stand last."""
    target: dict[str, UUID] = {}
    ordered = sorted(known, key=lambda step: step.generation)
    pairs = [(step.name, step.id) for step in ordered] + [(step.name, step.id) for step in earlier] + list(new)
    for name, identity in pairs:
        target[name] = identity
        target[str(identity)] = identity
    return target


def _step(planned: PlannedStep, identity: UUID, generation: int, position: int, target: dict[str, UUID]) -> Step:
    name = planned.name.strip()
    depends_on = []
    for wanted in planned.depends_on:
        if wanted.strip() not in target:
            raise PlanRefused(f"step {name!r} depends on {wanted!r}, which is no step's name or id")
        depends_on.append(target[wanted.strip()])
    return Step(
        id=identity,
        generation=generation,
        position=position,
        name=name,
        description=planned.description,
        task_plan=planned.task_plan or planned.description,
        depends_on=tuple(dict.fromkeys(depends_on)),
        order_index=planned.order_index,
    )


def check(changes: PlanChanges) -> None:
    """Raise PlanRefused with the first broken rule of SPEC 1 and 3.4 among the added steps."""
    if len(changes.add) > MAX_STEPS:
        raise PlanRefused(f"a plan has at most {MAX_STEPS} steps, this one has {len(changes.add)}")
    names: set[str] = set()
    for step in changes.add:
        _check_texts(step)
        if step.name in names:
            raise PlanRefused(f"two steps of one plan are named {step.name!r}")
        names.add(step.name)
    if text_size(changes.add) > MAX_PLAN:
        raise PlanRefused(f"a plan holds at most {MAX_PLAN // 1024} KiB of text")
    _check_order(changes.add)


def _check_texts(step: Step) -> None:
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
    if step.order_index < 0:
        raise PlanRefused(f"step {step.name!r}: order_index is {step.order_index}, it starts at 0")


def _check_order(steps: Sequence[Step]) -> None:
    """No cycle, where a phase is a dependency on every lower phase of the same generation (SPEC 4.1)."""
    graph = {
        step.id: set(step.depends_on) | {other.id for other in steps if other.order_index < step.order_index}
        for step in steps
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names = {step.id: step.name for step in steps}
        path = " → ".join(repr(names.get(identity, str(identity))) for identity in reversed(error.args[1]))
        raise PlanRefused(f"the steps wait for each other in a circle: {path}") from error


def text_size(steps: Iterable[Step]) -> int:
    """Bytes of UTF-8 in the texts of `steps`."""
    return sum(len((step.name + step.description + step.task_plan).encode()) for step in steps)


def known_steps(state: State) -> tuple[KnownStep, ...]:
    """The steps of `state` as the agent's commands see them, oldest first."""
    return tuple(
        KnownStep(
            id=step.id,
            name=step.name,
            generation=step.generation,
            status=step.status.value,
            finished=step.status.is_finished,
            running=step.status.value == "running",
            depends_on=step.depends_on,
        )
        for step in state.ordered_steps()
    )
