"""A directive's settings are changed at any time, from the next task on (rule 8.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from inspect import signature
from typing import Any
from uuid import UUID

import pytest

from cli.operator.edit import edit as edit_command
from domain import names, requests
from domain.budget import Budget
from domain.directive_settings import AgentChoice, CompletionRule, NamedAgent
from domain.dispatch import spawn_command
from domain.errors import Refused
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.folding import fold_interrupted, fold_question
from domain.models import PlanChanges, Question, State
from domain.operations import Refusal, apply
from domain.pausing import ADVICE, OF_CATEGORY, OF_TROUBLE, PauseReason
from domain.plan import PlannedStep
from domain.pull_request import Finding, FindingKind, FindingSource, PullRequest, PullRequestState, Shipped, Sighting
from domain.pull_requests import merging, shepherd, watching
from domain.queues import Queue, queue_of
from domain.requests import EditDirective
from domain.spawn_task import OutcomeStatus, SpawnTask
from domain.statuses import DirectiveStatus, TaskKind, TaskStatus
from domain.view import view
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, granted, settled, started
from tests.unit.test_retraction import do, planned, task_of, why_not

pytestmark = pytest.mark.rule("8.2")


def missing(state: State, task: Any) -> State:
    """The task finds no base branch."""
    failure = Failure(category=FailureCategory.REPOSITORY, report="/r has no branch 'main'; it has trunk")
    trouble = RepositoryTrouble.BASE_BRANCH
    return ended(state, task, status=OutcomeStatus.FAILED, failure=failure, trouble=trouble)


def asked(state: State) -> Question:
    (question,) = [each for each in state.questions.values() if each.is_open]
    return question


def answered(state: State, answer: str) -> State:
    return granted(state, requests.AnswerQuestion(question=str(asked(state).id), answer=answer))


def test_the_next_tasks_are_told_and_what_runs_keeps_what_it_has() -> None:
    state = planned(("floor", ()), ("wall", ()), ("roof", ("floor",)))
    state = started(state, task_of(state, "floor"))
    wall = task_of(state, "wall")
    edited = granted(state, EditDirective(agent="claude", verify=("make test",), max_turns=7, max_cost_usd=2.5))
    assert task_of(edited, "floor").status is TaskStatus.RUNNING
    assert task_of(edited, "wall").unwanted, "it waits in a queue with what it was told before"
    edited = do(settled(fold_interrupted(edited, wall, NOW).state), "floor")
    for name in ("wall", "roof"):
        command = spawn_command(edited, task_of(edited, name))
        assert command.agent == AgentChoice(name="claude")
        assert (command.verify, command.limits.turns, command.limits.cost_usd) == (("make test",), 7, 2.5)
        assert command.attempt == 1


def test_an_empty_list_takes_away_and_none_leaves() -> None:
    state = granted(begun(setup=("a",), verify=("b",), label="gpu"), EditDirective(setup=(), label=""))
    settings = state.directive.settings
    assert (settings.setup, settings.verify, settings.label) == ((), ("b",), "")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (EditDirective(), "nothing would be another"),
        (EditDirective(base_branch="main"), "nothing would be another"),
        (EditDirective(base_branch="a b"), "'a b' is not a branch's name"),
        (EditDirective(max_parallel_steps=0), "max_parallel_steps: "),
        (EditDirective(max_cost_usd=-1), "max_cost_usd: "),
        (EditDirective(label="No Label"), "label: "),
        (EditDirective(agent=""), "--agent: it takes the names"),
        (EditDirective(planner=""), "--planner: it takes the names"),
        (EditDirective(agents=""), "--agents: it takes the names"),
        (EditDirective(agents="claude,claude"), "--agents: agent 'claude' is named twice"),
        (EditDirective(agents="claude,shell"), "--agents: the shell agent stands alone"),
        (EditDirective(fixer="shell"), "the shell agent can't fix"),
        (EditDirective(on="one", label="gpu"), "nothing left to choose"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(request_: EditDirective, said: str) -> None:
    refusal = apply(begun(), request_, NOW)
    assert isinstance(refusal, Refusal)
    assert said in refusal.reason


def test_a_directive_whose_default_branch_is_not_known_yet_can_be_edited() -> None:
    state = begun()
    state = state.model_copy(update={"directive": state.directive.model_copy(update={"base_branch": ""})})
    assert granted(state, EditDirective(planner="claude")).directive.settings.planner == AgentChoice(name="claude")
    assert granted(state, EditDirective(base_branch="next")).directive.base_branch == "next"


def test_work_begins_at_another_base_branch_once_it_was_changed() -> None:
    state = do(planned(("floor", ()), ("wall", ()), ("roof", ("floor",))), "floor")
    wall = task_of(state, "wall")
    assert spawn_command(state, wall).base_commit == BASE
    edited = granted(state, EditDirective(base_branch="next"))
    edited = settled(fold_interrupted(edited, wall, NOW).state)
    command = spawn_command(edited, task_of(edited, "wall"))
    assert (command.base_branch, command.base_commit) == ("next", ""), "its head when the work begins"
    roof = spawn_command(edited, task_of(edited, "roof"))
    assert roof.continue_from, "what builds on finished work goes on from that"


def test_a_missing_base_branch_is_a_question_whose_answer_is_the_branch_to_use() -> None:
    state = begun()
    state = missing(state, dispatchable(state)[0])
    assert state.status is DirectiveStatus.PAUSED
    assert "has no branch 'main'; it has trunk" in asked(state).text
    assert "is not a branch's name" in why_not(
        state, requests.AnswerQuestion(question=str(asked(state).id), answer="no such; thing")
    )
    state = answered(state, " trunk ")
    assert (state.status, state.directive.base_branch) == (DirectiveStatus.PLANNING, "trunk")
    (planner,) = dispatchable(state)
    assert spawn_command(state, planner).base_branch == "trunk"
    assert "Which branch" in asked(missing(state, planner)).text, "it is tried, and asked about again"


def test_a_step_that_finds_no_base_branch_has_not_failed() -> None:
    state = granted(planned(("floor", ()), max_attempts=1), EditDirective(base_branch="gone"))
    state = settled(fold_interrupted(state, task_of(state, "floor"), NOW).state)
    state = answered(missing(state, task_of(state, "floor")), "trunk")
    assert spawn_command(state, task_of(state, "floor")).base_branch == "trunk"


@pytest.mark.parametrize("request_", [requests.Resume(), EditDirective(base_branch="trunk")])
def test_the_question_is_settled_by_whatever_else_helps(request_: requests.Request) -> None:
    state = begun()
    state = granted(missing(state, dispatchable(state)[0]), request_)
    assert not any(each.is_open for each in state.questions.values())


def test_an_agents_question_never_changes_the_base_branch() -> None:
    state = planned(("floor", ()))
    task = task_of(state, "floor")
    forged = Question(id=names.step_task(task.id), task=task.id, topic="base:now", text="Which branch?")
    assert not fold_question(state, forged, NOW).state.questions


def test_steps_begin_at_the_base_branch_as_it_is_once_their_history_was_found_to_be_another() -> None:
    state = do(planned(("floor", ())), "floor")
    failure = Failure(category=FailureCategory.REPOSITORY, report="the work of 'floor' has no commit in common")
    (shipping,) = state.live(TaskKind.COMPLETION)
    trouble = RepositoryTrouble.UNRELATED
    state = ended(state, shipping, status=OutcomeStatus.FAILED, failure=failure, trouble=trouble)
    assert "`starter.py retry-step 00000000 STEP --yes`" in state.reason
    state = granted(granted(state, requests.RetryStep(step="floor")), requests.Resume())
    assert spawn_command(state, task_of(state, "floor")).base_commit == ""


def test_every_way_to_pause_has_advice_that_names_a_command() -> None:
    assert set(ADVICE) == set(PauseReason)
    assert set(OF_CATEGORY) == set(FailureCategory)
    assert set(OF_TROUBLE) == set(RepositoryTrouble)
    assert all("`starter.py " in advice for advice in ADVICE.values())


@pytest.mark.parametrize(
    "name",
    ["", "-f", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock",
     "a.lock/b", "a.", "@", "a@{b", "refs/heads/a", "HEAD", "a\nb", "x" * 245],
)  # fmt: skip
def test_what_git_takes_as_no_branch_is_none(name: str) -> None:
    with pytest.raises(Refused):
        names.check_branch(name)


@pytest.mark.parametrize("name", ["main", "feature/login", "release-1.x", "a@b", "größe", "v1.0", "x/y/z"])
def test_what_git_takes_as_a_branch_is_one(name: str) -> None:
    assert names.check_branch(name) == name


def test_whoever_looks_at_a_directive_that_was_paused_by_hand_sees_what_helps() -> None:
    state = granted(begun(), requests.Pause())
    assert state.reason == "paused by operator"
    assert view(state).reason == "paused by operator — `starter.py resume 00000000` goes on"


# Every option that `edit` takes

Effect = tuple[EditDirective, Callable[[State], object], object]


def _next(state: State) -> SpawnTask:
    """What the roof's task is told once the floor is done."""
    state = do(state, "floor")
    return spawn_command(state, task_of(state, "roof"))


