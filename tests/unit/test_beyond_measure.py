"""What others write may be of any length, number, order and shape: the state stays readable, and fits its payloads."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain import record
from domain.asking import Topic, ask_operator
from domain.change import MOST_WHY, Draft
from domain.dispatch import spawn_command
from domain.errors import PlanRefused, Refused
from domain.failures import Failure, FailureCategory
from domain.folding import fold_outcome
from domain.memory import remembered
from domain.models import Memory, PlanChanges, State, Step, Task, Work
from domain.moment import Moment
from domain.names import step_task
from domain.nodes import Dependencies
from domain.outcome_check import problem_of
from domain.plan import PlannedStep, add_steps, check, check_order
from domain.policy import advance, next_wake
from domain.questions import MAX_ANSWERED, MAX_OPEN, ask, settle
from domain.record import AttemptEnded, Changed, DeliveryStarted, Facts, GoalRevision, fitted, snapshot
from domain.requests import AnswerQuestion
from domain.size import MAX_STATE, state_size
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.usage import MOST, Usage
from domain.view import view
from domain.web_ui_details import details
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, planned_state, settled
from tests.values import directive_with, event, question, values_of

PAYLOAD = 2 * 1024 * 1024
"""Bytes; a workflow task that makes a larger one fails for ever."""
NO_COUNTS = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e308, 1e13, 10**400, -(10**400), 0, 0.5])


@pytest.mark.rule("4.1")
def test_a_step_added_to_eight_hundred_is_not_compared_with_each_of_them() -> None:
    """A workflow task has 2 s: with each step added to five hundred it took a quarter of one, and a replay of them all
    never ended.
    """
    steps: list[Step] = []
    for group in range(4):
        planned = tuple(PlannedStep(name=f"{group} of {number}", task_plan="x") for number in range(200))
        steps += add_steps(PlanChanges(), planned, generation=1, known=(), new_id=uuid4).add
    began = time.process_time()
    for _ in range(50):
        check_order(steps)
    assert time.process_time() - began < 2


@pytest.mark.rule("5.3")
@given(seconds=NO_COUNTS, cost=NO_COUNTS, tokens=st.integers())
def test_whatever_an_agent_has_used_is_a_number_that_can_be_written_read_and_added(
    seconds: float, cost: float, tokens: int
) -> None:
    try:
        usage = Usage(seconds=seconds, cost_usd=cost, tokens=tokens)
    except ValidationError:
        assert any(abs(told) >= 10**400 for told in (seconds, cost)), "no float holds it"
        return
    total = usage + usage
    assert all(0 <= number <= MOST for _, number in total)
    assert Usage.model_validate_json(total.model_dump_json()) == total
    assert Usage.model_validate_json('{"seconds": null, "cost_usd": 1e999}') == Usage(), "what was written before"


@pytest.mark.rule("5.3")
@settings(deadline=None)  # a zone is read from disk
@given(st.datetimes(timezones=st.none() | st.timezones() | st.just(UTC)))
def test_a_time_that_was_read_can_be_compared_and_told_in_utc(told: datetime) -> None:
    try:
        moment = TypeAdapter(Moment).validate_json(f'"{told.isoformat()}"')
    except ValidationError:
        return
    assert moment - NOW < timedelta.max
    assert 1969 <= moment.astimezone(UTC).year <= 9999


def test_what_has_no_zone_or_no_day_is_no_time() -> None:
    for wrong in ("2026-01-01T00:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "1e300"):
        with pytest.raises(ValidationError):
            TypeAdapter(Moment).validate_json(f'"{wrong}"')


ANY_OUTCOME = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.rule("5.3")
@ANY_OUTCOME
@given(data=st.data(), kind=st.sampled_from([TaskKind.PLANNING, TaskKind.STEP, TaskKind.COMPLETION]))
def test_any_outcome_is_refused_or_leads_to_a_state_that_goes_on(data: st.DataObject, kind: TaskKind) -> None:
    state = waiting_for(kind)
    (task,) = dispatchable(state)
    command = spawn_command(state, task)
    own = {
        "task": st.just(task.id),
        "attempt": st.just(task.attempt),
        "work": st.none() | st.just(Work(branch=command.target_branch, base=BASE, head="c" * 40, commits=1)),
        "base_commit": st.just(BASE if kind is TaskKind.PLANNING else ""),
        "base_branch": st.sampled_from(["", "main"]),
        "branch_prefix": st.just(""),
        "shipped": st.none(),
    }
    if kind is not TaskKind.PLANNING:
        own["plan"] = st.none()
    outcome = Outcome.model_validate_json(data.draw(values_of(Outcome, **own)).model_dump_json())
    if problem_of(command, outcome):
        return
    after = settled(fold_outcome(state, task, outcome, NOW).state)
    assert State.model_validate_json(after.model_dump_json()) == after
    next_wake(after)
    view(after)
    details(after)


def waiting_for(kind: TaskKind) -> State:
    """A directive with one task of this kind to be done."""
    if kind is TaskKind.PLANNING:
        return begun(memory=True)
    state = planned_state(add_steps(PlanChanges(), [planned("floor")], generation=1, known=(), new_id=uuid4))
    if kind is TaskKind.COMPLETION:
        (step,) = dispatchable(state)
        state = ended(state, step)
    return state


def planned(name: str, **fields: Any) -> PlannedStep:
    return PlannedStep(name=name, task_plan="do it", **fields)


@pytest.mark.rule("5.3")
def test_an_outcome_of_endless_texts_leaves_what_there_is_room_for() -> None:
    state = waiting_for(TaskKind.STEP)
    (task,) = dispatchable(state)
    endless = "x" * 1_000_000
    waits = Outcome(task=task.id, attempt=1, status=OutcomeStatus.WAITING, summary=endless, daemon=endless)
    failing = Outcome(
        task=task.id,
        attempt=1,
        status=OutcomeStatus.FAILED,
        failure=Failure(category=FailureCategory.AGENT, report=endless),
        warnings=(endless,) * 20,
        unverified=(endless,) * 20,
        daemon=endless,
        delivery=endless,
    )
    for outcome in (waits, failing):
        change = fold_outcome(state, task, outcome, NOW)
        assert state_size(change.state) < state_size(state) + 10_000
        assert all(len(each.why) <= MOST_WHY and len(each.actor) < 1000 for each in change.changed.facts.events)
        assert sum(len(each.model_dump_json()) for each in change.changed.facts.attempts) < 1_000_000


@pytest.mark.rule("5.3")
def test_an_outcome_that_contradicts_itself_is_no_success() -> None:
    state = waiting_for(TaskKind.STEP)
    (task,) = dispatchable(state)
    command = spawn_command(state, task)
    failed = Outcome(task=task.id, attempt=1, status=OutcomeStatus.FAILED)
    assert problem_of(command, failed) == "it is failed without a failure"
    report = Failure(category=FailureCategory.AGENT, report="no")
    done = Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED, failure=report)
    assert problem_of(command, done) == "it is completed with a failure"
    state = waiting_for(TaskKind.COMPLETION)
    (task,) = dispatchable(state)
    empty = Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED)
    assert "neither a branch nor a pull request" in problem_of(spawn_command(state, task), empty)


@pytest.mark.rule("4.2")
def test_a_plan_of_200_phases_whose_first_step_fails_fits_its_payloads_and_is_shown_in_time() -> None:
    steps = [planned(f"{number:03d}" + "n" * 197, order_index=number) for number in range(200)]
    state = planned_state(add_steps(PlanChanges(), steps, generation=1, known=(), new_id=uuid4), max_attempts=1)
    (first,) = dispatchable(state)
    outcome = Outcome(
        task=first.id,
        attempt=1,
        status=OutcomeStatus.FAILED,
        failure=Failure(category=FailureCategory.AGENT, report="no"),
    )
    folded = fold_outcome(state, first, outcome, NOW)
    blocked = advance(folded.state, NOW, recorded=99)
    assert sum(step.status is StepStatus.BLOCKED for step in blocked.state.steps.values()) == 199
    assert all(step.blocked_by[0] == next(iter(state.steps)) for step in list(blocked.state.steps.values())[1:])
    assert state_size(blocked.state) < MAX_STATE
    began = time.process_time()
    details(blocked.state)
    assert time.process_time() - began < 1, "a workflow task may take two seconds"
    changed = Changed.joined([folded.changed, blocked.changed])
    whole, _ = fitted(record.write(blocked.state, changed, "r" * 36, 3))
    assert len(whole.model_dump_json()) < PAYLOAD


@pytest.mark.rule("9.1")
def test_what_a_long_outage_has_gathered_is_written_in_payloads_each_fact_once_and_in_order() -> None:
    state = directive_with(2)
    task = next(iter(state.tasks.values()))
    text = state.directive.text.model_copy(update={"goal": "g" * 60_000})
    revisions = [GoalRevision(generation=n, text=text, at=NOW, actor="me") for n in range(60)]
    deliveries = [
        DeliveryStarted(task=task.id, attempt=n, delivery=f"{n:08d}", daemon="one", at=NOW) for n in range(900)
    ]
    done = Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED, summary="s" * 15_000)
    ends = [AttemptEnded(outcome=done.model_copy(update={"attempt": n}), at=NOW) for n in range(300)]
    events = [event("step completed", why=str(n)) for n in range(9000)]
    left = Facts(revisions=tuple(revisions), deliveries=tuple(deliveries), attempts=tuple(ends), events=tuple(events))
    told, writes = Facts(), 0
    while left != Facts():
        whole, rest = fitted(snapshot(state, left, "r" * 36, 2))
        assert len(whole.model_dump_json()) < PAYLOAD
        assert not (whole.facts.attempts and rest.deliveries), "a start is told before its end"
        told, left, writes = Facts.joined([told, whole.facts]), rest, writes + 1
    assert told == Facts(
        revisions=tuple(revisions), deliveries=tuple(deliveries), attempts=tuple(ends), events=tuple(events)
    )
    assert writes < 10


@pytest.mark.rule("9.1")
def test_a_write_that_fits_is_not_taken_apart() -> None:
    state = directive_with(2)
    facts = Facts(events=tuple(event("step completed", why=str(n)) for n in range(3)))
    write = record.write(state, Changed(steps=frozenset(state.steps), facts=facts), "r" * 36, 2)
    whole, left = fitted(write)
    assert whole is write
    assert left == Facts()


@pytest.mark.rule("9.1")
def test_a_large_state_and_a_large_plan_fit_one_write() -> None:
    state = directive_with(0)
    steps: dict[UUID, Step] = {}
    tasks: dict[UUID, Task] = {}
    while state_size(state) < MAX_STATE - 100_000:
        for number in range(len(steps), len(steps) + 100):
            step = Step(
                id=uuid4(),
                generation=1,
                position=number,
                name=f"step {number}",
                task_plan="",
                status=StepStatus.MERGED,
                shipped=True,
                work=Work(branch=f"makima/add-auth-step-{number}", base="b" * 40, head="c" * 40, commits=1),
            )
            steps[step.id] = step
            task = step_task(step.id)
            tasks[task] = Task(
                id=task, kind=TaskKind.STEP, name=step.name, step=step.id, generation=1, status=TaskStatus.MERGED
            )
        state = state.model_copy(update={"steps": steps, "tasks": tasks})
    plan = PlanChanges(
        add=tuple(
            Step(id=uuid4(), generation=1, position=n, name=str(n), task_plan="x" + "\n" * 60_000) for n in range(8)
        )
    )
    outcome = Outcome(task=next(iter(tasks)), attempt=1, status=OutcomeStatus.COMPLETED, plan=plan, summary="done")
    facts = Facts(attempts=(AttemptEnded(outcome=outcome, at=NOW),))
    whole, left = fitted(snapshot(state, facts, "r" * 36, 2))
    assert len(whole.model_dump_json()) < PAYLOAD
    assert left == Facts()
    assert whole.facts.attempts[0].outcome.summary == "done"
    assert record.ProgressWrite.model_validate_json(whole.model_dump_json()) == whole


@pytest.mark.rule("3.5")
def test_a_plan_says_what_becomes_of_a_step_once() -> None:
    one, other = uuid4(), uuid4()
    step = Step(id=one, generation=1, position=0, name="a", task_plan="x")
    again = step.model_copy(update={"name": "b", "position": 1})
    rewired = Dependencies(step=one, depends_on=())
    for wrong in (
        PlanChanges(add=(step, again)),
        PlanChanges(remove=(one, other, one)),
        PlanChanges(set_deps=(rewired, rewired)),
        PlanChanges(add=(step,), set_deps=(rewired,)),
        PlanChanges(remove=tuple(UUID(int=number) for number in range(50_000))),
    ):
        with pytest.raises(PlanRefused):
            check(wrong)
    check(PlanChanges(add=(step,), remove=(other,), set_deps=(Dependencies(step=other, depends_on=()),)))


@pytest.mark.rule("4.5")
def test_a_net_of_skipped_steps_is_walked_once_and_keeps_the_order_of_dependencies() -> None:
    state = directive_with(0)
    works = [Step(id=uuid4(), generation=1, position=n, name=f"w{n}", task_plan="x") for n in range(3)]
    works = [
        step.model_copy(
            update={
                "status": StepStatus.COMPLETED,
                "work": Work(branch=step.name, base=BASE, head=f"{n}" * 40, commits=1),
            }
        )
        for n, step in enumerate(works)
    ]
    layer: tuple[UUID, ...] = (works[2].id, works[0].id, works[1].id)
    steps = list(works)
    for level in range(400):
        made = [
            Step(
                id=uuid4(),
                generation=1,
                position=level,
                name=f"s{level}",
                task_plan="x",
                status=StepStatus.SKIPPED,
                depends_on=layer,
            )
            for _ in range(2)
        ]
        layer = tuple(step.id for step in made)
        steps += made
    last = Step(id=uuid4(), generation=1, position=9, name="last", task_plan="x", depends_on=layer)
    task = Task(id=step_task(last.id), kind=TaskKind.STEP, name="t", step=last.id, generation=1)
    state = state.model_copy(
        update={
            "steps": {step.id: step for step in [*steps, last]},
            "tasks": {task.id: task},
            "bases": {1: BASE},
        }
    )
    command = spawn_command(state, task)
    assert command.continue_from and command.continue_from.name == "w2"
    assert [each.name for each in command.merge] == ["w0", "w1"]
    merged = state.model_copy(
        update={"steps": {**state.steps, works[1].id: works[1].model_copy(update={"status": StepStatus.MERGED})}}
    )
    command = spawn_command(merged, task)
    assert (command.continue_from, [each.name for each in command.merge]) == (None, ["w2", "w0"])


@pytest.mark.rule("8.3")
def test_an_agent_that_asks_without_end_fills_no_state() -> None:
    state = directive_with(2)
    first, second = state.tasks
    draft = Draft(state, NOW)
    awaited = question(second, "How tall?")
    ask(draft, awaited)
    settle(draft, awaited, "very", "operator")
    for number in range(100):
        ask(draft, question(first, f"{number} " + "x" * 3000, context="c" * 8000))
    for number in range(200):
        ask_operator(draft, Topic.TROUBLE, str(number), "the forge refuses", ())
        asked = list(draft.state.questions.values())[-1]
        settle(draft, asked, "again", "makima") if asked.is_open else None
    questions = draft.state.questions.values()
    assert sum(each.is_open for each in questions) <= MAX_OPEN
    assert len(draft.state.questions) <= MAX_ANSWERED + MAX_OPEN + 1
    assert state_size(draft.state) < 600_000
    assert draft.state.questions[awaited.id].answer == "very", "its task may ask again"


@pytest.mark.rule("8.3")
def test_a_question_that_was_asked_by_makima_and_forgotten_is_asked_again() -> None:
    draft = Draft(directive_with(0), NOW)
    first = ask_operator(draft, Topic.BASE, "1", "Which branch?", ())
    settle(draft, draft.state.questions[first], "main", "operator")
    for number in range(MAX_ANSWERED + 5):
        asked = ask_operator(draft, Topic.TROUBLE, str(number), "refused", ())
        settle(draft, draft.state.questions[asked], "again", "operator")
    assert first not in draft.state.questions
    assert ask_operator(draft, Topic.BASE, "1", "Which branch?", ()) == first
    assert draft.state.questions[first].is_open


@pytest.mark.rule("8.2")
def test_dashes_name_no_question() -> None:
    from domain.questions import answer_question

    state = directive_with(1)
    draft = Draft(state, NOW)
    ask(draft, question(next(iter(state.tasks))))
    with pytest.raises(Refused):
        answer_question(draft, AnswerQuestion(question="----", answer="8080"))


@pytest.mark.rule("1")
def test_a_memorys_key_holds_no_character_that_the_record_takes_for_another() -> None:
    for key in ("a\0", "a\nb", "\x1b]52;c;x\x07"):
        with pytest.raises(Refused, match="control characters"):
            remembered({}, Memory(key=key, value="x"))
    assert remembered({}, Memory(key="größe 📏", value="a\0b"))
