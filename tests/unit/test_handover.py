"""What an agent may hand over, as pure functions from one handover to the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import handover as h
from domain.errors import PlanRefused, Refused
from domain.folding import fold_outcome
from domain.handover import Handover, TaskContext
from domain.memory import MAX_ENTRY, remembered
from domain.models import Memory, PlanChanges, State, Step, Task
from domain.plan import PlannedStep, known_steps
from domain.spawn_task import CommandContext, KnownStep, MemoryChange, Outcome, OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from tests.values import NOON, directive_with


def known(name: str, status: StepStatus = StepStatus.PENDING, **fields: Any) -> KnownStep:
    running = status is StepStatus.RUNNING
    return KnownStep(
        id=uuid4(), name=name, generation=1, status=status, finished=status.is_finished, running=running, **fields
    )


def planner(*steps: KnownStep, **fields: Any) -> TaskContext:
    context = CommandContext(steps=steps, **fields)
    return TaskContext(task=uuid4(), kind=TaskKind.PLANNING, generation=2, context=context)


def worker(**fields: Any) -> TaskContext:
    return TaskContext(task=uuid4(), kind=TaskKind.STEP, generation=2, context=CommandContext(**fields))


def add(handover: Handover, context: TaskContext, name: str, *depends_on: str, phase: int = 0) -> Handover:
    step = PlannedStep(name=name, task_plan="do it", depends_on=depends_on, order_index=phase)
    return h.add(handover, context, [step], uuid4)


def named(handover: Handover) -> dict[str, Step]:
    return {step.name: step for step in handover.plan.add}


@pytest.mark.rule("3.1")
def test_a_step_that_nobody_needs_can_be_taken_out_by_id_or_name() -> None:
    context = planner(old := known("old"))
    two = add(add(Handover(), context, "a"), context, "b")
    assert set(named(h.remove_step(two, context, "a"))) == {"b"}
    assert set(named(h.remove_step(two, context, str(named(two)["b"].id)))) == {"a"}
    assert h.remove_step(two, context, "old").plan.remove == (old.id,)


@pytest.mark.rule("3.4", "4.5")
@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("a", "step 'b' depends on it"),
        ("base", "step 'user' depends on it"),
        ("past", "has finished and can't be removed"),
        ("nobody", "there is no step 'nobody'"),
    ],
)
def test_a_removal_that_breaks_something_is_refused(reference: str, said: str) -> None:
    base = known("base")
    context = planner(base, known("user", depends_on=(base.id,)), known("past", StepStatus.COMPLETED))
    handover = add(add(Handover(), context, "a"), context, "b", "a")
    with pytest.raises(Refused, match=said):
        h.remove_step(handover, context, reference)


@pytest.mark.rule("3.4")
def test_a_removed_step_frees_what_it_depended_on_and_is_no_dependency_any_more() -> None:
    base = known("base")
    context = planner(base, known("user", depends_on=(base.id,)))
    handover = h.remove_step(h.remove_step(Handover(), context, "user"), context, "base")
    with pytest.raises(PlanRefused, match="depends on 'base', which is no step's name or id"):
        add(handover, context, "new", "base")
    with pytest.raises(PlanRefused, match="there is no step 'base'"):
        h.set_dependencies(handover, context, "base", [])


@pytest.mark.rule("3.1", "3.4")
def test_dependencies_are_set_of_added_steps_and_of_existing_ones_that_have_not_started() -> None:
    context = planner(old := known("old"))
    handover = add(add(Handover(), context, "a"), context, "b")
    a, b = named(handover)["a"], named(handover)["b"]
    handover = h.set_dependencies(handover, context, "b", ["a", str(old.id), "a"])
    assert named(handover)["b"].depends_on == (a.id, old.id)
    handover = h.set_dependencies(handover, context, "b", [])
    handover = h.set_dependencies(h.set_dependencies(handover, context, "old", ["a"]), context, str(old.id), ["b"])
    assert [(entry.step, entry.depends_on) for entry in handover.plan.set_deps] == [(old.id, (b.id,))]


@pytest.mark.rule("3.4")
@pytest.mark.parametrize(
    ("step", "others", "said"),
    [
        ("running", ["free"], "step 'running' is running"),
        ("past", ["free"], "step 'past' is completed"),
        ("free", ["nobody"], "step 'free' depends on 'nobody'"),
        ("free", ["free"], "in a circle"),
        ("free", ["new"], "in a circle: 'free' → 'new' → 'free'"),
        ("free", ["later"], "in a circle"),
        ("nobody", [], "there is no step 'nobody'"),
    ],
)
def test_dependencies_that_make_no_sense_are_refused(step: str, others: list[str], said: str) -> None:
    context = planner(known("free"), known("running", StepStatus.RUNNING), known("past", StepStatus.COMPLETED))
    handover = add(add(Handover(), context, "new", "free"), context, "later", phase=1)
    with pytest.raises(Refused, match=said):
        h.set_dependencies(handover, context, step, others)


@pytest.mark.rule("3.4")
def test_a_step_added_later_may_not_close_a_circle_through_an_existing_one() -> None:
    context = planner(known("old"))
    handover = h.set_dependencies(add(Handover(), context, "late", phase=1), context, "old", ["late"])
    with pytest.raises(PlanRefused, match="in a circle"):
        add(handover, context, "early", "old")


@pytest.mark.rule("3.1")
def test_only_a_planner_changes_the_plan() -> None:
    changes: tuple[Callable[[], object], ...] = (
        lambda: add(Handover(), worker(), "a"),
        lambda: h.remove_step(Handover(), worker(), "a"),
        lambda: h.set_dependencies(Handover(), worker(), "a", []),
    )
    for change in changes:
        with pytest.raises(Refused, match="only the planner"):
            change()


def folded(state: State, changes: PlanChanges) -> State:
    task = Task(id=uuid4(), kind=TaskKind.PLANNING, name="Re-plan", generation=2, status=TaskStatus.RUNNING)
    state = state.model_copy(update={"tasks": {task.id: task}, "generation": 2, "status": DirectiveStatus.ACTIVE})
    outcome = Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED, plan=changes, base_commit="b" * 40)
    return fold_outcome(state, task, outcome, NOON).state


def replan(state: State) -> tuple[TaskContext, list[UUID]]:
    return planner(*known_steps(state)), [step.id for step in state.ordered_steps()]


@pytest.mark.rule("3.5")
def test_set_dependencies_become_those_of_the_directives_step() -> None:
    state = directive_with(2)
    context, (first, second) = replan(state)
    handover = h.set_dependencies(add(Handover(), context, "new", "step 0"), context, "step 1", ["new"])
    after = folded(state, handover.plan)
    assert after.planned == 2
    assert after.steps[second].depends_on == (named(handover)["new"].id,)
    assert after.steps[first].depends_on == ()


@pytest.mark.rule("3.5")
@pytest.mark.parametrize("status", [StepStatus.RUNNING, StepStatus.COMPLETED])
def test_a_plan_for_a_step_that_has_started_meanwhile_goes_back_to_the_planner(status: StepStatus) -> None:
    state = directive_with(2)
    context, (_, second) = replan(state)
    handover = h.set_dependencies(Handover(), context, "step 1", ["step 0"])
    moved = state.steps | {second: state.steps[second].model_copy(update={"status": status})}
    after = folded(state.model_copy(update={"steps": moved}), handover.plan)
    (task,) = after.tasks.values()
    assert (task.attempt, task.status) == (2, TaskStatus.PENDING)
    assert task.earlier and f"step 'step 1' is {status}" in task.earlier.report
    assert after.steps[second].depends_on == ()


@pytest.mark.rule("1")
def test_memory_needs_to_be_enabled() -> None:
    with pytest.raises(Refused, match="memory is not enabled"):
        h.set_memory(Handover(), worker(), Memory(key="k", value="v"))
    with pytest.raises(Refused, match="memory is not enabled"):
        h.memories(Handover(), worker())


@pytest.mark.rule("1")
def test_an_agent_reads_what_it_has_written_and_only_real_changes_are_handed_over() -> None:
    old = Memory(key="old", value="1")
    context = worker(memory_enabled=True, memories=(old,))
    handover = h.set_memory(Handover(), context, Memory(key="new", value="2"))
    assert h.memories(handover, context) == {"old": old, "new": Memory(key="new", value="2")}
    handover = h.set_memory(handover, context, Memory(key="old", value="3"))
    handover = h.delete_memory(handover, context, "new")
    assert handover.memories == (MemoryChange(key="old", memory=Memory(key="old", value="3")),)
    handover = h.delete_memory(handover, context, "old")
    assert handover.memories == (MemoryChange(key="old"),)
    assert h.memories(handover, context) == {}
    with pytest.raises(Refused, match="there is no memory 'old'"):
        h.delete_memory(handover, context, "old")
    assert h.set_memory(handover, context, old).memories == ()


@pytest.mark.rule("1")
def test_an_entry_that_is_too_large_is_refused_with_the_limit() -> None:
    with pytest.raises(Refused, match="at most 8 KiB"):
        h.set_memory(Handover(), worker(memory_enabled=True), Memory(key="k", value="v" * MAX_ENTRY))


SIZES = st.dictionaries(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.integers(0, MAX_ENTRY - 1), max_size=26)


@pytest.mark.rule("1")
@given(SIZES, st.lists(st.tuples(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.integers(-1, MAX_ENTRY - 1))))
def test_what_was_allowed_step_by_step_is_allowed_when_it_is_folded_in(
    before: dict[str, int], changes: list[tuple[str, int]]
) -> None:
    """The order of the changes never meets a limit that both ends keep, also where the memory is nearly full."""
    kept: dict[str, Memory] = {}
    for key, size in before.items():
        kept = attempted(kept, Memory(key=key, value="v" * size))
    context, handover = worker(memory_enabled=True, memories=tuple(kept.values())), Handover()
    for key, size in changes:
        try:
            if size < 0:
                handover = h.delete_memory(handover, context, key)
            else:
                handover = h.set_memory(handover, context, Memory(key=key, value="w" * size))
        except Refused:
            continue
    wanted = h.memories(handover, context)
    for change in handover.memories:
        if change.memory is None:
            del kept[change.key]
        else:
            kept = remembered(kept, change.memory)
    assert kept == wanted


def attempted(memories: dict[str, Memory], new: Memory) -> dict[str, Memory]:
    try:
        return remembered(memories, new)
    except Refused:
        return memories


@pytest.mark.rule("8.3")
def test_the_same_question_is_the_same_however_it_is_spaced_and_asked_once() -> None:
    context = worker()
    one, other = h.make_question(context, "Which  one?"), h.make_question(context, " Which one?\n")
    assert one.id == other.id
    assert h.ask(h.ask(Handover(), one), other).questions == (one,)


@pytest.mark.rule("8.3")
def test_a_question_stays_open_until_its_answer_was_heard() -> None:
    question = h.make_question(worker(), "Which one?")
    handover = h.ask(Handover(), question)
    assert handover.open_questions == (question,)
    answered = question.model_copy(update={"answer": "this", "answered_by": "me"})
    assert h.hear(handover, answered).open_questions == ()


@pytest.mark.rule("8.3")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"choices": ["a", "b"], "default": "c", "deadline": NOON}, "none of the choices"),
        ({"default": "c"}, "needs a --timeout"),
        ({"choices": [str(n) for n in range(21)]}, "at most 20 choices"),
        ({"background": "x" * 8193}, "the question's context"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        h.make_question(worker(), "Which one?", **fields)
    with pytest.raises(Refused, match="the question's text"):
        h.make_question(worker(), " ")


@pytest.mark.rule("8.3")
def test_nobody_is_asked_without_end() -> None:
    context, handover = worker(), Handover()
    for n in range(h.MAX_OPEN_QUESTIONS):
        handover = h.ask(handover, h.make_question(context, f"{n}?", deadline=NOON + timedelta(hours=1)))
    with pytest.raises(Refused, match="end your work"):
        h.ask(handover, h.make_question(context, "one more?"))


@pytest.mark.rule("3.1")
def test_the_agents_last_word_counts() -> None:
    handover = h.finish(h.give_up(Handover(), "no idea"), "all there")
    assert (handover.done, handover.nothing_to_do, handover.gave_up) == (True, "all there", "")
    handover = h.give_up(handover, "no idea")
    assert (handover.done, handover.nothing_to_do, handover.gave_up) == (False, "", "no idea")
    with pytest.raises(Refused, match="say why"):
        h.give_up(handover, " ")


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a\nb", "a\0", "ä" * 101])
def test_an_artifacts_name_is_a_file_name(name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        h.file_name(name)
    with pytest.raises(ValueError, match="file name"):
        Handover(artifacts=(name,))


@pytest.mark.rule("3.2")
@pytest.mark.parametrize("url", ["", "x", "javascript:x", "https://a b", "https://x\n", "https://" + "x" * 2000])
def test_a_pull_request_is_named_by_its_web_address(url: str) -> None:
    assert h.set_pull_request(Handover(), "https://x/1").pull_request_url == "https://x/1"
    with pytest.raises(Refused, match="no web address"):
        h.set_pull_request(Handover(), url)
