"""What the terminal shows, without a server: the live tree, the graph's forms, moments, sums."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from rich.console import Console
from rich.text import Text

from cli.operator import drawing, graph_svg
from cli.operator.changes import COMMIT
from cli.operator.json_shapes import TaskProgress
from cli.operator.live_tree import tree
from cli.operator.printing import print_lines
from cli.operator.record_commands import cost_lines, moment
from cli.operator.screens import LiveTree, summary
from cli.operator.step_pictures import PICTURES
from cli.operator.text_lines import changes
from cli.operator.watch_state import WatchedDirective
from domain.errors import Refused
from domain.failures import Failure, FailureCategory
from domain.models import Proposal, State, Step
from domain.names import activity_id, activity_task, short, step_task
from domain.statuses import DirectiveStatus, StepStatus
from domain.usage import Usage
from domain.view import StepView, view
from steering.recorded import SeenState
from steering.shapes import CostsShown
from tests.values import NOON, asking, directive_with, question, with_step

LONG = "and everything that it takes to make it safe and sound for everybody"


def seen(state: State, *progress: TaskProgress) -> WatchedDirective:
    return WatchedDirective(SeenState(view(state), live=True), progress)


def using(state: State, usage: Usage) -> State:
    task = next(iter(state.tasks.values())).model_copy(update={"usage": usage})
    return state.model_copy(update={"tasks": state.tasks | {task.id: task}})


def progress(step: UUID, **fields: object) -> TaskProgress:
    said = {"kind": "step", "task": short(step_task(step)), "daemon": "box", "phase": "agent", "last_line": "Reading"}
    return TaskProgress.model_validate({**said, "seconds": 60, "limit_seconds": 240, "delivery": 1, **fields})


@pytest.fixture
def busy() -> State:
    """One step done, one running, one failed, one after that, with a question open; every text is long."""
    state = directive_with(steps=9, title=f"Add a login {LONG}")
    state = state.model_copy(update={"status": DirectiveStatus.ACTIVE, "planned": 1})
    done, runs, fails, *others = state.steps
    failure = Failure(category=FailureCategory.VERIFY, report=LONG * 9)
    state = with_step(state, done, status=StepStatus.COMPLETED)
    state = with_step(state, runs, status=StepStatus.RUNNING, name=f"Session store {LONG}")
    state = with_step(state, fails, status=StepStatus.FAILED, failure=failure)
    for other in others:
        state = with_step(state, other, depends_on=(runs,))
    return asking(state, question(step_task(runs), f"Which database, {LONG}"))


def printed(shown: WatchedDirective, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(tree([shown]))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 60, 160])
def test_the_tree_fits_the_terminal_whatever_the_texts_are(busy: State, width: int) -> None:
    runs = list(busy.steps)[1]
    lines = printed(seen(using(busy, Usage(cost_usd=1.2)), progress(runs, last_line=LONG * 3)), width)
    assert max(Text(line).cell_len for line in lines) <= width
    assert "1/9" in lines[0]
    assert "$1.20" in lines[0]


@pytest.mark.rule("6.11")
@pytest.mark.rule("8.3")
def test_the_tree_tells_phase_and_last_line_question_failure_and_what_waits_in_this_order(busy: State) -> None:
    runs = list(busy.steps)[1]
    lines = printed(seen(busy, progress(runs, delivery=2)), 200)
    order = ["● Session store", "box: agent  Reading", "? answer", "✘ step 2: verify:", "○ step 3: waits for Session"]
    found = [next(number for number, line in enumerate(lines) if text in line) for text in order]
    assert found == sorted(found)
    assert "delivery 2" in lines[found[0]]
    assert "1 min" in lines[found[0]]
    assert "… and 1 more that wait" in lines[-1]


def test_what_the_live_tree_leaves_is_a_summary(busy: State) -> None:
    file = io.StringIO()
    idle = seen(using(busy, Usage(seconds=90, tokens=1000)).model_copy(update={"status": DirectiveStatus.IDLE}))
    with LiveTree(Console(file=file, width=80, force_terminal=True, color_system=None)) as live:
        live.render([idle])
    left = " ".join(file.getvalue().rpartition("\x1b[2K")[2].split())
    assert "1 running, 1 completed, 1 failed; 1,000 tokens, 1 min" in left.replace("6 pending, ", "")
    assert left.endswith(" idle")


@pytest.mark.rule("2.4")
def test_a_plan_that_waits_for_approval_is_in_the_tree_the_lines_and_the_summary_with_the_command(busy: State) -> None:
    new = tuple(Step(id=uuid4(), generation=2, position=n, name=f"new {n}", task_plan="do it") for n in range(12))
    proposal = Proposal(generation=2, add=new, remove=(), base_commit="b" * 40)
    waits = busy.model_copy(update={"proposal": proposal})
    approve = f"approve {short(busy.directive.id)} --plan {proposal.name}"
    lines = printed(seen(waits), 200)
    assert any(f"? {approve}" in line for line in lines)
    assert any("+ new 9" in line for line in lines)
    assert any("… and 2 more: plan" in line for line in lines)
    for told in (changes(view(busy), view(waits)), summary([seen(waits)])):
        assert any(f"`starter.py {approve}`" in line for line in told)
    assert changes(view(waits), view(waits)) == []
    assert seen(waits).wants_somebody


def test_a_line_says_why_a_task_or_a_ready_step_waits_once(busy: State) -> None:
    step = next(iter(busy.steps))
    before = view(with_step(busy, step, status=StepStatus.READY))
    refused = before.steps[0].model_copy(update={"waiting": "box: no npm"})
    now = before.model_copy(
        update={"steps": (refused, *before.steps[1:]), "tasks": {"Plan: House": "waiting: box: no key"}}
    )
    assert changes(before, now) == [
        "  Plan: House: waiting: box: no key",
        f"  ready      {refused.name}  (box: no npm)",
    ]
    assert changes(now, now) == []


def test_what_is_in_the_way_of_looking_stands_below_what_was_seen_last(busy: State) -> None:
    file = io.StringIO()
    with LiveTree(Console(file=file, width=80, force_terminal=True, color_system=None)) as live:
        live.render([seen(busy)])
        live.wait("no worker answers yet")
        shown = file.getvalue().rpartition("\x1b[2K")[2].splitlines()
    assert "Add a login" in shown[0]
    assert shown[-1].startswith("no worker answers yet")


# The graph


def steps(count: int) -> list[StepView]:
    """A random graph in which a step depends on up to two of the six before it."""
    chance, state = Random(7), directive_with(steps=count)
    ids = list(state.steps)
    for number, identity in enumerate(ids[1:], 1):
        near = ids[max(0, number - 6) : number]
        on = tuple(chance.sample(near, min(len(near), chance.choice([0, 1, 1, 2]))))
        state = with_step(state, identity, depends_on=on, status=list(StepStatus)[number % 9])
    return list(view(state).steps)


def edges(shown: list[StepView]) -> int:
    return sum(len(step.depends_on) for step in shown)


def test_two_hundred_steps_are_drawn_in_every_form() -> None:
    shown = steps(200)
    lines = drawing.lanes(shown)
    assert max(line.cell_len for line in lines) <= 80
    assert sum(any(each.sign in line.plain for each in PICTURES.values()) for line in lines) == 200
    assert drawing.mermaid(shown).count(" --> ") == edges(shown)
    picture = graph_svg.svg(shown, "House")
    assert picture.count('class="node"') == 200
    assert picture.count('class="edge"') == edges(shown)


def test_a_step_is_drawn_behind_all_that_it_depends_on() -> None:
    shown = steps(60)
    place = {step.id: number for number, step in enumerate(drawing.dependencies_first(shown[::-1]))}
    assert len(place) == 60
    assert all(place[on] < place[step.id] for step in shown for on in step.depends_on)


def test_every_status_has_a_look_of_its_own_in_every_form() -> None:
    assert PICTURES.keys() == set(StepStatus)


@pytest.mark.parametrize("name", ['<b>"q" & `x` #1', r"back\N\lslash", "two\nlines", "ünï 日本", "<", "]--> s1"])
def test_a_name_is_only_a_name_in_mermaid_and_svg(name: str) -> None:
    state = directive_with(steps=2)
    state = with_step(state, next(iter(state.steps)), name=name)
    shown = list(view(state).steps)
    flat = " ".join(name.split())
    drawn = ElementTree.fromstring(graph_svg.svg(shown, name))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert f"○ {flat}" in texts
    first = drawing.mermaid(shown).splitlines()[1]
    assert first.startswith('  s0["○ ')
    assert first.endswith('"]:::pending')
    assert not set(first[len('  s0["○ ') : -len('"]:::pending')]) & set('<>"')


# Times and sums


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("90s", NOON - timedelta(seconds=90)),
        ("15m", NOON - timedelta(minutes=15)),
        ("2h", NOON - timedelta(hours=2)),
        ("3d", NOON - timedelta(days=3)),
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22T14:00+02:00", NOON),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(typed: str, expected: datetime) -> None:
    assert moment(typed, NOON) == expected


@pytest.mark.parametrize("typed", ["", "yesterday", "3w", "-2h", "999999d"])
def test_anything_else_is_no_moment(typed: str) -> None:
    with pytest.raises(Refused, match="--since takes a time"):
        moment(typed, NOON)


def test_nothing_used_up_is_said_so() -> None:
    assert cost_lines(CostsShown(directives=(), attempts=(), total=Usage()))[0].endswith("nothing used up yet")


def test_an_activity_says_whose_attempt_it_runs() -> None:
    task = UUID("12345678-90ab-4cde-8f01-234567890abc")
    assert activity_task(activity_id("step", task, 2, 3)) == ("step", "12345678")
    assert activity_task("record-7") is None


def test_a_commit_is_named_in_full() -> None:
    assert COMMIT.fullmatch("a" * 40)
    assert not COMMIT.fullmatch("--upload-pack=x")


class Counted(io.StringIO):
    writes = 0

    def write(self, text: str, /) -> int:
        self.writes += bool(text)
        return super().write(text)


def test_a_long_list_leaves_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write is flushed, and a list of ten thousand directives took half of its time for that."""
    out = Counted()
    monkeypatch.setattr(sys, "stdout", out)
    print_lines(str(number) for number in range(100))
    assert (out.writes, out.getvalue().splitlines()) == (1, [str(number) for number in range(100)])
