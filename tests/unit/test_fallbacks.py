"""Which agent of a list goes on where the one before can't (rule 5.9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain import requests
from domain.agents import Away
from domain.directive_settings import AgentChoice, Settings, agent_list
from domain.dispatch import spawn_command
from domain.failures import Failure, FailureCategory
from domain.folding import fold_broken, fold_cannot_serve, fold_interrupted, fold_no_daemon, fold_outcome
from domain.models import Question, State, Task, Work
from domain.operations import Refusal, apply
from domain.pull_requests.body import body
from domain.questions import question_id
from domain.requests import EditDirective
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask
from domain.statuses import StepStatus, TaskKind, TaskStatus
from domain.usage import ResumableSession, Usage
from domain.view import view
from tests.unit.directives import (
    BASE,
    NOW,
    begun,
    dispatchable,
    ended,
    granted,
    later,
    one_step,
    planned_state,
    settled,
    started,
)

pytestmark = pytest.mark.rule("5.9")

HOUR = timedelta(hours=1)
WAITING = OutcomeStatus.WAITING


def listed(names: str) -> AgentChoice:
    return agent_list(names.split(","))


def house(names: str = "claude,codex,opencode", **settings: Any) -> State:
    """A directive of one step, which waits for its daemon."""
    return planned_state(one_step(), agent=listed(names), **settings)


def ready(state: State) -> tuple[Task, SpawnTask]:
    (task,) = dispatchable(state)
    return task, spawn_command(state, task)


def told(state: State, task: Task, outcome: Outcome, now: datetime = NOW) -> State:
    """What the workflow makes of an outcome."""
    agent = spawn_command(state, task).agent
    return settled(fold_outcome(state, task, outcome, now, agent=agent.name if agent else "").state, now)


def parked(
    state: State, task: Task, lasts: timedelta, now: datetime = NOW, *, away: Away = Away.PARKED, **more: Any
) -> State:
    """Its agent finds out, after some work, that its account is used up."""
    agent = spawn_command(state, task).agent
    assert agent
    used = task.agents.so_far + Usage(seconds=10, tokens=5)
    resume = ResumableSession(agent=agent.name, session="s", daemon="one", usage=used)
    fields = {"summary": f"{agent.name}: used up", "resume": resume, "usage": used, "away": away, **more}
    outcome = Outcome(task=task.id, attempt=task.attempt, status=WAITING, wait_until=now + lasts, **fields)
    return told(state, task, outcome, now)


def failed(state: State, task: Task, category: FailureCategory = FailureCategory.VERIFY) -> State:
    failure = Failure(category=category, report="the tests fail")
    outcome = Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.FAILED, failure=failure)
    return told(state, task, outcome)


def done(state: State, task: Task, now: datetime = NOW) -> State:
    work = Work(branch="makima/x", base=BASE, head="c" * 40, commits=1)
    usage = task.agents.so_far + Usage(seconds=1, tokens=7)
    fields = {"work": work, "usage": usage, "summary": "built"}
    return told(state, task, Outcome(task=task.id, attempt=task.attempt, status=OutcomeStatus.COMPLETED, **fields), now)


def refused_by_all(state: State, task: Task, *refusals: tuple[Away | None, timedelta | None]) -> State:
    """Each daemon refuses it, for a reason and so long; then none is left."""
    for number, (away, lasts) in enumerate(refusals):
        until = NOW + lasts if lasts else None
        state = fold_cannot_serve(state, state.tasks[task.id], f"d{number}", "no", NOW, until, away).state
    return settled(fold_no_daemon(state, state.tasks[task.id], NOW).state)


def test_an_agent_that_is_parked_for_long_is_taken_on_by_the_next_in_the_same_attempt() -> None:
    state = house()
    task, command = ready(state)
    assert command.agent == AgentChoice(name="claude"), "the daemon is told of one"
    assert command.handed_over is None
    task, command = ready(parked(started(state, task), task, 2 * HOUR))
    assert command.agent == AgentChoice(name="codex")
    assert (command.attempt, task.dispatch) == (1, 2), "no attempt is used"
    assert command.handed_over is not None
    assert (command.handed_over.agent, command.handed_over.attempt) == ("claude", 1)
    assert "used up" in command.handed_over.reason
    assert command.resume is not None and command.resume.usage.tokens == 5, "what was used counts"


def test_a_short_wait_is_waited_for_and_counts_together_with_the_one_after_it() -> None:
    state = house()
    task, _ = ready(state)
    state = parked(state, task, timedelta(minutes=6))
    assert state.tasks[task.id].wait_until == later(360)
    state = settled(state, later(360))
    task, command = ready(state)
    assert command.agent == AgentChoice(name="claude")
    task, command = ready(parked(state, task, timedelta(minutes=6), later(361)))
    assert command.agent == AgentChoice(name="codex"), "12 minutes in all"


def test_a_short_wait_long_after_another_one_is_waited_for() -> None:
    state = house()
    task, _ = ready(state)
    state = settled(parked(state, task, timedelta(minutes=6)), later(360))
    task, _ = ready(state)
    state = parked(state, task, timedelta(minutes=6), later(3 * 3600))
    assert state.tasks[task.id].status is TaskStatus.WAITING


def test_the_wait_can_be_set_to_nothing() -> None:
    state = house(fallback_after=timedelta(0))
    task, _ = ready(state)
    _, command = ready(parked(state, task, timedelta(seconds=1)))
    assert command.agent == AgentChoice(name="codex")


def test_a_refused_login_is_taken_on_at_once_and_nobody_is_asked() -> None:
    state = house()
    task, _ = ready(state)
    question = Question(id=question_id(task.id, "log in"), task=task.id, text="log in")
    state = parked(state, task, timedelta(minutes=1), away=Away.REFUSED, questions=(question,))
    _, command = ready(state)
    assert command.agent == AgentChoice(name="codex")
    assert not state.questions


def test_while_all_are_away_the_one_that_comes_free_first_is_waited_for() -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    state = parked(state, task, 3 * HOUR)
    task, _ = ready(state)
    state = parked(state, task, 5 * HOUR)
    waiting = state.tasks[task.id]
    assert (waiting.status, waiting.wait_until) == (TaskStatus.WAITING, NOW + 3 * HOUR)
    state = settled(state, NOW + 3 * HOUR)
    task, command = ready(state)
    assert command.agent == AgentChoice(name="claude")
    assert command.handed_over is not None and command.handed_over.agent == "codex"
    _, command = ready(parked(state, task, 9 * HOUR, NOW + 5 * HOUR))
    assert command.agent == AgentChoice(name="codex"), "it has come free meanwhile"


def test_the_last_one_is_waited_for_where_it_comes_free_first_itself() -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    task, _ = ready(state := parked(state, task, 3 * HOUR))
    state = parked(state, task, 2 * HOUR)
    assert state.tasks[task.id].wait_until == NOW + 2 * HOUR
    _, command = ready(settled(state, NOW + 2 * HOUR))
    assert command.agent == AgentChoice(name="codex")


def test_the_second_finishes_what_it_has_begun_though_the_first_comes_free() -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    task, _ = ready(state := parked(state, task, HOUR))
    state = started(state, task)
    assert settled(state, NOW + 9 * HOUR).tasks[task.id] == state.tasks[task.id]
    failure = Failure(category=FailureCategory.VERIFY, report="no")
    outcome = Outcome(task=task.id, attempt=1, status=OutcomeStatus.FAILED, failure=failure)
    _, command = ready(told(state, task, outcome, NOW + 9 * HOUR))
    assert (command.agent, command.attempt) == (AgentChoice(name="codex"), 2), "also its second attempt"
    assert command.handed_over is None, "which begins anew, as ever (rule 5.5)"


def test_one_that_has_failed_at_its_last_attempt_is_taken_on_with_attempts_of_its_own() -> None:
    state = house("claude,codex", max_attempts=2)
    seen = []
    for _ in range(4):
        task, command = ready(state)
        assert command.agent
        before = command.handed_over.attempt if command.handed_over else 0
        seen.append((command.agent.name, command.attempt, before))
        state = failed(state, task)
    assert seen == [("claude", 1, 0), ("claude", 2, 0), ("codex", 3, 2), ("codex", 4, 0)]
    (step,) = state.steps.values()
    assert step.status is StepStatus.FAILED


@pytest.mark.parametrize("category", [FailureCategory.BUDGET, FailureCategory.REPOSITORY])
def test_what_another_agent_would_meet_as_well_is_not_tried_by_it(category: FailureCategory) -> None:
    state = house("claude,codex", max_attempts=1)
    task, _ = ready(state)
    state = failed(state, task, category)
    assert not dispatchable(state)
    assert state.tasks[task.id].status is TaskStatus.FAILED


def test_after_one_has_failed_the_next_is_waited_for_though_it_is_parked() -> None:
    state = house("claude,codex", max_attempts=1)
    task, _ = ready(state)
    task, _ = ready(state := parked(state, task, 3 * HOUR))
    state = failed(state, task)
    waiting = state.tasks[task.id]
    assert (waiting.status, waiting.attempt, waiting.wait_until) == (TaskStatus.WAITING, 2, NOW + 3 * HOUR)
    _, command = ready(settled(state, NOW + 3 * HOUR))
    assert command.agent == AgentChoice(name="claude")


def test_an_operators_retry_begins_with_the_first_again() -> None:
    state = house("claude,codex", max_attempts=1)
    for _ in range(2):
        task, _ = ready(state)
        state = failed(state, task)
    (step,) = state.steps.values()
    state = granted(state, requests.RetryStep(step=str(step.id)))
    _, command = ready(state)
    assert (command.agent, command.attempt, command.handed_over) == (AgentChoice(name="claude"), 3, None)


def test_what_an_attempt_has_used_is_recorded_while_it_waits_and_when_it_is_lost() -> None:
    state = house("claude")
    task, _ = ready(state)
    resume = ResumableSession(agent="claude", session="s", daemon="one", usage=Usage(tokens=5))
    fields = {"wait_until": later(60), "usage": Usage(tokens=5), "resume": resume}
    waits = Outcome(task=task.id, attempt=1, status=WAITING, **fields)
    change = fold_outcome(state, task, waits, NOW, agent="claude")
    (ended_,) = change.changed.facts.attempts
    assert (ended_.outcome.status, ended_.agents) == (WAITING, {"claude": Usage(tokens=5)})
    assert change.state.tasks[task.id].usage is None, "the attempt has not ended"
    lost = Failure(category=FailureCategory.LOST, report="lost")
    change = fold_broken(change.state, change.state.tasks[task.id], lost, NOW)
    assert change.changed.facts.attempts[0].outcome.usage == Usage(tokens=5)
    assert change.state.tasks[task.id].usage == Usage(tokens=5)


def test_what_needs_no_agent_is_by_none() -> None:
    step = one_step().add[0]
    given = begun(agent=listed("claude,codex")).model_copy(update={"given_plan": (step,), "tasks": {}})
    (task,) = dispatchable(settled(given))
    assert task.kind is TaskKind.PREPARE
    outcome = Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED, base_commit=BASE, usage=Usage(seconds=1))
    change = fold_outcome(settled(given), task, outcome, NOW)
    assert change.state.tasks[task.id].agents.by_agent == {}
    assert change.changed.facts.attempts[0].agents == {}


def test_a_list_of_one_waits_and_fails_as_ever() -> None:
    state = house("claude", max_attempts=1)
    task, _ = ready(state)
    waiting = parked(state, task, 3 * HOUR).tasks[task.id]
    assert (waiting.status, waiting.wait_until) == (TaskStatus.WAITING, NOW + 3 * HOUR)
    assert failed(state, task).tasks[task.id].status is TaskStatus.FAILED


@pytest.mark.parametrize(
    ("refusals", "goes_on"),
    [
        pytest.param([(Away.NOT_SERVED, None)], True, id="nobody has it"),
        pytest.param([(Away.PARKED, 2 * HOUR), (Away.NOT_SERVED, None)], True, id="one has it, parked for long"),
        pytest.param([(Away.PARKED, timedelta(minutes=5)), (Away.NOT_SERVED, None)], False, id="parked for a moment"),
        pytest.param([(Away.PARKED, 2 * HOUR), (None, None)], False, id="one is full, and may have it soon"),
        pytest.param([(None, None)], False, id="it is not the agent"),
    ],
)
def test_daemons_that_refuse_because_of_the_agent_let_the_next_one_go_on(
    refusals: list[tuple[Away | None, timedelta | None]], goes_on: bool
) -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    state = refused_by_all(state, task, *refusals)
    if not goes_on:
        assert state.tasks[task.id].status is TaskStatus.WAITING
        return
    task, command = ready(state)
    assert command.agent == AgentChoice(name="codex")
    assert task.refusals == {}, "each daemon may be asked again, about another agent"


def test_what_a_daemon_refuses_for_other_reasons_is_kept_from_the_next_agent_too() -> None:
    state = house("claude,codex", fallback_after=timedelta(0))
    task, _ = ready(state)
    task, _ = ready(refused_by_all(state, task, (Away.PARKED, 2 * HOUR), (None, HOUR)))
    assert list(task.refusals) == ["d1"]


def test_where_nobody_has_any_of_them_it_waits_and_looks_again() -> None:
    state = house("claude,codex")
    for _ in range(2):
        task, _ = ready(state)
        state = refused_by_all(state, task, (Away.NOT_SERVED, None))
    waiting = state.tasks[task.id]
    soon = NOW + state.directive.settings.timings.cannot_serve
    assert (waiting.status, waiting.wait_until) == (TaskStatus.WAITING, soon)
    assert ready(settled(state, soon))[1].agent is not None


def test_two_agents_of_one_account_are_both_passed_over() -> None:
    """The second one's daemon refuses at once what the first has found out."""
    state = house("claude,claude-large,codex")
    task, _ = ready(state)
    task, command = ready(state := parked(state, task, 2 * HOUR))
    assert command.agent == AgentChoice(name="claude-large")
    _, command = ready(refused_by_all(state, task, (Away.PARKED, 2 * HOUR)))
    assert command.agent == AgentChoice(name="codex")
    assert command.handed_over is not None and command.handed_over.attempt == 1


