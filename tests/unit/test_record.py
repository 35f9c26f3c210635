"""Which writes the record takes, and what crosses into it: the pure part."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.models import Directive, State, Step, Task, Text
from domain.pull_request import PullRequest
from domain.record import (
    Changed,
    Facts,
    LastWrite,
    ProgressWrite,
    WriteAnswer,
    WriteVerdict,
    answer_to,
    snapshot,
    write,
)
from domain.statuses import TaskKind
from ledger.pool import encoded, place
from tests.restoring import restored

pytestmark = pytest.mark.rule("9.1")

STEP, OTHER, TASK = UUID(int=1), UUID(int=2), UUID(int=3)
STATE = State(
    directive=Directive(
        id=UUID(int=9), owner="me", text=Text(title="t", goal="g"), repository="/r", base_branch="main"
    ),
    steps={
        id_: Step(id=id_, generation=1, position=n, name=f"step {n}", task_plan="do")
        for n, id_ in enumerate((STEP, OTHER))
    },
    tasks={TASK: Task(id=TASK, kind=TaskKind.STEP, name="t: step 0", step=STEP, generation=1)},
    pull_request=PullRequest(branch="b", head="h", base="main"),
)


def delta(run_id: str, sequence: int) -> ProgressWrite:
    return write(STATE, Changed(), run_id, sequence)


def whole(run_id: str, sequence: int) -> ProgressWrite:
    return snapshot(STATE, Facts(), run_id, sequence)


def test_a_write_holds_what_changed_and_no_more() -> None:
    written = write(STATE, Changed(steps=frozenset({OTHER})), "run", 7)
    assert ([step.id for step in written.steps], written.tasks, written.sequence) == ([OTHER], (), 7)


def test_a_snapshot_restores_the_state_that_it_was_made_of() -> None:
    written = whole("run", 1)
    assert restored(written.row, written.steps, written.tasks) == STATE


@pytest.mark.parametrize(
    ("case", "last", "sent", "verdict", "sequence"),
    [
        ("a directive's first write is a snapshot", None, whole("a", 1), WriteVerdict.APPLIED, 1),
        ("a change of a directive without a record", None, delta("a", 1), WriteVerdict.RESYNC, 0),
        ("a record that was lost while the run went on", None, delta("a", 9), WriteVerdict.RESYNC, 0),
        ("the next write of the run", LastWrite("a", 4), delta("a", 5), WriteVerdict.APPLIED, 5),
        ("a retry of the last write", LastWrite("a", 4), delta("a", 4), WriteVerdict.IGNORED, 4),
        ("a late retry of an earlier one", LastWrite("a", 4), delta("a", 2), WriteVerdict.IGNORED, 2),
        ("a record that was put back to a backup", LastWrite("a", 4), delta("a", 9), WriteVerdict.RESYNC, 4),
        ("a run that was continued", LastWrite("a", 4), delta("b", 5), WriteVerdict.APPLIED, 5),
        ("a run that was reset to before the last write", LastWrite("a", 4), delta("b", 3), WriteVerdict.RESYNC, 4),
        ("its snapshot", LastWrite("a", 4), whole("b", 5), WriteVerdict.APPLIED, 5),
        ("a dead run's late change", LastWrite("b", 5), delta("a", 5), WriteVerdict.RESYNC, 5),
        ("a dead run's late snapshot", LastWrite("b", 5), whole("a", 5), WriteVerdict.RESYNC, 5),
        ("a dead run's first write, very late", LastWrite("b", 5), whole("a", 1), WriteVerdict.RESYNC, 5),
    ],
)
def test_the_record_takes_only_what_builds_on_it(
    case: str, last: LastWrite | None, sent: ProgressWrite, verdict: WriteVerdict, sequence: int
) -> None:
    assert answer_to(sent, last) == WriteAnswer(verdict=verdict, sequence=sequence), case


@dataclass(frozen=True)
class Sent:
    """A write on its way, with what its run had done when it made it."""

    write: ProgressWrite
    base: tuple[str, ...]
    """What the run knew to be recorded."""
    done: tuple[str, ...]


@dataclass
class Run:
    """A run as the rule sees one; a reset copies it, with the write that it waits for."""

    name: str
    done: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    sequence: int = 0
    full: bool = True
    waits_for: Sent | None = None

    def send(self, work: str) -> Sent:
        self.done = (*self.done, work)
        made = (whole if self.full else delta)(self.name, self.sequence + 1)
        self.waits_for = Sent(made, self.recorded, self.done)
        return self.waits_for

    def hear(self, answer: WriteAnswer) -> None:
        assert self.waits_for
        self.sequence, self.full = answer.sequence, answer.verdict is WriteVerdict.RESYNC
        if not self.full:
            self.recorded = self.waits_for.done
        self.waits_for = None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_of_runs_that_alternate_none_takes_the_record_backwards(data: st.DataObject) -> None:
    """Any forks, any order, any number of arrivals: a change is only ever laid over what its run had seen recorded."""
    runs, on_their_way = [Run("r0")], []
    last: LastWrite | None = None
    recorded: tuple[str, ...] = ()
    for turn in range(data.draw(st.integers(1, 30))):
        run = data.draw(st.sampled_from(runs))
        action = data.draw(st.sampled_from(["send", "arrive", "arrive", "reset"]))
        if action == "reset":
            runs.append(replace(run, name=f"r{len(runs)}"))
        elif action == "send" and not run.waits_for:
            on_their_way.append(run.send(f"{run.name}.{turn}"))
        elif action == "arrive" and on_their_way:
            sent = data.draw(st.sampled_from(on_their_way))
            answer = answer_to(sent.write, last)
            if answer.verdict is WriteVerdict.APPLIED:
                assert sent.write.snapshot or recorded == sent.base
                last, recorded = LastWrite(sent.write.run_id, sent.write.sequence), sent.done
            for listener in runs:
                if listener.waits_for is sent and data.draw(st.booleans()):
                    listener.hear(answer)


def test_a_run_that_is_told_to_resync_is_at_rest_after_one_snapshot() -> None:
    last = LastWrite("old", 41)
    answer = answer_to(delta("new", 7), last)
    assert answer_to(whole("new", answer.sequence + 1), last).verdict is WriteVerdict.APPLIED


def test_a_reset_run_that_is_handed_the_write_of_the_run_before_is_not_taken_for_up_to_date() -> None:
    last = LastWrite("old", 5)
    answer = answer_to(delta("old", 3), last)
    assert answer.verdict is WriteVerdict.IGNORED
    assert answer_to(delta("new", answer.sequence + 1), last).verdict is WriteVerdict.RESYNC


@pytest.mark.parametrize("text", ["plain", "\\u0000 spelled out", "\\\\u0000", "a\\", "ü \U0001f600 \n\t"])
def test_text_reaches_the_database_as_it_is(text: str) -> None:
    assert json.loads(encoded([text])) == [text]


@pytest.mark.parametrize("text", ["\0", "\\\0", "\\\\\0 and \\u0000"])
def test_nul_reaches_the_database_as_a_replacement_character(text: str) -> None:
    assert json.loads(encoded([text])) == [text.replace("\0", "\ufffd")]


def test_an_error_never_shows_the_password_of_the_database() -> None:
    assert place("postgresql://me:s3cret@db.example:6543/makima") == "db.example:6543"
