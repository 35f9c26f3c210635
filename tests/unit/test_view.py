"""What people are shown of a directive, word by word: status, the Web UI, why something waits (rules 4.4, 9.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import names
from domain.failures import Failure, FailureCategory
from domain.models import Memory, Proposal, State, Step, Task, Work
from domain.pull_request import PullRequest, PullRequestState
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.usage import Usage
from domain.view import SOME, view, waiting_reason
from domain.web_ui_details import DETAILS_LIMIT, details
from tests.unit.directives import BASE, NOW, begun
from tests.values import question

HEAD = "c0ffee" + "0" * 34
UNTIL = NOW + timedelta(hours=2)


def step(number: int, name: str, *on: UUID, **fields: Any) -> Step:
    given = {"generation": 1, "position": number, "task_plan": "x", "depends_on": on, **fields}
    return Step(id=UUID(int=number << 96), name=name, **given)


def task(of: Step, status: TaskStatus, **fields: Any) -> Task:
    given = {"kind": TaskKind.STEP, "name": f"House: {of.name}", "step": of.id, "generation": 1, **fields}
    return Task(id=names.step_task(of.id), status=status, **given)


DONE = step(
    1,
    "floor",
    status=StepStatus.COMPLETED,
    shipped=True,
    work=Work(branch="makima/floor", base=BASE, head=HEAD, commits=2),
)
RUNS = step(2, "wall_1", DONE.id, status=StepStatus.RUNNING)
READY = step(3, "door", status=StepStatus.READY)
BROKEN = step(4, "roof", status=StepStatus.FAILED, failure=Failure(category=FailureCategory.AGENT, report="no *nails*"))
BLOCKED = step(5, "paint", BROKEN.id, status=StepStatus.BLOCKED, blocked_by=(BROKEN.id,))
LATER = step(6, "key", RUNS.id, READY.id, status=StepStatus.PENDING)
COMPLETION = Task(
    id=UUID(int=99),
    kind=TaskKind.COMPLETION,
    name="PR: House",
    generation=1,
    round=2,
    status=TaskStatus.WAITING,
    reason="asks: may I?",
)


@pytest.fixture
def state() -> State:
    steps = (DONE, RUNS, READY, BROKEN, BLOCKED, LATER)
    tasks = (
        task(DONE, TaskStatus.COMPLETED, usage=Usage(cost_usd=1.5, tokens=10)),
        task(RUNS, TaskStatus.RUNNING, attempt=2, daemon="laptop"),
        task(READY, TaskStatus.PENDING),
        COMPLETION,
    )
    pull_request = PullRequest(
        branch="makima/directive-house",
        head=HEAD,
        base="main",
        url="https://x/1",
        number=1,
        state=PullRequestState.DRAFT,
    )
    return begun().model_copy(
        update={
            "status": DirectiveStatus.ACTIVE,
            "reason": "waits for `you`",
            "planned": 1,
            "steps": {each.id: each for each in steps},
            "tasks": {each.id: each for each in tasks},
            "pull_request": pull_request,
            "memories": {"a": Memory(key="a", value="b")},
        }
    )


@pytest.mark.rule("9.2")
def test_the_web_uis_details_say_where_it_stands_what_it_does_and_each_step_by_status(state: State) -> None:
    assert (
        details(state)
        == r"""**active**, generation 1: 1 running, 1 ready, 1 failed, 1 blocked, 1 pending, 1 completed