def test_a_task_that_is_called_back_is_taken_on_by_nobody() -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    state = granted(started(state, task), requests.Pause(now=True))
    state = parked(state, task, 2 * HOUR)
    assert state.tasks[task.id].status is TaskStatus.INTERRUPTED


def test_what_was_interrupted_goes_on_with_the_agent_that_had_it() -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    task, _ = ready(state := parked(state, task, 2 * HOUR))
    state = settled(fold_interrupted(state, task, NOW).state)
    _, command = ready(state)
    assert command.agent == AgentChoice(name="codex")
    assert State.model_validate_json(state.model_dump_json()) == state, "as another run or the record has it"


def test_a_list_that_is_edited_counts_for_the_next_turn_and_wakes_who_waits() -> None:
    state = house("claude")
    task, _ = ready(state)
    state = granted(parked(state, task, 9 * HOUR), EditDirective(agent="claude,codex"))
    task, command = ready(state)
    assert command.agent == AgentChoice(name="claude"), "it is asked again"
    _, command = ready(parked(state, task, 9 * HOUR))
    assert command.agent == AgentChoice(name="codex")


def test_one_that_an_edit_has_taken_out_while_it_worked_is_followed_by_the_new_list() -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    state = granted(started(state, task), EditDirective(agent="opencode,codex"))
    resume = ResumableSession(agent="claude", session="s", daemon="one")
    fields = {"away": Away.PARKED, "wait_until": NOW + 2 * HOUR, "resume": resume, "summary": "used up"}
    outcome = Outcome(task=task.id, attempt=1, status=WAITING, **fields)
    _, command = ready(settled(fold_outcome(state, task, outcome, NOW, agent="claude").state))
    assert command.agent == AgentChoice(name="opencode")
    assert command.handed_over is not None and command.handed_over.agent == "claude"


