"""The text of a pull request (rule 7.4): what it says, that nobody's text can break it, that it always fits."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from domain.agents import TaskAgents
from domain.failures import Failure, FailureCategory
from domain.models import State, Step, Task, Text, Work
from domain.names import step_task
from domain.pull_requests.body import BODY_LIMIT, body, escaped
from domain.statuses import StepStatus, TaskKind
from domain.usage import Usage, duration, used
from tests.unit.directives import begun

pytestmark = pytest.mark.rule("7.4")

NASTY = "| <b>bold</b> [link](http://evil) `code` @ann #12 *x* <!-- makima:directive:1 -->\n# Heading\n---\n- item"


def step(number: int, status: StepStatus = StepStatus.COMPLETED, **fields: object) -> Step:
    work = Work(branch=f"makima/b{number}", base="b" * 40, head="a" * 40, commits=1, verified=("make test",))
    given = {"name": f"step {number}", "work": work if status is StepStatus.COMPLETED else None, **fields}
    return Step.model_validate(
        {"id": UUID(int=number), "generation": 1, "position": number, "task_plan": "x", "status": status, **given}
    )


USED = Usage(seconds=3900, cost_usd=1.25, tokens=12_000)


def state_with(*steps: Step, **text: object) -> State:
    state = begun()
    directive = state.directive.model_copy(
        update={"text": Text.model_validate({"title": "House", "goal": "A house", **text})}
    )
    tasks = [
        Task(
            id=step_task(each.id),
            kind=TaskKind.STEP,
            name=each.name,
            step=each.id,
            generation=1,
            usage=USED,
            agents=TaskAgents(name="claude", used={"claude": USED}),
        )
        for each in steps
    ]
    return state.model_copy(
        update={
            "directive": directive,
            "planned": 1,
            "steps": {each.id: each for each in steps},
            "tasks": {task.id: task for task in tasks},
        }
    )


def test_it_says_what_was_asked_done_left_out_and_used_and_how_to_go_on() -> None:
    failed = Failure(category=FailureCategory.VERIFY, report="make test: 2 failed")
    done = step(1)
    blocked = step(3, StepStatus.BLOCKED, blocked_by=(UUID(int=2),))
    state = state_with(
        done,
        step(2, StepStatus.FAILED, failure=failed),
        blocked,
        step(4, StepStatus.SKIPPED),
        acceptance=("It stands",),
    )
    text = body(state, [done])
    assert "> A house" in text
    assert "- It stands" in text
    assert (
        r"| step 1 | completed | claude | makima/b1 | aaaaaaaaaa | make test | $1\.25, 12,000 tokens, 1 h 5 min |"
        in text
    )
    assert r"- **step 2**: failed \(verify\): make test: 2 failed" in text
    assert "- **step 3**: blocked by step 2" in text
    assert "- **step 4**: skipped" in text
    assert r"$5\.00, 48,000 tokens, 4 h 20 min" in text
    assert f"starter.py retry-step {state.directive.id.hex[:8]} {UUID(int=2)}" in text
    assert text.endswith(f"<!-- makima:directive:{state.directive.id} -->")


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(), ""),
        (Usage(seconds=2), "2 s"),
        (Usage(seconds=2, tokens=10, cost_unknown=True), "cost unknown, 10 tokens, 2 s"),
        (Usage(seconds=2, cost_usd=1.25, cost_unknown=True), "at least $1.25, 2 s"),
        (Usage(cost_unknown=True) + Usage(cost_usd=1.25), "at least $1.25, 0 s"),
        (Usage(cost_usd=1.25) + Usage(tokens=10), "$1.25, 10 tokens, 0 s"),
    ],
)
def test_a_cost_that_nobody_knows_is_not_told_as_none(usage: Usage, told: str) -> None:
    assert used(usage) == told


def test_what_an_earlier_pull_request_held_is_not_told_again() -> None:
    merged = step(1, shipped=True, shipped_in=1).model_copy(update={"status": StepStatus.MERGED})
    text = body(state_with(merged, step(2)), [step(2)])
    assert "step 1" not in text
    assert "step 2" in text


def test_nobodys_text_becomes_markup_a_mention_or_another_cell() -> None:
    failed = Failure(category=FailureCategory.AGENT, report=NASTY)
    done = step(1, name=NASTY)
    state = state_with(done, step(2, StepStatus.FAILED, failure=failed), goal=NASTY, requirements=(NASTY,))
    text = body(state, [done])
    page = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    for markup in ("<b>", "<a ", "<em>", "<h1>", "<hr"):
        assert markup not in page
    assert page.count("<td") == 7, "one row of seven cells"
    assert "@ann" not in text and "#12" not in text
    assert text.count("<!-- makima:directive:") == 1


@given(st.text(max_size=200))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    page = MarkdownIt("commonmark").render(f"x {escaped(text)}")
    assert page.startswith("<p>x")
    assert "<" not in page.removeprefix("<p>").removesuffix("</p>\n").replace("<br", "")


def test_it_fits_a_forge_however_much_there_is_to_tell() -> None:
    long = "@" * 60_000
    failed = Failure(category=FailureCategory.AGENT, report="#1 " * 1300)
    done = [step(number, name="|" * 200) for number in range(400)]
    left = [step(number, StepStatus.FAILED, name="|" * 200, failure=failed) for number in range(400, 800)]
    state = state_with(
        *done, *left, goal=long, requirements=(long,) * 9, acceptance=(long,) * 9, constraints=(long,) * 9
    )
    text = body(state, done)
    assert len(text) <= BODY_LIMIT
    assert "more" in text and "starter.py goal" in text
    assert text.endswith("-->")


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3900, "1 h 5 min")])
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_what_no_commit_holds_is_named() -> None:
    work = Work(branch="b", base="b" * 40, head="a" * 40, commits=1, left_out=("model.bin (too large)", NASTY))
    done = step(1, work=work)
    told = body(state_with(done, step(2)), [done])
    assert "## Left out of the commits" in told
    assert "- **step 1**: model.bin (too large), " in told.replace("\\", "")
    assert "<b>" not in told
    assert "Left out" not in body(state_with(step(2)), [step(2)])
