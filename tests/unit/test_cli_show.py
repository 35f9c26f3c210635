"""What the operator reads: waiting explained, plans to approve, open questions, lost directives."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cli.operator.listing import meant, statuses
from cli.operator.text_lines import (
    age_of,
    daemon_line,
    event_line,
    list_line,
    memory_lines,
    status_lines,
)
from domain.directive_settings import AgentChoice, NamedAgent, Settings
from domain.errors import Refused
from domain.models import Memory, Proposal, Question, State, Step
from domain.reports import DaemonSeen, DirectiveSummary
from domain.statuses import DirectiveStatus, StepStatus, TaskStatus
from domain.view import ProposalView, view
from steering.recorded import SeenState
from steering.shapes import status_shown
from steering.standing import Standing, waiting_note
from tests.unit.test_cli_start import daemon
from tests.values import NOON, directive_with, event, with_step


@pytest.fixture
def waiting() -> State:
    state = directive_with(steps=2).model_copy(update={"status": DirectiveStatus.ACTIVE, "planned": 1})
    return with_step(state, next(iter(state.steps)), status=StepStatus.READY)


@pytest.mark.rule("4.4")
def test_waiting_names_the_queue_and_the_daemons_that_have_reported_lately(waiting: State) -> None:
    note = waiting_note(view(waiting), [daemon("box", running=3), daemon("mac", running=9), daemon("old", silent=91)])
    assert note == (
        "waits on queue daemons/me; daemons that have reported lately: box (1 of 4 slots free), mac (0 of 4 slots free)"
    )


@pytest.mark.rule("4.4")
def test_waiting_says_that_there_is_no_daemon(waiting: State) -> None:
    note = waiting_note(view(waiting), [daemon("old", silent=91)])
    assert note.startswith("waits on queue daemons/me: no daemon of owner 'me' has reported in the last 90 s")


@pytest.mark.rule("4.4")
@pytest.mark.rule("5.4")
def test_waiting_for_a_label_names_the_daemons_that_have_it(waiting: State) -> None:
    one, other = waiting.steps
    shown = view(with_step(waiting, one, label="gpu"))
    assert "on queue daemons/me/gpu" in shown.steps[0].waiting
    plain, labelled = sorted(waiting_note(shown, [daemon("box"), daemon("big", labels=("gpu",))]).split("; waits"))
    assert "box (4 of 4 slots free), big" in plain + labelled
    assert labelled.endswith("daemons with label 'gpu' that have reported lately: big (4 of 4 slots free)")
    alone = view(with_step(with_step(waiting, one, label="gpu"), other, label="gpu"))
    assert waiting_note(alone, [daemon("box")]).startswith(
        "waits on queue daemons/me/gpu: no daemon with label 'gpu' of owner 'me' has reported in the last 90 s. "
        "Start one with `labels = ['gpu']` in its settings"
    )


@pytest.mark.rule("4.4")
def test_nothing_that_runs_or_rests_is_said_to_wait(waiting: State) -> None:
    running = with_step(waiting, next(iter(waiting.steps)), status=StepStatus.RUNNING)
    tasks = {task.id: task.model_copy(update={"status": TaskStatus.RUNNING}) for task in running.tasks.values()}
    assert waiting_note(view(running.model_copy(update={"tasks": tasks})), []) == ""


@pytest.mark.rule("6.13")
def test_a_directive_of_one_daemon_waits_on_that_daemons_queue(waiting: State) -> None:
    directive = waiting.directive.model_copy(update={"settings": Settings(on="box")})
    shown = view(waiting.model_copy(update={"directive": directive}))
    assert [queue.name for queue in shown.queues] == ["daemon/me/box"]
    assert "on queue daemon/me/box" in shown.steps[0].waiting


@pytest.mark.rule("4.4")
def test_a_pending_step_names_the_steps_that_it_waits_for_in_every_phase() -> None:
    state = directive_with(steps=2).model_copy(update={"planned": 1})
    first, second = state.steps
    state = with_step(state, second, depends_on=(first,))
    assert view(state).steps[1].waiting == "waits for step 0"
    assert view(state.model_copy(update={"generation": 2})).steps[1].waiting == "waits for step 0"
    assert view(state.model_copy(update={"generation": 2})).steps[0].waiting == "waits for the plan"
    assert view(state).steps[0].waiting == "waits for an earlier phase"


@pytest.mark.rule("2.4")
def test_a_plan_that_waits_for_approval_is_shown_by_its_steps(waiting: State) -> None:
    removed = next(iter(waiting.steps.values()))
    new = Step(id=uuid4(), generation=2, position=0, name="Tests", task_plan="write them")
    proposal = Proposal(generation=2, add=(new,), remove=(removed.id,), base_commit="b" * 40)
    look = SeenState(view(waiting.model_copy(update={"proposal": proposal})), live=True)
    lines = status_lines(Standing(look, [], None))
    assert "    + Tests" in lines
    assert f"    - {removed.name}" in lines
    assert status_shown(Standing(look, [], None)).proposal == ProposalView(
        generation=2, name=proposal.name, steps=("Tests",), removed=(removed.name,)
    )
    assert any(f"approve {waiting.directive.id.hex[:8]} --plan {proposal.name}`" in line for line in lines)


@pytest.mark.rule("8.3")
def test_open_questions_are_shown_with_the_command_that_answers_them(waiting: State) -> None:
    task = next(iter(waiting.tasks))
    asked = Question(
        id=UUID("91c0" + "0" * 28),
        task=task,
        text="Which database?",
        choices=("Postgres", "SQLite"),
        default="SQLite",
        deadline=NOON,
    )
    answered = asked.model_copy(update={"id": uuid4(), "text": "Old?", "answer": "yes"})
    state = waiting.model_copy(update={"questions": {asked.id: asked, answered.id: answered}})
    text = "\n".join(status_lines(Standing(SeenState(view(state), live=True), [], None)))
    assert "question 91c00000: Which database?" in text
    assert "choices: Postgres, SQLite" in text
    assert "answered with 'SQLite' at 2026-11-22 12:00 UTC" in text
    assert f"starter.py answer {state.directive.id.hex[:8]} 91c00000 TEXT" in text
    assert "Old?" not in text


@pytest.mark.parametrize(
    ("sandbox", "said"),
    [
        ("none", "box runs agents without a sandbox: they see and change all that its user may"),
        ("missing: bwrap: is: gone", "box serves no agent, for it has no sandbox: bwrap: is: gone"),
        ("bubblewrap", ""),
        ("", ""),
    ],
)
def test_a_daemon_without_a_sandbox_is_named(waiting: State, sandbox: str, said: str) -> None:
    seen = DaemonSeen(
        name="box", version="1", agents=(), labels=(), capacity=1, running=(), sandbox=sandbox,
        reported_at=NOON, silent_for=timedelta(seconds=1),
    )  # fmt: skip
    gone = seen.model_copy(update={"silent_for": timedelta(hours=1)})
    look = SeenState(view(waiting), live=True)
    assert (f"  sandbox     {said}" in status_lines(Standing(look, [seen], None))) is bool(said)
    assert "  sandbox  " not in "\n".join(status_lines(Standing(look, [gone], None)))


@pytest.mark.rule("9.2")
def test_a_lost_directive_says_how_it_was_lost_and_what_helps(waiting: State) -> None:
    look = SeenState(view(waiting), live=False, lost="terminated")
    assert "(lost: terminated; recover goes on)" in "\n".join(status_lines(Standing(look, [], None)))
    summary = DirectiveSummary(
        id=uuid4(),
        workflow_id="directive-x",
        title="X",
        status=DirectiveStatus.ACTIVE,
        reason="",
        generation=1,
        steps={},
        updated_at=NOON,
    )
    assert list_line(summary.model_copy(update={"lost": "terminated"})).endswith("(lost: terminated; recover goes on)")
    assert "lost" not in list_line(summary)


@pytest.mark.rule("9.3")
def test_a_list_holds_those_that_are_meant_with_age_and_repository() -> None:
    def one(title: str, status: DirectiveStatus, repository: str, age: timedelta) -> DirectiveSummary:
        about = {"id": uuid4(), "workflow_id": "w", "reason": "", "generation": 1, "steps": {}, "updated_at": NOON}
        return DirectiveSummary(title=title, status=status, repository=repository, age=age, **about)

    shop = one("Login", DirectiveStatus.ACTIVE, "git@host:team/shop.git", timedelta(days=3, hours=4))
    blog = one("Feeds", DirectiveStatus.COMPLETED, "https://host/me/a-blog-with-a-long-name", timedelta(minutes=61))
    assert meant([shop, blog], statuses(""), "", "") == [shop, blog]
    assert meant([shop, blog], statuses("open"), "", "") == [shop]
    assert meant([shop, blog], statuses("completed, failed"), "", "") == [blog]
    assert meant([shop, blog], statuses(""), "HOST/ME", "feed") == [blog]
    with pytest.raises(Refused, match="'asleep' is none; it takes open, draft"):
        statuses("asleep")
    assert list_line(shop)[8:] == "  active     3 d     shop             Login  [no steps]"
    assert list_line(blog)[8:] == "  completed  1 h     a-blog-with-a-lo Feeds  [no steps]"
    assert [age_of(timedelta(seconds=each)) for each in (0, 59, 60, 7200)] == ["0 s", "59 s", "1 min", "2 h"]


@pytest.mark.rule("9.3")
def test_status_says_goal_agents_and_limits(waiting: State) -> None:
    text = waiting.directive.text.model_copy(update={"goal": "All\nusers " + "x" * 300})
    settings = Settings(
        agent=AgentChoice(name="claude", model="small", then=(NamedAgent(name="codex"),)),
        planner=AgentChoice(name="claude"),
        max_cost_usd=2.5,
        max_turns=40,
    )
    directive = waiting.directive.model_copy(update={"text": text, "settings": settings})
    lines = status_lines(
        Standing(SeenState(view(waiting.model_copy(update={"directive": directive})), live=True), [], None)
    )
    assert next(each for each in lines if "  goal  " in each) == f"  goal        All users {'x' * 190}…"
    assert "  agents      plans: claude; steps: claude (small), then codex" in lines
    bounds = "8 steps at once, 2 attempts, 4 h 0 min a step, 15 min without output"
    assert f"  limits      {bounds}, $2.5 an attempt, 40 turns an attempt" in lines


@pytest.mark.rule("9.3")
def test_the_record_is_marked_as_such_where_no_worker_answers(waiting: State) -> None:
    assert (
        "as last recorded: no worker is there"
        in status_lines(Standing(SeenState(view(waiting), live=False), [], None))[2]
    )


def test_a_daemon_is_shown_with_its_agents_slots_and_last_contact() -> None:
    line = "box  3 of 4 slots free, 1 running, last contact 2 s ago  [shell]  labels gpu, mac  version 1, sandbox none"
    assert daemon_line(daemon("box", silent=2.2, running=1, labels=("gpu", "mac"))) == line
    gone = daemon("box", silent=timedelta(hours=1).total_seconds(), running=1)
    assert gone.free == 0
    assert "gone" in daemon_line(gone)


@pytest.mark.rule("9.1")
def test_an_event_is_one_line_with_who_what_of_what_and_why() -> None:
    step = uuid4()
    line = event_line(event("step skipped", why="not\nneeded", step=step), {step: "roof"})
    assert line == "2026-11-22 12:00:00  makima     step skipped: roof (not needed)"


def test_a_memory_of_many_lines_is_set_in() -> None:
    assert memory_lines(Memory(key="k", value="a\nb", category="c")) == ["k [c]: a", "    b"]
    assert memory_lines(Memory(key="k", value="")) == ["k: "]