def test_each_kind_of_task_has_its_own_list() -> None:
    state = begun(planner=listed("thinker,other"), agent=listed("claude,codex"), resolver=listed("merger"))
    task, command = ready(state)
    assert (command.kind, command.agent) == (TaskKind.PLANNING, AgentChoice(name="thinker"))
    task, command = ready(state := failed(state, task, FailureCategory.AGENT))
    assert (command.agent, command.attempt) == (AgentChoice(name="other"), 2)
    state = ended(state, task, plan=one_step(), base_commit=BASE)
    task, command = ready(state)
    assert command.agent == AgentChoice(name="claude")
    _, command = ready(done(state, task))
    assert (command.kind, command.agent) == (TaskKind.COMPLETION, AgentChoice(name="merger"))


def test_who_did_what_is_told() -> None:
    state = house("claude,codex")
    task, _ = ready(state)
    task, _ = ready(state := parked(state, task, 2 * HOUR))
    (shown,) = view(state).steps
    assert (shown.agent, list(shown.by_agent)) == ("codex", ["claude"])
    assert "claude parked until" in shown.passed_over[0]
    state = done(state, task)
    (shown,) = view(state).steps
    assert {name: used.tokens for name, used in shown.by_agent.items()} == {"claude": 5, "codex": 7}
    assert shown.usage.tokens == 12
    (step,) = state.steps.values()
    assert "claude \\(5 tokens, 10 s\\), codex \\(7 tokens, 1 s\\)" in body(state, [step])