waits for \`you\`

Branch `makima/directive-house` at `c0ffee0000`
Pull request draft: https://x/1

**Now**
- PR: House: waiting: asks: may I?

**Running**
- wall\_1, on laptop, attempt 2

**Ready**
- door, waits for a daemon on queue daemons/default

**Failed**
- roof, agent: no \*nails\*

**Blocked**
- paint, blocked by roof

**Pending**
- key, waits for wall\_1, door

**Completed**
- floor `makima/floor`"""
    )


@pytest.mark.rule("9.2")
def test_details_without_steps_reason_or_pull_request_are_one_line() -> None:
    state = begun().model_copy(update={"tasks": {}})
    assert details(state) == "**planning**, generation 1: no steps yet"
    pushed = PullRequest(branch="b", head=HEAD, base="main")
    assert details(state.model_copy(update={"pull_request": pushed})).splitlines()[1:] == [
        "",
        "Branch `b` at `c0ffee0000`",
    ]


@pytest.mark.rule("9.2")
def test_of_more_than_fits_the_oldest_finished_steps_are_cut_off_and_said_to_be_there(state: State) -> None:
    many = [
        step(n, f"{n} {'é' * 90}", generation=1 + n % 2, status=StepStatus.COMPLETED if n < 90 else StepStatus.RUNNING)
        for n in range(1, 110)
    ]
    shown = details(state.model_copy(update={"steps": {each.id: each for each in many}, "tasks": {}}))
    assert DETAILS_LIMIT - 300 < len(shown.encode()) <= DETAILS_LIMIT
    assert shown.endswith("\n\n… and more: `starter.py status` shows all of it")
    assert all(f"- {each.id.int >> 96} é" in shown for each in many[89:]), "what runs is there"
    assert all(f"- {number} é" in shown for number in range(1, 90, 2)), "of the others the newest generation"
    assert "- 88 é" not in shown


@pytest.mark.rule("4.4")
def test_status_tells_of_each_step_where_its_work_is_who_does_it_and_why_it_waits(state: State) -> None:
    seen = view(state)
    done, runs, ready, broken, blocked, later = seen.steps
    assert (done.branch, done.head_sha, done.shipped, done.waiting, done.usage.tokens) == (
        "makima/floor",
        HEAD,
        True,
        "",
        10,
    )
    branch = names.task_branch("House: wall_1", names.step_task(RUNS.id))
    assert (runs.branch, runs.daemon, runs.attempt, runs.waiting) == (branch, "laptop", 2, "")
    assert (broken.failure, broken.branch, broken.attempt) == ("agent: no *nails*", "", 0)
    assert [each.waiting for each in (ready, blocked, later)] == [
        "waits for a daemon on queue daemons/default", "blocked by roof", "waits for wall_1, door"
    ]  # fmt: skip
    assert seen.tasks == {"PR: House (2)": "waiting: asks: may I?"}
    first = COMPLETION.model_copy(update={"round": 1, "reason": "", "status": TaskStatus.COMPLETED})
    assert view(state.model_copy(update={"tasks": {first.id: first}})).tasks == {"PR: House": "completed"}
    assert (seen.memories, seen.usage.cost_usd, [queue.name for queue in seen.queues]) == (1, 1.5, ["daemons/default"])
    assert seen.pr and (seen.pr.number, seen.pr.state) == (1, "draft")


@pytest.mark.rule("4.4")
def test_why_a_step_waits_is_said_also_without_a_task_a_place_or_a_plan(state: State) -> None:
    def reason(which: Step, *tasks: Task, **fields: Any) -> str:
        now = state.model_copy(update={"tasks": {each.id: each for each in tasks}, **fields})
        return waiting_reason(now, which)

    assert reason(READY) == "waits for a place among the steps in flight"
    waits = task(READY, TaskStatus.WAITING, reason="its account is used up", wait_until=UNTIL)
    assert reason(READY, waits) == "its account is used up"
    stopped = task(READY, TaskStatus.INTERRUPTED)
    assert reason(READY, stopped) == "waits for a place among the steps in flight", "it is in no queue"
    called = task(LATER, TaskStatus.PENDING)
    assert reason(LATER, called) == "waits for wall_1, door", "not for a daemon"
    alone = step(7, "sign", status=StepStatus.PENDING)
    assert (reason(alone), reason(alone, planned=0)) == ("waits for an earlier phase", "waits for the plan")
    after = step(8, "flag", DONE.id, status=StepStatus.PENDING)
    assert reason(after) == "waits for an earlier phase", "what is done is not waited for"


@pytest.mark.rule("4.4")
def test_of_many_names_the_first_are_told_and_how_many_more(state: State) -> None:
    many = [step(n, str(n), status=StepStatus.PENDING) for n in range(10, 10 + SOME + 1)]
    steps = {each.id: each for each in many}
    now = state.model_copy(update={"steps": steps, "tasks": {}})
    last = step(50, "last", *steps, status=StepStatus.PENDING)
    assert waiting_reason(now, last) == "waits for 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 1 more"
    assert waiting_reason(now, last.model_copy(update={"depends_on": last.depends_on[:SOME]})).endswith("18, 19")


@pytest.mark.rule("2.4")
@pytest.mark.rule("8.3")
def test_status_tells_what_waits_for_a_person(state: State) -> None:
    asked = question(names.step_task(RUNS.id), "Which?", choices=("a", "b"), context="c", default="a", deadline=UNTIL)
    own = question(state.directive.id, "Go on?")
    proposal = Proposal(generation=2, base_commit=BASE, add=(step(9, "pool"),), remove=(BLOCKED.id, UUID(int=1)))
    seen = view(
        state.model_copy(update={"questions": {asked.id: asked, own.id: own}, "proposal": proposal, "generation": 2})
    )
    assert [each.task for each in seen.questions] == ["House: wall_1", ""]
    first = seen.questions[0]
    assert (first.text, first.choices, first.context, first.default, first.deadline) == (
        "Which?",
        ("a", "b"),
        "c",
        "a",
        UNTIL,
    )
    assert seen.proposal and (seen.proposal.generation, seen.proposal.steps, seen.proposal.removed) == (
        2,
        ("pool",),
        ("paint",),
    )
    assert view(state).proposal is None
