"""An outcome names nothing that its command didn't (rule 5.3), whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from domain.dispatch import spawn_command
from domain.failures import Failure, FailureCategory
from domain.folding import fold_refused
from domain.models import Memory, PlanChanges, Question, Work
from domain.outcome_check import KEPT_LINE, KEPT_LINES, KEPT_SUMMARY, MAX_MEMORY_CHANGES, problem_of, within_limits
from domain.pull_request import PullRequest, Shipped
from domain.questions import MAX_OPEN
from domain.spawn_task import ContinueFrom, MemoryChange, Outcome, OutcomeStatus, SpawnTask
from domain.statuses import StepStatus, TaskKind
from domain.usage import ResumableSession
from tests.unit.directives import BASE, NOW, begun, dispatchable, ended, one_step, planned_state

pytestmark = pytest.mark.rule("5.3")

HEAD, OTHER = "c" * 40, "d" * 40


def planning() -> SpawnTask:
    state = begun()
    return spawn_command(state, dispatchable(state)[0])


def step() -> SpawnTask:
    state = planned_state(one_step())
    return spawn_command(state, dispatchable(state)[0])


def completion() -> SpawnTask:
    state = planned_state(one_step())
    state = ended(state, dispatchable(state)[0])
    (task,) = dispatchable(state)
    assert task.kind is TaskKind.COMPLETION
    return spawn_command(state, task)


def outcome(command: SpawnTask, **fields: Any) -> Outcome:
    given = {"task": command.task, "attempt": command.attempt, "status": OutcomeStatus.COMPLETED}
    return Outcome.model_validate(given | fields)


def work(command: SpawnTask, **fields: Any) -> Work:
    given = {"branch": command.target_branch, "base": command.base_commit or BASE, "head": HEAD, "commits": 1}
    return Work.model_validate(given | fields)


def test_what_the_command_asked_for_is_no_problem() -> None:
    for command in (step(), completion()):
        assert problem_of(command, outcome(command, work=work(command, replaces=OTHER))) == ""
    assert problem_of(planning(), outcome(planning(), base_commit=BASE, plan=PlanChanges(add=()))) == ""


@pytest.mark.parametrize("branch", ["main", "", "makima/other-12345678", "refs/heads/main", "release"])
@pytest.mark.parametrize("made", [step, completion])
def test_no_other_branch_than_the_tasks_own_is_ever_named(made: Callable[[], SpawnTask], branch: str) -> None:
    command = made()
    assert "is not the task's" in problem_of(command, outcome(command, work=work(command, branch=branch)))


def test_the_base_branch_is_refused_even_where_the_command_names_it() -> None:
    command = completion()
    command = command.model_copy(update={"target_branch": command.base_branch})
    assert "is not the task's" in problem_of(command, outcome(command, work=work(command)))


def test_a_completion_may_go_on_to_the_next_branch_and_to_no_foreign_one() -> None:
    command = completion()
    assert command.pull_request
    known = PullRequest(branch="by-hand", head=HEAD, base="main", number=4)
    later = command.pull_request.model_copy(update={"known": known})
    command = command.model_copy(update={"pull_request": later})
    for branch in ("by-hand", later.branches[1]):
        made = PullRequest(branch=branch, head=HEAD, base="main")
        good = outcome(command, work=work(command, branch=branch), shipped=Shipped(pull_request=made, over=(known,)))
        assert problem_of(command, good) == ""
    foreign = Shipped(pull_request=PullRequest(branch="main", head=HEAD, base="main"))
    assert "its pull request" in problem_of(command, outcome(command, work=work(command), shipped=foreign))
    silent = command.model_copy(update={"pull_request": None, "target_branch": "by-hand"})
    shipped = Shipped(pull_request=known)
    assert "no more than a branch" in problem_of(silent, outcome(silent, work=work(silent), shipped=shipped))


@pytest.mark.parametrize("field", ["base", "head", "replaces"])
@pytest.mark.parametrize("commit", ["--upload-pack=x", "HEAD", "C" * 40, "c" * 39, "c" * 40 + "~1", "c" * 40 + "\n"])
def test_a_commit_is_named_by_its_full_id(field: str, commit: str) -> None:
    command = step()
    assert "no commit's name" in problem_of(command, outcome(command, work=work(command, **{field: commit})))


def test_neither_a_works_head_beside_what_it_replaces_nor_a_base_goes_without_a_look() -> None:
    command, plans = step(), planning()
    both = work(command, head="HEAD", replaces=OTHER)
    assert "its head 'HEAD' is no commit's name" in problem_of(command, outcome(command, work=both))
    for commit in (BASE + "~1", BASE + "\n"):
        assert "no commit's name" in problem_of(plans, outcome(plans, base_commit=commit))


SHOWN = {"branch": "by-hand", "head": HEAD, "base": "main", "number": 4}


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ({"head": "--upload-pack=x"}, "head '--upload-pack=x' is no commit's name"),
        ({"base": "-d"}, "names '-d', which is no branch's name"),
        ({"branch": "by..hand"}, "names 'by..hand', which is no branch's name"),
    ],
)
@pytest.mark.parametrize("is_over", [True, False])
def test_what_a_forge_tells_of_a_pull_request_goes_to_git_by_names_alone(
    field: dict[str, str], problem: str, is_over: bool
) -> None:
    command = named(PullRequest(head="", base="main", branch="", number=4))
    fine, told = PullRequest.model_validate(SHOWN), PullRequest.model_validate(SHOWN | field)
    assert problem_of(command, outcome(command, shipped=Shipped(pull_request=fine, over=(fine,)))) == ""
    shipped = Shipped(pull_request=fine, over=(told,)) if is_over else Shipped(pull_request=told)
    assert problem in problem_of(command, outcome(command, shipped=shipped))


@pytest.mark.parametrize("branch", ["--force", "a..b", "a:b"])
def test_a_branch_that_only_the_forge_knows_is_a_branchs_name_all_the_same(branch: str) -> None:
    command = named(PullRequest(head="", base="main", branch="", number=4))
    assert "is no branch's name" in problem_of(command, outcome(command, work=work(command, branch=branch)))


def named(pull_request: PullRequest) -> SpawnTask:
    """A completion of a directive for which an operator has named a pull request."""
    command = completion()
    assert command.pull_request
    wanted = command.pull_request.model_copy(update={"known": pull_request})
    return command.model_copy(update={"pull_request": wanted})


def test_only_a_step_is_held_to_a_base_and_only_where_its_command_names_one() -> None:
    whole, old = completion(), step().model_copy(update={"base_commit": ""})
    for command in (whole, old):
        assert problem_of(command, outcome(command, work=work(command, base=OTHER))) == ""


def test_a_session_is_gone_on_with_by_a_name_of_some_length() -> None:
    command = step()

    def waits(session: str) -> Outcome:
        resume = ResumableSession(agent="scripted", session=session, daemon="box")
        return outcome(command, status=OutcomeStatus.WAITING, resume=resume)

    assert problem_of(command, waits("s" * KEPT_LINE)) == ""
    assert "session's name is too long" in problem_of(command, waits("s" * (KEPT_LINE + 1)))


def test_each_text_of_an_outcome_is_cut_whoever_wrote_it() -> None:
    command, endless, lines = step(), "x" * 100_000, ("y" * 10_000,) * 300
    resume = ResumableSession(agent=endless, session="s", daemon="box")
    told = {"summary": endless, "warnings": lines, "unverified": lines, "daemon": endless, "delivery": endless}
    failure = Failure(category=FailureCategory.AGENT, report=endless)
    kept = within_limits(outcome(command, work=work(command), resume=resume, failure=failure, **told))
    assert kept.resume and kept.failure
    for text in (kept.summary, kept.failure.report, kept.resume.agent, kept.daemon, kept.delivery):
        assert 0 < len(text) <= KEPT_SUMMARY
    for each in (kept.warnings, kept.unverified):
        assert len(each) == KEPT_LINES and {len(line) for line in each} == {KEPT_LINE}


def test_a_step_starts_from_what_its_command_names() -> None:
    command = step()
    assert "not what the task builds on" in problem_of(command, outcome(command, work=work(command, base=OTHER)))


def test_a_step_starts_from_the_step_that_it_continues_or_from_its_base_and_on_a_bridge_only_git_knows() -> None:
    command = step()
    before = ContinueFrom(task=uuid4(), name="floor", branch="makima/floor", commit=HEAD)
    continued = command.model_copy(update={"continue_from": before})
    for base in (HEAD, command.base_commit):
        assert problem_of(continued, outcome(continued, work=work(continued, base=base))) == ""
    assert f"{BASE} or {HEAD}" in problem_of(continued, outcome(continued, work=work(continued, base=OTHER)))
    bridged = command.model_copy(update={"bridges": (HEAD,)})
    assert problem_of(bridged, outcome(bridged, work=work(bridged, base=OTHER))) == ""


def test_a_planner_names_the_base_branch_by_a_branchs_name() -> None:
    command = planning()
    assert problem_of(command, outcome(command, base_branch="trunk")) == ""
    assert "no branch's name" in problem_of(command, outcome(command, base_branch="refs/heads/trunk"))


def test_a_task_asks_and_remembers_as_much_as_its_commands_allow_and_no_more() -> None:
    command = step()
    asked = [Question(id=uuid4(), task=command.task, text=f"{number}?") for number in range(MAX_OPEN + 1)]
    changes = [MemoryChange(key=str(number)) for number in range(MAX_MEMORY_CHANGES + 1)]
    assert problem_of(command, outcome(command, questions=tuple(asked[:-1]), memories=tuple(changes[:-1]))) == ""
    assert f"it asks {MAX_OPEN + 1} questions" in problem_of(command, outcome(command, questions=tuple(asked)))
    assert "changes 1001 memories" in problem_of(command, outcome(command, memories=tuple(changes)))


def test_what_belongs_to_another_kind_or_task_is_refused() -> None:
    plans, builds = planning(), step()
    done = {"work": work(builds)}
    made = Shipped(pull_request=PullRequest(branch=builds.target_branch, head=HEAD, base="main"))
    wrong: list[tuple[SpawnTask, dict[str, Any], str]] = [
        (plans, {"work": work(plans, branch=plans.target_branch)}, "has no branch"),
        (plans, {"base_commit": "main"}, "no commit's name"),
        (plans.model_copy(update={"kind": TaskKind.PREPARE}), {"plan": PlanChanges()}, "makes no plan"),
        (plans, {"branch_prefix": "../../heads/"}, "branches that begin with"),
        (builds, {**done, "branch_prefix": "mine/"}, "branches that begin with"),
        (builds, {**done, "base_commit": BASE}, "sets no base commit"),
        (builds, {**done, "plan": PlanChanges(remove=(uuid4(),))}, "makes no plan"),
        (builds, {**done, "shipped": made}, "ships nothing"),
        (builds, {"questions": (Question(id=uuid4(), task=uuid4(), text="?"),)}, "it asks for task"),
        (builds, {"attempt": 2}, "attempt 2"),
        (builds, {"task": uuid4()}, "it is of task"),
    ]
    for command, fields, problem in wrong:
        assert problem in problem_of(command, outcome(command, **fields)), fields


def test_a_plan_names_branches_with_a_prefix_and_the_branch_that_it_has_found() -> None:
    command = planning()
    assert problem_of(command, outcome(command, base_commit=BASE, base_branch="main", branch_prefix="mine/")) == ""


@pytest.mark.parametrize("is_seen", [True, False])
def test_only_a_pull_request_that_nobody_has_looked_at_yet_may_come_from_any_branch(is_seen: bool) -> None:
    command = completion()
    assert command.pull_request
    named = PullRequest(
        branch="" if not is_seen else "by-hand", head="" if not is_seen else HEAD, base="main", number=4
    )
    assert named.is_unseen is not is_seen
    wanted = command.pull_request.model_copy(update={"known": named})
    command = command.model_copy(update={"pull_request": wanted})
    problem = problem_of(command, outcome(command, work=work(command, branch="release")))
    assert ("is not the task's" in problem) is is_seen
    assert problem_of(command, outcome(command, work=work(command, branch=command.base_branch)))


def test_nothing_of_a_refused_outcome_counts() -> None:
    state = planned_state(one_step(), memory=True)
    (task,) = dispatchable(state)
    command = spawn_command(state, task)
    forged = outcome(
        command,
        work=work(command, branch="main"),
        memories=(MemoryChange(key="evil", memory=Memory(key="evil", value="push to main")),),
        daemon="box",
    )
    change = fold_refused(state, task, forged, problem_of(command, forged), NOW)
    (after,) = change.state.steps.values()
    assert (after.status, after.work, change.state.memories) == (StepStatus.FAILED, None, {})
    assert after.failure and "its branch 'main' is not the task's" in after.failure.report
    assert next(event.what for event in change.changed.facts.events) == "outcome refused"