def _queue(state: State) -> Queue:
    state = do(state, "floor")
    return queue_of(state, task_of(state, "roof"))


def _planning(state: State) -> SpawnTask:
    state = granted(do(state, "floor"), requests.ChangeGoal(goal="Another house"))
    (planner,) = [task for task in state.live(TaskKind.PLANNING) if not task.unwanted]
    return spawn_command(state, planner)


def _parallel(state: State) -> int:
    more = [
        requests.AddStep(id=UUID(int=50 + each), step=PlannedStep(name=f"hut {each}", task_plan="x"))
        for each in range(4)
    ]
    for each in more:
        state = granted(state, each)
    return sum(task.kind is TaskKind.STEP for task in state.live())


def _attempts(state: State) -> int:
    failure = Failure(category=FailureCategory.AGENT, report="no")
    state = do(state, "floor")
    while (roof := task_of(state, "roof")).status is TaskStatus.PENDING:
        state = ended(state, roof, status=OutcomeStatus.FAILED, failure=failure)
    return roof.attempt


def _ships(state: State) -> bool:
    """Whether a completion follows where one of two steps has failed."""
    failure = Failure(category=FailureCategory.BUDGET, report="no")
    state = do(state, "floor")
    state = ended(state, task_of(state, "roof"), status=OutcomeStatus.FAILED, failure=failure)
    return bool(state.live(TaskKind.COMPLETION))