@pytest.mark.parametrize("kind", ["agent", "planner", "fixer", "resolver"])
def test_a_list_that_makes_no_sense_is_refused(kind: str) -> None:
    for names, said in (
        ("claude,claude", "named twice"),
        ("claude,,codex", "names of agents"),
        ("claude,shell", "stands alone"),
        (",".join(f"a{n}" for n in range(11)), "at most 10"),
    ):
        with pytest.raises(ValueError, match=said):
            listed(names)
        refused = _refusal(begun(), EditDirective.model_validate({kind: names}))
        assert said in refused
    twice = AgentChoice.model_validate({"name": "a", "then": [{"name": "a"}]})
    with pytest.raises(ValidationError, match="named twice"):
        Settings.model_validate({kind: twice})


def _refusal(state: State, request: EditDirective) -> str:
    refused = apply(state, request, NOW)
    assert isinstance(refused, Refusal)
    return refused.reason


def test_an_answer_about_a_login_lets_it_be_tried_again() -> None:
    """All are away, so a person was asked; the answer means that the login is repaired."""
    state = house("claude,codex")
    task, _ = ready(state)
    task, _ = ready(state := parked(state, task, 2 * HOUR, away=Away.REFUSED))
    question = Question(id=question_id(task.id, "log in"), task=task.id, text="log in")
    state = parked(state, task, HOUR, away=Away.REFUSED, questions=(question,))
    assert state.tasks[task.id].wait_until is None, "it waits for the answer"
    state = granted(state, requests.AnswerQuestion(question=str(question.id), answer="done"))
    _, command = ready(state)
    assert command.agent == AgentChoice(name="claude")
