"""A directive's budget: how it is written, what counts against it, and what follows at its end (rule 2.10)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain import folding, requests
from domain.agents import TaskAgents
from domain.asking import Topic, asked_now
from domain.budget import LEAST, MOST_OF, USED_UP, Budget
from domain.change import Change
from domain.current import fold_used
from domain.directive_settings import AgentChoice, CompletionRule
from domain.dispatch import spawn_command
from domain.events import EventName
from domain.failures import Failure, FailureCategory
from domain.models import PlanChanges, Question, State, Task
from domain.operations import Refusal, apply
from domain.plan import PlannedStep, add_steps
from domain.policy import advance
from domain.prompts import planning_prompt
from domain.recovery import recovered
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.usage import ASSUMED, ASSUMED_BY_TIME, Rate, ResumableSession, Usage
from domain.used import spent, total_usage
from domain.view import view
from domain.why import why
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, granted, later, planned_state, settled, started

pytestmark = pytest.mark.rule("2.10")

budgets = st.builds(
    Budget,
    cost_usd=st.just(0) | st.integers(1, 10**8).map(lambda cents: cents / 100),
    tokens=st.just(0) | st.integers(1, MOST_OF["tokens"]),
    seconds=st.just(0) | st.integers(1, 10**6).map(lambda minutes: minutes * 60),
)


@given(budgets)
def test_what_is_shown_can_be_typed(budget: Budget) -> None:
    again = Budget.model_validate(str(budget))
    assert again.model_dump() == pytest.approx(budget.model_dump(), rel=1e-6)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("20usd", {"cost_usd": 20}),
        ("$2.50", {"cost_usd": 2.5}),
        ("20 USD", {"cost_usd": 20}),
        ("5M tokens", {"tokens": 5_000_000}),
        ("1.5m tokens", {"tokens": 1_500_000}),
        ("300k token", {"tokens": 300_000}),
        ("6h", {"seconds": 21_600}),
        ("90min", {"seconds": 5_400}),
        ("20usd, 5M tokens,6h", {"cost_usd": 20, "tokens": 5_000_000, "seconds": 21_600}),
        ("none", {}),
        ("", {}),
    ],
)
def test_budgets_are_read_as_people_write_them(typed: str, meant: dict[str, float]) -> None:
    assert Budget.model_validate(typed) == Budget.model_validate(meant)


NONSENSE = ["20", "0usd", "-5usd", "20eur", "5M", "5M usd", "6hours", "$20 tokens", "1e3usd", "nanusd", "infusd"]
NONSENSE += ["6h, 7h", "20usd 6h", "٣usd", "9999999usd", "20usd,", "0.4 tokens", "20usd\n6h", "999999999999h"]


@pytest.mark.parametrize("typed", NONSENSE)
def test_nonsense_is_refused_in_one_line_that_says_how_to_write_it(typed: str) -> None:
    refused = apply_answer(typed)
    assert isinstance(refused, Refusal)
    assert "20usd, 5M tokens or 6h" in refused.reason and refused.reason.isprintable()


@given(st.text(max_size=40))
def test_any_text_is_a_budget_within_bounds_or_refused(typed: str) -> None:
    try:
        budget = Budget.model_validate(typed)
    except ValidationError:
        return
    for name, least in LEAST.items():
        amount = getattr(budget, name)
        assert amount == 0 or least <= amount <= MOST_OF[name]


def apply_answer(answer: str) -> Change | Refusal:
    state = used_up()
    (question,) = asked_now(state, Topic.BUDGET)
    return apply(state, requests.AnswerQuestion(question=str(question.id), answer=answer), NOW)


def house(*names: str, **settings: Any) -> State:
    """Steps beside one another, dispatched."""
    steps = [PlannedStep(name=name, task_plan="x") for name in names]
    plan = add_steps(PlanChanges(), steps, generation=1, known=(), new_id=uuid4)
    return planned_state(plan, **settings)


def task_of(state: State, name: str) -> Task:
    return next(task for task in state.tasks.values() if task.step and state.steps[task.step].name == name)


def used_up() -> State:
    """Three steps of which one is done and has cost it all; the others ran, and were handed back with their usage."""
    state = house("roof", "walls", "door", budget="10usd", max_parallel_steps=2)
    roof, walls = dispatchable(state)
    state = started(started(state, roof), walls)
    state = ended(state, roof, usage=Usage(cost_usd=10.5, tokens=1000, seconds=60))
    assert state.tasks[walls.id].unwanted
    return ended(state, walls, **handed_back(2))


def handed_back(cost: float) -> dict[str, Any]:
    used = Usage(cost_usd=cost, tokens=100, seconds=30)
    session = ResumableSession(agent="a", session="s", daemon="one", usage=used)
    return {"status": OutcomeStatus.WAITING, "summary": "called back", "usage": used, "resume": session}


def happened(change: Change) -> list[str]:
    return [event.what for event in change.changed.facts.events]


def test_at_the_end_nothing_starts_what_runs_is_handed_back_and_the_operator_is_asked() -> None:
    state = used_up()
    assert state.status is DirectiveStatus.PAUSED
    assert "$10.50 of $10.00" in state.reason
    assert "--budget" in state.reason
    assert view(state).budget == "$12.50 of $10.00"
    assert dispatchable(state) == []
    assert task_of(state, "walls").status is TaskStatus.INTERRUPTED
    assert all("door" not in task.name for task in state.tasks.values())
    assert len(asked_now(state, Topic.BUDGET)) == 1
    door = next(step for step in state.steps.values() if step.name == "door")
    assert why(state, door, (), NOW).endswith("`edit 00000000 --budget BUDGET` goes on")
    assert settled(state, later(9999)) == state


def test_more_lets_what_was_handed_back_go_on_from_where_it_stopped() -> None:
    state = used_up()
    (question,) = asked_now(state, Topic.BUDGET)
    state = granted(state, requests.AnswerQuestion(question=str(question.id), answer="20usd"))
    assert state.status is DirectiveStatus.ACTIVE
    assert state.directive.settings.budget == Budget(cost_usd=20)
    walls = task_of(state, "walls")
    assert (walls.attempt, walls.status, walls.resume and walls.resume.session) == (1, TaskStatus.PENDING, "s")
    command = spawn_command(state, walls)
    assert command.limits.budget.cost_usd == pytest.approx(7.5 + 2)
    state = ended(state, walls, usage=Usage(cost_usd=3))
    assert total_usage(state).cost_usd == pytest.approx(13.5)


@pytest.mark.parametrize("budget", ["5usd", "12.50usd"])
def test_no_more_than_what_is_spent_lets_nothing_go_on(budget: str) -> None:
    state = used_up()
    for request in (
        requests.EditDirective(budget=Budget.model_validate(budget)),
        requests.Resume(),
        requests.AnswerQuestion(question=str(asked_now(state, Topic.BUDGET)[0].id), answer=budget),
    ):
        refused = apply(state, request, NOW)
        assert isinstance(refused, Refusal)
        assert "--budget" in refused.reason


def test_a_larger_budget_goes_on_without_a_resume_and_answers_the_question() -> None:
    state = granted(used_up(), requests.EditDirective(budget=Budget(cost_usd=20)))
    assert state.status is DirectiveStatus.ACTIVE
    assert asked_now(state, Topic.BUDGET) == []
    assert {task.name for task in dispatchable(state)} == {"House: walls", "House: door"}


def test_a_directive_paused_by_hand_since_then_stays_so() -> None:
    state = granted(used_up(), requests.Pause(now=True))
    state = granted(state, requests.EditDirective(budget=Budget(cost_usd=20)))
    assert state.status is DirectiveStatus.PAUSED
    assert granted(state, requests.Resume()).status is DirectiveStatus.ACTIVE


def test_a_budget_edited_below_what_is_spent_ends_at_once() -> None:
    state = house("roof", "walls", max_parallel_steps=1)
    (roof,) = dispatchable(state)
    state = ended(state, roof, usage=Usage(cost_usd=3))
    (walls,) = dispatchable(state)
    state = granted(started(state, walls), requests.EditDirective(budget=Budget(cost_usd=2)))
    assert state.status is DirectiveStatus.PAUSED
    assert state.tasks[walls.id].unwanted


@pytest.mark.parametrize("completion", CompletionRule)
def test_finish_ships_what_is_there_without_an_agent(completion: CompletionRule) -> None:
    state = used_up()
    settings = state.directive.settings.model_copy(update={"completion": completion})
    state = state.model_copy(update={"directive": state.directive.model_copy(update={"settings": settings})})
    (question,) = asked_now(state, Topic.BUDGET)
    state = granted(state, requests.AnswerQuestion(question=str(question.id), answer=" Finish "))
    assert {step.name: step.status for step in state.steps.values()} == {
        "roof": StepStatus.COMPLETED,
        "walls": StepStatus.CANCELLED,
        "door": StepStatus.CANCELLED,
    }
    (completion_task,) = dispatchable(state)
    command = spawn_command(state, completion_task)
    assert (command.kind, command.agent) == (TaskKind.COMPLETION, None)
    state = ended(state, completion_task)
    assert state.status is DirectiveStatus.IDLE
    again = granted(state, requests.RetryStep(step="walls"))
    assert again.status is DirectiveStatus.PAUSED, "what is begun again is asked for again"
    assert len(asked_now(again, Topic.BUDGET)) == 1


def test_with_nothing_done_there_is_nothing_to_finish_with() -> None:
    state = house("roof", budget="1usd", max_attempts=2)
    (roof,) = dispatchable(state)
    failure = Failure(category=FailureCategory.AGENT, report="no")
    state = ended(state, roof, status=OutcomeStatus.FAILED, failure=failure, usage=Usage(cost_usd=1))
    assert state.status is DirectiveStatus.PAUSED
    question = str(asked_now(state, Topic.BUDGET)[0].id)
    refused = apply(state, requests.AnswerQuestion(question=question, answer="finish"), NOW)
    assert isinstance(refused, Refusal)
    assert "archive" in refused.reason


def test_a_goal_whose_plan_the_budget_no_longer_pays_is_left_where_it_is_finished() -> None:
    state = used_up()
    state = granted(state, requests.ChangeGoal(goal="a castle"))
    question = str(asked_now(state, Topic.BUDGET)[0].id)
    state = granted(state, requests.AnswerQuestion(question=question, answer="finish"))
    (completion,) = dispatchable(state)
    assert completion.kind is TaskKind.COMPLETION
    assert state.bases[2] == BASE


def test_a_planner_that_has_asked_does_not_go_on_where_the_work_is_to_be_finished() -> None:
    state = house("roof", budget="10usd")
    (roof,) = dispatchable(state)
    state = ended(state, roof, usage=Usage(cost_usd=8))
    (completion,) = dispatchable(state)
    state = granted(ended(state, completion), requests.ChangeGoal(goal="a castle"))
    (planner,) = dispatchable(state)
    asks = Question(id=uuid4(), task=planner.id, text="How many towers?")
    state = ended(started(state, planner), planner, **handed_back(2), questions=(asks,))
    (budget,) = asked_now(state, Topic.BUDGET)
    state = granted(state, requests.AnswerQuestion(question=str(asks.id), answer="two"))
    state = granted(state, requests.AnswerQuestion(question=str(budget.id), answer="finish"))
    assert dispatchable(state) == [], "it would cost more than there is"


def test_finished_steps_are_shipped_though_the_budget_is_used_up() -> None:
    state = house("roof", budget="1usd")
    (roof,) = dispatchable(state)
    state = ended(state, roof, usage=Usage(cost_usd=1.5))
    (completion,) = dispatchable(state)
    assert completion.kind is TaskKind.COMPLETION
    assert spawn_command(state, completion).agent is None
    assert ended(state, completion).status is DirectiveStatus.IDLE


def test_a_notice_comes_once_at_four_fifths_and_again_for_another_budget() -> None:
    state = house("roof", "walls", "door", budget="10usd, 1h", max_parallel_steps=1)
    noticed = []
    for used in (Usage(cost_usd=7.9), Usage(cost_usd=0.1), Usage(cost_usd=0.5)):
        (task,) = dispatchable(state)
        outcome = Outcome(
            task=task.id,
            attempt=task.attempt,
            status=OutcomeStatus.FAILED,
            failure=Failure(category=FailureCategory.AGENT, report="no"),
            usage=used,
        )
        state = folding.fold_outcome(state, task, outcome, NOW).state
        change = advance(state, NOW, recorded=99)
        noticed.append(EventName.BUDGET_NEARLY_USED in happened(change))
        state = settled(state)
    assert noticed == [False, True, False]
    edited = apply(state, requests.EditDirective(budget=Budget(cost_usd=10.2)), NOW)
    assert isinstance(edited, Change)
    assert EventName.BUDGET_NEARLY_USED in happened(advance(edited.state, NOW, recorded=99))


def test_unknown_costs_count_by_what_the_known_ones_cost_and_are_marked() -> None:
    state = house("roof", "walls", budget="10usd", max_parallel_steps=1)
    (roof,) = dispatchable(state)
    state = ended(state, roof, usage=Usage(tokens=1_000_000, cost_unknown=True))
    assert spent(state).estimated_usd == pytest.approx(1_000_000 * ASSUMED)
    (walls,) = dispatchable(state)
    state = ended(state, walls, usage=Usage(tokens=500_000, cost_usd=4))
    assert spent(state).estimated_usd == pytest.approx(8)
    assert view(state).budget == "$12.00 of $10.00 ($8.00 of it estimated)"
    assert total_usage(state).cost_usd == 4


def test_an_agent_that_has_told_nothing_counts_by_its_time_though_another_one_goes_on_and_tells() -> None:
    quiet = Usage(seconds=700, cost_unknown=True, untold_seconds=600)
    both = quiet + Usage(seconds=60, cost_usd=4, tokens=1_000_000)
    state = house("roof", "walls", budget="100usd", max_parallel_steps=1)
    (roof,) = dispatchable(state)
    state = ended(state, roof, usage=both)
    assert spent(state).estimated_usd == pytest.approx(600 * ASSUMED_BY_TIME)
    (walls,) = dispatchable(state)
    state = ended(state, walls, usage=Usage(seconds=100, tokens=1_000_000, cost_usd=2))
    assert spent(state).estimated_usd == pytest.approx(600 * 2 / 100), "by what its others have told"


def test_an_agent_of_before_that_says_only_that_it_does_not_know_counts_beside_one_that_tells() -> None:
    quiet = TaskAgents(name="quiet").with_used(Usage(tokens=1_000_000, cost_unknown=True))
    told = quiet.model_copy(update={"name": "told"})
    both = told.with_used(Usage(tokens=2_000_000, cost_usd=4, cost_unknown=True))
    assert {name: used.cost_unknown for name, used in both.by_agent.items()} == {"quiet": True, "told": False}
    state = house("roof", budget="100usd")
    (roof,) = dispatchable(state)
    task = roof.model_copy(update={"agents": both, "status": TaskStatus.WAITING})
    state = state.model_copy(update={"tasks": {**state.tasks, task.id: task}})
    assert spent(state).used.cost_usd == pytest.approx(4 + 1_000_000 * 4 / 1_000_000)


def test_what_is_not_told_counts_by_earlier_steps_of_the_repository_by_this_agent() -> None:
    rates = {"a": Rate(token_usd=1e-5, second_usd=0.5), "b": Rate(token_usd=1, second_usd=1)}
    state = house("roof", budget="100usd", agent=AgentChoice(name="a"))
    state = state.model_copy(update={"budgeting": state.budgeting.model_copy(update={"rates": rates})})
    (roof,) = dispatchable(state)
    assert spawn_command(state, roof).limits.rate == rates["a"], "its daemon stops it by the same"
    state = ended(state, roof, usage=Usage(seconds=50, cost_unknown=True, untold_seconds=40))
    assert spent(state).estimated_usd == pytest.approx(20)


def test_what_a_lost_machine_has_told_counts_once_whatever_becomes_of_the_attempt() -> None:
    state = house("roof", budget="10usd", max_deliveries=2)
    (roof,) = dispatchable(state)
    state = started(state, roof)
    state = fold_used(state, roof, Usage(cost_usd=2, tokens=50, seconds=9), NOW).state
    assert total_usage(state).cost_usd == pytest.approx(2)
    again = state.tasks[roof.id]
    resume = spawn_command(state, again).resume
    assert resume
    assert (resume.session, resume.usage) == ("", Usage(cost_usd=2, tokens=50, seconds=9))
    assert spawn_command(state, again).limits.budget.cost_usd == pytest.approx(10)
    lost = Failure(category=FailureCategory.LOST, report="lost its daemon 2 times")
    failed = settled(folding.fold_broken(state, again, lost, NOW).state)
    assert total_usage(failed).cost_usd == pytest.approx(2)
    done = ended(state, again, usage=Usage(cost_usd=5, tokens=90, seconds=20))
    assert total_usage(done).cost_usd == pytest.approx(5), "the attempt's usage is of all its deliveries"


def test_what_a_given_up_attempt_had_told_when_its_machine_was_lost_counts_beside() -> None:
    state = house("roof", budget="100usd")
    (roof,) = dispatchable(state)
    state = granted(started(state, roof), requests.CancelStep(step="roof"))
    state = settled(folding.fold_interrupted(state, roof, NOW).state)
    state = fold_used(state, roof, Usage(cost_usd=2, tokens=50), NOW).state
    assert total_usage(state).cost_usd == pytest.approx(2)


def test_the_planner_is_told_what_is_left() -> None:
    state = begun(budget="10usd")
    (planner,) = dispatchable(state)
    assert "$0.00 of $10.00 is used" in planning_prompt(state, planner)
    assert spawn_command(state, planner).limits.budget == Budget(cost_usd=10)


def test_a_replan_waits_for_more_and_counts_all_generations() -> None:
    state = house("roof", budget="10usd")
    (roof,) = dispatchable(state)
    state = ended(state, roof, usage=Usage(cost_usd=9))
    state = granted(state, requests.ChangeGoal(goal="a castle"))
    (planner,) = [task for task in dispatchable(state) if task.kind is TaskKind.PLANNING]
    assert spawn_command(state, planner).limits.budget.cost_usd == pytest.approx(1)
    state = ended(state, planner, **handed_back(1) | {"summary": USED_UP, "wait_until": later(300)})
    assert state.status is DirectiveStatus.PAUSED
    state = granted(state, requests.EditDirective(budget=Budget(cost_usd=20)))
    assert planner.id in {task.id for task in dispatchable(state)}, "at once, not when its wait is over"


def test_what_a_run_from_the_record_has_used_is_the_same() -> None:
    state = used_up()
    assert spent(recovered(state)).used == spent(state).used


def test_an_attempt_that_is_begun_again_while_it_runs_counts_with_what_it_used_before_and_since() -> None:
    plan = [PlannedStep(name="walls", task_plan="x"), PlannedStep(name="roof", task_plan="x", depends_on=("walls",))]
    state = planned_state(add_steps(PlanChanges(), plan, generation=1, known=(), new_id=uuid4))
    (walls,) = dispatchable(state)
    state = ended(state, walls, usage=Usage(cost_usd=1))
    (roof,) = dispatchable(state)
    state = ended(started(state, roof), roof, **handed_back(2))
    state = settled(state, later(1))
    (roof,) = dispatchable(state)
    state = started(state, roof)
    state = granted(state, requests.RetryStep(step="walls", agreed=True))
    assert total_usage(state).cost_usd == pytest.approx(3), "what it had used before is not forgotten"
    late = Outcome(task=roof.id, attempt=roof.attempt, **handed_back(5))
    state = folding.fold_outcome(state, roof, late, NOW).state
    assert total_usage(state).cost_usd == pytest.approx(6)


def test_a_lost_attempt_keeps_what_it_had_used_before() -> None:
    state = granted(used_up(), requests.EditDirective(budget=Budget(cost_usd=100)))
    walls = next(task for task in dispatchable(state) if "walls" in task.name)
    lost = Failure(category=FailureCategory.LOST, report="lost its daemon 6 times")
    state = settled(folding.fold_broken(state, walls, lost, NOW).state)
    assert total_usage(state).cost_usd == pytest.approx(12.5)


def test_a_directive_without_a_budget_has_none_of_this() -> None:
    state = house("roof")
    (roof,) = dispatchable(state)
    assert not spawn_command(state, roof).limits.budget
    state = ended(state, roof, usage=Usage(cost_usd=10**6))
    assert state.status is DirectiveStatus.COMPLETING
    assert isinstance(roof.id, UUID)
