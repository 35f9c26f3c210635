"""Values for tests: a plain directive, and any state at all."""

from __future__ import annotations

import types
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID, uuid4

from annotated_types import Ge, Le, MaxLen, MinLen
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domain.directive_settings import AgentChoice, NamedAgent, Settings
from domain.models import Directive, Memory, Question, State, Step, Task, Text
from domain.moment import EARLIEST, LATEST
from domain.names import step_task
from domain.opening_choice import DraftPolicy, OpeningChoice
from domain.questions import question_id
from domain.record import Event
from domain.statuses import TaskKind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    float: st.floats(0, 1e9, width=32),
    UUID: st.uuids(),
    datetime: st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None), timezones=st.just(UTC)),
    timedelta: st.timedeltas(timedelta(), timedelta(days=365)),
    type(None): st.none(),
}
_NAMED = st.builds(NamedAgent, name=TEXTS, model=TEXTS, arguments=st.lists(TEXTS, max_size=2).map(tuple))
PLAIN[AgentChoice] = st.lists(_NAMED, min_size=1, max_size=3, unique_by=lambda agent: agent.name).map(
    lambda listed: AgentChoice(**dict(listed[0]), then=tuple(listed[1:]))
)


def directive_with(steps: int = 2, owner: str = "me", title: str = "Add auth") -> State:
    """A directive in its first generation whose steps each have a task."""
    directive = Directive(
        id=uuid4(), owner=owner, text=Text(title=title, goal="g"), repository="/r", base_branch="main"
    )
    made = [Step(id=uuid4(), generation=1, position=n, name=f"step {n}", task_plan="do it") for n in range(steps)]
    tasks = [
        Task(id=step_task(step.id), kind=TaskKind.STEP, name=step.name, step=step.id, generation=1) for step in made
    ]
    return State(directive=directive, steps={s.id: s for s in made}, tasks={t.id: t for t in tasks})


def with_step(state: State, step: UUID, **fields: Any) -> State:
    """`state` with other fields in one of its steps."""
    return state.model_copy(update={"steps": state.steps | {step: state.steps[step].model_copy(update=fields)}})


def question(task: UUID, text: str = "Which port?", **fields: Any) -> Question:
    return Question(id=question_id(task, text), task=task, text=text, **fields)


def asking(state: State, *questions: Question) -> State:
    """`state` with these questions and no others."""
    return state.model_copy(update={"questions": {asked.id: asked for asked in questions}})


def remembering(state: State, **memories: str) -> State:
    """`state` with these memories and no others."""
    kept = {key: Memory(key=key, value=value) for key, value in memories.items()}
    return state.model_copy(update={"memories": kept})


def event(what: str, **fields: Any) -> Event:
    return Event(at=NOON, actor="makima", what=what, **fields)


@st.composite
def states(draw: st.DrawFn) -> State:
    """Any state whatever: every field of every model takes part, also one that comes to be later."""
    # No step is planned without a task plan; in the record an empty one says that the workflow has dropped it.
    step = values_of(Step, task_plan=TEXTS.filter(bool))
    steps = draw(st.lists(step, max_size=4, unique_by=lambda step: step.id))
    identities = st.sampled_from([step.id for step in steps]) if steps else st.nothing()
    tasks = draw(st.lists(values_of(Task, step=st.none() | identities), max_size=4, unique_by=lambda task: task.id))
    memories = draw(st.lists(values_of(Memory), max_size=3, unique_by=lambda memory: memory.key))
    askers = st.sampled_from([task.id for task in tasks]) if tasks else st.nothing()
    asked = st.lists(values_of(Question, task=askers), max_size=3, unique_by=lambda question: question.id)
    questions = draw(asked) if tasks else []
    contents = {
        "steps": st.just({step.id: step for step in steps}),
        "tasks": st.just({task.id: task for task in tasks}),
        "memories": st.just({memory.key: memory for memory in memories}),
        "questions": st.just({question.id: question for question in questions}),
    }
    issues = st.lists(st.sampled_from(["#7", "#12", "team/shop#7"]), max_size=3, unique=True).map(tuple)
    opening = st.none() | st.builds(OpeningChoice, labels=st.just(("bot",)), draft=st.sampled_from(DraftPolicy))
    settings = values_of(
        Settings, opening=opening, branch_prefix=st.sampled_from(["", "feature/", "team/makima-"]), closes=issues
    )
    owned = values_of(Directive, owner=st.text("abc-", min_size=1), settings=settings)
    state: State = draw(values_of(State, directive=owned, **contents))
    return state


def values_of(model: type[BaseModel], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any value of a model, with some of its fields given."""
    fields = {name: given[name] if name in given else _field(info) for name, info in model.model_fields.items()}
    return st.fixed_dictionaries(fields).map(lambda chosen: model(**chosen))


def _field(info: FieldInfo) -> st.SearchStrategy[Any]:
    limits = {type(limit): limit for limit in info.metadata}
    if info.annotation is int:
        low, high = limits.get(Ge, Ge(0)).ge, limits.get(Le, Le(2**31 - 1)).le
        return st.integers(low, high)
    if info.annotation is float and Le in limits:
        return st.floats(0, limits[Le].le, width=32)
    if pattern := next((limit.pattern for limit in info.metadata if hasattr(limit, "pattern")), None):
        return st.from_regex(pattern, fullmatch=True)
    if info.annotation is str and (MinLen in limits or MaxLen in limits):
        return TEXTS.filter(lambda text: len(text) >= limits.get(MinLen, MinLen(0)).min_length)
    return _annotated(info.annotation)


def _annotated(annotation: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(arguments[0])
    if origin in (Union, types.UnionType):
        return st.one_of([_annotated(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(_annotated(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(*[_annotated(argument) for argument in arguments], max_size=3)
    if annotation is int:
        return st.integers(0, 2**31 - 1)
    if annotation in PLAIN:
        return PLAIN[annotation]
    return st.sampled_from(annotation) if issubclass(annotation, Enum) else values_of(annotation)