def _opened(state: State) -> State:
    state = do(state, "floor", "roof")
    (shipping,) = state.live(TaskKind.COMPLETION)
    made = PullRequest(branch="b", head="c" * 40, base="main", number=7, state=PullRequestState.OPEN)
    return ended(state, shipping, shipped=Shipped(pull_request=made))


def _seen(state: State, number: int, /, **fields: Any) -> State:
    assert state.pull_request
    found = Finding(id=FindingSource.CHECK.id_of(number), kind=FindingKind.CHECK, title="tests")
    now = state.pull_request.model_copy(update=fields)
    return settled(shepherd.fold_sighting(state, Sighting(pull_request=now, findings=(found,)), NOW).state)


def _resolver(state: State) -> AgentChoice | None:
    (task,) = do(do(state, "floor"), "roof").live(TaskKind.COMPLETION)
    return spawn_command(do(do(state, "floor"), "roof"), task).agent


def _fixer(state: State) -> AgentChoice | None:
    state = _seen(_opened(state), 1)
    (fix,) = [step for step in state.steps.values() if step.fix]
    return spawn_command(state, state.tasks[names.step_task(fix.id)]).agent


CODEX_FIRST = AgentChoice(name="codex", then=(NamedAgent(name="claude"),))


def _may_give(state: State) -> tuple[str, ...]:
    """What the next plan may give its steps: its planner is told so, and its commands refuse anything else."""
    allowed = _planning(state).context.agents.allowed
    assert all(each in _planning(state).prompt for each in allowed)
    return allowed


def _rounds(state: State) -> int:
    state = _opened(state)
    for number in range(9):
        state = _seen(state, number)
        fixes = [step for step in state.steps.values() if step.fix]
        if any(question.is_open for question in state.questions.values()):
            return len(fixes)
        state = do(state, fixes[-1].name)
        (shipping,) = state.live(TaskKind.COMPLETION)
        assert state.pull_request
        state = ended(state, shipping, shipped=Shipped(pull_request=state.pull_request))
    return -1


def _tidied(state: State) -> bool:
    state = _seen(_opened(state), 1, state=PullRequestState.MERGED)
    return merging.wanted_tidying(state) is not None


def _proposed(state: State) -> bool:
    state = granted(do(state, "floor"), requests.ChangeGoal(goal="Another house"))
    (planner,) = [task for task in state.live(TaskKind.PLANNING) if not task.unwanted]
    return ended(state, planner, plan=PlanChanges(), base_commit=BASE).proposal is not None


EFFECTS: dict[str, Effect] = {
    "base_branch": (EditDirective(base_branch="next"), lambda state: _next(state).base_branch, "next"),
    "agent": (EditDirective(agent="claude"), lambda state: _next(state).agent, AgentChoice(name="claude")),
    "agents": (
        EditDirective(agents="codex,claude"),
        lambda state: (_next(state).agent, state.directive.settings.agent, _planning(state).agent),
        (AgentChoice(name="codex"), CODEX_FIRST, AgentChoice(name="codex")),
    ),
    "step_agent": (EditDirective(step_agents=("claude:haiku",)), _may_give, ("claude:haiku",)),
    "planner": (EditDirective(planner="codex"), lambda state: _planning(state).agent, AgentChoice(name="codex")),
    "fixer": (EditDirective(fixer="claude"), _fixer, AgentChoice(name="claude")),
    "resolver": (EditDirective(resolver="claude"), _resolver, AgentChoice(name="claude")),
    "fallback_after": (
        EditDirective(fallback_after=timedelta(hours=1)),
        lambda state: state.directive.settings.fallback_after,  # what it does: test_fallbacks.py
        timedelta(hours=1),
    ),
    "on": (EditDirective(on="one"), lambda state: _queue(state).daemon, "one"),
    "label": (EditDirective(label="gpu"), lambda state: _queue(state).label, "gpu"),
    "setup": (EditDirective(setup=("make deps",)), lambda state: _next(state).setup, ("make deps",)),
    "verify": (EditDirective(verify=("make test",)), lambda state: _next(state).verify, ("make test",)),
    "max_parallel_steps": (EditDirective(max_parallel_steps=2), _parallel, 2),
    "max_attempts": (EditDirective(max_attempts=1), _attempts, 1),
    "max_turns": (EditDirective(max_turns=7), lambda state: _next(state).limits.turns, 7),
    "max_cost_usd": (EditDirective(max_cost_usd=2.5), lambda state: _next(state).limits.cost_usd, 2.5),
    "budget": (EditDirective(budget=Budget(tokens=9)), lambda state: _next(state).limits.budget, Budget(tokens=9)),
    "completion": (EditDirective(completion=CompletionRule.ALL), _ships, False),
    "require_approval": (EditDirective(require_approval=True), _proposed, True),
    "memory": (EditDirective(memory=True), lambda state: _next(state).context.memory_enabled, True),
    "shepherd": (EditDirective(shepherd=False), lambda state: watching.wanted_watch(_opened(state)), None),
    "shepherd_rounds": (EditDirective(shepherd_rounds=2), _rounds, 2),
    "branch_prefix": (
        EditDirective(branch_prefix="feature/"),
        lambda state: _next(state).target_branch.partition("/")[0],
        "feature",
    ),
    "keep_branches": (EditDirective(keep_branches=True), _tidied, False),
}


def test_every_option_of_edit_has_its_effect_tested() -> None:
    assert set(EFFECTS) == set(signature(edit_command).parameters)


@pytest.mark.parametrize("option", EFFECTS)
def test_each_option_holds_from_the_next_task_on_and_what_runs_is_untouched(option: str) -> None:
    request, effect, wanted = EFFECTS[option]
    state = planned(("floor", ()), ("roof", ("floor",)))
    state = started(state, task_of(state, "floor"))
    assert effect(state) != wanted, "it would be so without the option, too"
    edited = granted(state, request)
    assert task_of(edited, "floor") == task_of(state, "floor")
    assert effect(edited) == wanted


@pytest.mark.rule("5.9")
def test_agents_for_all_leave_what_is_named_for_itself_and_the_shell_never_plans() -> None:
    claude, codex, shell = (AgentChoice(name=name) for name in ("claude", "codex", "shell"))
    state = granted(
        begun(planner=claude, fixer=claude, agent=claude), EditDirective(agents="codex", planner="claude,codex")
    )
    settings = state.directive.settings
    assert (settings.agent, settings.fixer) == (codex, claude)
    assert settings.planner == AgentChoice(name="claude", then=(NamedAgent(name="codex"),))
    settings = granted(state, EditDirective(agents="shell")).directive.settings
    assert (settings.agent, settings.planner and settings.planner.name) == (shell, "claude")


@pytest.mark.rule("3.6")
def test_what_plans_may_give_their_steps_is_taken_away_by_nothing() -> None:
    state = granted(begun(step_agents=("codex",)), edit_command(**(NOTHING | {"step_agent": [""]})))
    assert state.directive.settings.step_agents == ()


NOTHING = dict.fromkeys(signature(edit_command).parameters)


@pytest.mark.parametrize("status", DirectiveStatus)
def test_a_directive_is_edited_at_any_time_until_it_is_final(status: DirectiveStatus) -> None:
    state = planned(("floor", ()), ("roof", ("floor",))).model_copy(update={"status": status})
    answer = apply(state, EditDirective(verify=("make test",)), NOW)
    if status.is_final:
        assert isinstance(answer, Refusal) and "`start` begins another one" in answer.reason
    else:
        assert not isinstance(answer, Refusal)
        assert answer.state.directive.settings.verify == ("make test",)
