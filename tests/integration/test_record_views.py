"""What the operator sees of the record: logs, daemons, lists; and what a Postgres that is away looks like."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from cli.operator.log_lines import LogPrinter
from cli.operator.text_lines import status_lines
from domain.clash import Clash
from domain.daemon_messages import (
    MAX_ARTIFACT,
    Artifact,
    DaemonReport,
    DaemonWanted,
    LogChunk,
    SavedWork,
    UsageReport,
)
from domain.errors import NotReachable, RecordError, SettingsError
from domain.events import EventName
from domain.failures import Failure, FailureCategory
from domain.logged import DeliveryTold, LogPiece
from domain.models import State, Task, Work
from domain.names import short, workflow_id
from domain.protocol import DaemonFeature
from domain.record import AttemptEnded, DeliveryStarted, Event, Facts, WriteVerdict, snapshot
from domain.reports import LATELY
from domain.spawn_task import Outcome, OutcomeStatus
from domain.spending import estimated
from domain.statuses import DirectiveStatus, StepStatus, TaskStatus
from domain.usage import Usage
from domain.view import view
from ledger.migrate import Migration, migrate, shipped
from ledger.pool import Database, Session, open_pool, storable
from ledger.reader import Record
from ledger.writer import PostgresLedger
from steering.following import TaskReader, follow
from steering.recorded import SeenState
from steering.standing import Standing
from tests.integration.records import log_of
from tests.values import NOON, asking, directive_with, question, with_step

pytestmark = pytest.mark.rule("9.1")


@pytest.fixture
def state() -> State:
    return directive_with()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


# Logs and daemons


def chunks_of(task: UUID, attempt: int, delivery: str, *texts: str) -> list[LogChunk]:
    directive, made, offset = uuid4(), [], 0
    for text in texts:
        made.append(
            LogChunk(directive=directive, task=task, attempt=attempt, delivery=delivery, offset=offset, text=text)
        )
        offset += len(text.encode())
    return made


async def test_a_log_is_whole_in_whatever_order_and_however_often_its_chunks_come(
    ledger: PostgresLedger, record: Record
) -> None:
    task = uuid4()
    one, two, three = chunks_of(task, 1, "d", "grün\n", "nul \0\n", "end\n")
    for chunk in (three, one, one, two, three):
        await ledger.append_log(chunk)
    assert await log_of(record, task) == "grün\nnul \ufffd\nend\n"
    assert await log_of(record, uuid4()) == ""


async def test_the_logs_of_all_deliveries_are_read_in_order_with_whose_they_are_and_how_each_ended(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    task = next(iter(state.tasks))
    waited = NOON + timedelta(minutes=3)
    starts = tuple(
        DeliveryStarted(task=task, attempt=2, delivery=name, daemon="box", at=NOON + timedelta(minutes=n), agent=agent)
        for n, name, agent in ((1, "lost", "claude"), (2, "held", "claude"), (5, "last", "codex"))
    )
    waits = Event(at=waited, actor="daemon:box", what=EventName.TASK_WAITS, why="asks: Which port?", task=task)
    failure = Failure(category=FailureCategory.AGENT, report="gave up")
    outcome = Outcome(task=task, attempt=2, status=OutcomeStatus.FAILED, failure=failure, daemon="box")
    ended = AttemptEnded(outcome=outcome, at=NOON + timedelta(minutes=9))
    await ledger.record(snapshot(state, Facts(deliveries=starts, events=(waits,)), "run", 1))
    # The lost delivery's machine was cut off, and sends what it had gathered after everything else.
    for attempt, delivery in ((2, "last"), (1, "quick"), (2, "held"), (2, "lost")):
        for chunk in chunks_of(task, attempt, delivery, f"{attempt} {delivery}\n"):
            await ledger.append_log(chunk.model_copy(update={"directive": state.directive.id}))
    *_, under_way = await record.deliveries(state.directive.id, task)
    assert (under_way.how, under_way.ended) == ("", None)
    await ledger.record(snapshot(state, Facts(attempts=(ended,)), "run", 2))
    told = {each.delivery: each for each in await record.deliveries(state.directive.id, task)}
    assert {name: (each.daemon, each.agent, each.how) for name, each in told.items()} == {
        "quick": ("", "", "given up"),  # it lived too shortly for its start to be told
        "lost": ("box", "claude", "lost with its daemon: the work went on as delivery held"),
        "held": ("box", "claude", "waits: asks: Which port?"),
        "last": ("box", "codex", "failed: agent"),
    }
    assert (told["lost"].begun, told["lost"].ended) == (NOON + timedelta(minutes=1), None)
    assert (told["held"].ended, told["last"].ended) == (waited, NOON + timedelta(minutes=9))
    reader = TaskReader(record, state.directive.id, task)
    heard = [piece.text async for _, pieces in reader.news() for piece in pieces]
    assert heard == ["1 quick\n", "2 lost\n", "2 held\n", "2 last\n"]


async def test_each_line_of_a_log_has_the_time_at_which_its_daemon_wrote_it(
    ledger: PostgresLedger, record: Record, capsys: pytest.CaptureFixture[str], state: State
) -> None:
    task = next(iter(state.tasks.values()))
    first, second = chunks_of(task.id, 1, "a", "grün\nhalf ", "a line\nlast")
    noon, size = int(NOON.timestamp()), len(first.text.encode())
    # What names a place outside of its chunk is nobody's.
    told = ((0, noon), (6, noon + 61), (size + 5, noon + 999))
    await ledger.append_log(first.model_copy(update={"times": told}))
    await ledger.append_log(second.model_copy(update={"times": ((size, noon + 62), (size + 7, noon + 3600))}))
    printer = LogPrinter({}, raw=False, times=True)
    async for delivery, pieces in TaskReader(record, state.directive.id, task.id).news():
        for piece in pieces:
            printer.take(task, delivery, piece)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith(f"--- {task.name}, attempt 1, delivery a, since ")
    assert lines == ["2026-11-22T12:00:00Z grün", "2026-11-22T12:01:01Z half a line", "2026-11-22T13:00:00Z last"]
    with pytest.raises(ValidationError):
        LogChunk.model_validate({**first.model_dump(), "times": ((0, 10**12),)})


async def test_a_line_of_a_daemon_of_before_has_the_time_at_which_it_came(
    ledger: PostgresLedger, record: Record
) -> None:
    task = uuid4()
    (chunk,) = chunks_of(task, 1, "a", "one\n")
    assert "times" not in chunk.model_dump_json()
    await ledger.append_log(chunk)
    ((delivery, (piece,)),) = [each async for each in TaskReader(record, uuid4(), task).news()]
    assert piece.at == delivery.begun


@pytest.mark.rule("2.10")
async def test_what_an_attempt_uses_is_read_while_it_runs_and_no_late_report_changes_its_end(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    task = next(iter(state.tasks.values()))
    running = task.model_copy(update={"status": TaskStatus.RUNNING, "attempt": 2})
    state = state.model_copy(update={"tasks": {**state.tasks, task.id: running}})
    used = Usage(seconds=9, cost_usd=3, tokens=4)
    of_first = Outcome(task=task.id, attempt=1, status=OutcomeStatus.FAILED, usage=used)
    start = DeliveryStarted(task=task.id, attempt=2, delivery="d", daemon="box", at=NOON)
    facts = Facts(deliveries=(start,), attempts=(AttemptEnded(outcome=of_first, at=NOON),))
    assert (await ledger.record(snapshot(state, facts, "run", 1))).verdict is WriteVerdict.APPLIED
    directive = state.directive.id

    def report(seconds: float, attempt: int = 2) -> UsageReport:
        usage = Usage(seconds=seconds, tokens=50, cost_unknown=True, untold_tokens=50)
        given = {"directive": directive, "task": task.id, "attempt": attempt, "usage": usage, "estimated_usd": 0.5}
        return UsageReport.model_validate({**given, "turns": 6})

    beside = await ledger.note_usage(report(30))
    assert (beside.seconds, beside.cost_usd, beside.tokens) == (9, 3, 4), "of the other attempt"
    await ledger.note_usage(report(20))  # an older one that comes late
    _, second = await record.attempts(directive)
    assert (second.runs, second.seconds, second.tokens, second.turns) == (True, 30, 50, 6)
    told = "attempt 2: under way on box, cost unknown, 50 tokens, 30 s, and about $0.50 that nobody tells, 6 turns"
    assert f"  so far      {task.name}, {told}" in status_lines(
        Standing(SeenState(view(state), live=True), [], None, [second])
    )
    (all_of_it,) = await record.spent(state.directive.owner)
    assert (all_of_it.cost_usd, all_of_it.seconds, all_of_it.estimated_usd) == (3, 39, 0.5)
    assert (await ledger.note_usage(report(1, attempt=1))).cost_usd == 0.5, "what runs counts with its estimate"

    in_all = Usage(seconds=40, cost_usd=2, tokens=90)
    ended = AttemptEnded(outcome=of_first.model_copy(update={"attempt": 2, "usage": in_all}), at=NOON)
    over = state.model_copy(update={"tasks": {**state.tasks, task.id: task}})
    assert (await ledger.record(snapshot(over, Facts(attempts=(ended,)), "run", 2))).verdict is WriteVerdict.APPLIED
    await ledger.note_usage(report(99))
    first, second = await record.attempts(directive)
    assert (first.seconds, second.runs, second.seconds, second.cost_usd) == (9, False, 40, 2)
    assert estimated([first, second]) == 0, "its end has told it all"


def beginning(state: State, status: TaskStatus, *minutes: int) -> tuple[State, Facts]:
    """`state` with its tasks in this status, begun so many minutes after noon."""
    tasks = {id: task.model_copy(update={"status": status, "attempt": 1}) for id, task in list(state.tasks.items())[:3]}
    begun = tuple(
        DeliveryStarted(task=id, attempt=1, delivery="d", daemon="box", at=NOON + timedelta(minutes=after))
        for id, after in zip(tasks, minutes, strict=True)
    )
    return state.model_copy(update={"tasks": {**state.tasks, **tasks}}), Facts(deliveries=begun)


@pytest.mark.rule("6.14")
async def test_a_step_is_compared_with_those_that_were_there_before_it_or_ended_meanwhile(
    ledger: PostgresLedger, record: Record
) -> None:
    state, facts = beginning(directive_with(steps=4), TaskStatus.RUNNING, 1, 2, 3)
    await ledger.record(snapshot(state, facts, "run", 1))
    first, second, third, unbegun = state.tasks
    directive = state.directive.id

    def report(task: UUID, letter: str = "", *clashes: Clash) -> UsageReport:
        saved = SavedWork(commit=letter * 40, ref=f"refs/makima/checkpoints/{task}/1/ä") if letter else None
        return UsageReport(
            directive=directive, task=task, attempt=1, usage=Usage(seconds=1), saved=saved, clashes=clashes
        )

    async def beside(task: UUID, letter: str = "", *clashes: Clash) -> dict[str, str]:
        heard = await ledger.note_usage(report(task, letter, *clashes))
        assert heard.running == len([each for each in running if each != task])
        return {each.name: each.commit[0] for each in heard.steps}

    running = [first, second, third]
    assert await beside(first, "a") == {}, "there was none before"
    assert await beside(second) == {"step 0": "a"}
    assert await beside(third, "c") == {"step 0": "a"}, "of the second there is nothing yet"
    assert await beside(second, "b") == {"step 0": "a"}
    assert await beside(third, "d", Clash(step=second, name="step 1", paths=("f.txt",), more=2, told=True)) == {
        "step 0": "a",
        "step 1": "b",
    }
    (shown,) = [each for each in await record.attempts(directive) if each.clashes]
    lines = status_lines(Standing(SeenState(view(state), live=True), [], None, [shown]))
    assert "  clash       step 2 and step 1 change the same: f.txt and 2 more; its agent was told" in lines

    work = Work(branch="makima/step-2", base="0" * 40, head="e" * 40, commits=1, files_changed=1)
    done = Outcome(task=third, attempt=1, status=OutcomeStatus.COMPLETED, work=work)
    ended = AttemptEnded(outcome=done, at=NOON + timedelta(minutes=9))
    over = state.tasks[third].model_copy(update={"status": TaskStatus.COMPLETED})
    state = state.model_copy(update={"tasks": {**state.tasks, third: over}})
    await ledger.record(snapshot(state, Facts(attempts=(ended,)), "run", 2))
    running = [first, second]
    assert await beside(first, "a") == {"step 2": "e"}, "it has ended since"
    assert await beside(second, "b") == {"step 0": "a", "step 2": "e"}
    heard = await ledger.note_usage(report(second, "b"))
    assert {each.ref for each in heard.steps} == {
        "refs/heads/makima/step-2",
        f"refs/makima/checkpoints/{first}/1/ä",
    }
    failed = Outcome(task=first, attempt=1, status=OutcomeStatus.FAILED)
    gone = state.tasks[first].model_copy(update={"status": TaskStatus.FAILED})
    later = state.tasks[unbegun].model_copy(update={"status": TaskStatus.RUNNING, "attempt": 1})
    begun = DeliveryStarted(task=unbegun, attempt=1, delivery="d", daemon="box", at=NOON + timedelta(minutes=10))
    state = state.model_copy(update={"tasks": {**state.tasks, first: gone, unbegun: later}})
    facts = Facts(attempts=(AttemptEnded(outcome=failed, at=NOON + timedelta(minutes=10)),), deliveries=(begun,))
    await ledger.record(snapshot(state, facts, "run", 3))
    running = [second, unbegun]
    assert await beside(unbegun) == {"step 1": "b"}, "what has ended before it is nothing beside it"


async def test_a_log_is_followed_as_it_grows_and_over_to_the_next_attempt(
    ledger: PostgresLedger, record: Record
) -> None:
    task = uuid4()
    one, two = chunks_of(task, 1, "a", "one ", "two ")
    (three,) = chunks_of(task, 2, "b", "three")
    reader = TaskReader(record, uuid4(), task)
    for chunk in (one, three, two):  # the first delivery's machine was cut off for a while
        await ledger.append_log(chunk)
        news = [(delivery.delivery, piece.text) async for delivery, pieces in reader.news() for piece in pieces]
        assert news == [(chunk.delivery, chunk.text)]


class Heard:
    """What would be printed."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str]] = []
        self.told: set[tuple[str, str]] = set()

    def print_header(self, task: Task, delivery: DeliveryTold) -> None:
        self.told.add((delivery.delivery, delivery.how))

    def take(self, task: Task, delivery: DeliveryTold, piece: LogPiece) -> None:
        self.pieces.append((task.name, piece.text))


async def test_logs_are_followed_over_tasks_that_begin_later_until_nothing_more_can_come(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    first, second = state.tasks.values()
    heard = Heard()
    (one,), (two,) = chunks_of(first.id, 1, "a", "one"), chunks_of(second.id, 1, "b", "two")
    live = with_task(with_task(state, first, TaskStatus.RUNNING), second, TaskStatus.COMPLETED)
    await ledger.record(snapshot(live, Facts(), "run", 1))
    looks: list[State] = []

    async def look() -> State:
        seen = await record.state(state.directive.id)
        assert seen
        looks.append(seen)
        return seen

    def choose(seen: State) -> list[Task]:
        # The second one is there from the second look on.
        return [seen.tasks[task.id] for task in (first, second)[: len(looks)]]

    following = asyncio.create_task(follow(record, look, choose, heard))
    for chunk in (one, two):
        await ledger.append_log(chunk)
        async with asyncio.timeout(60):
            while (chunk.task, chunk.text) not in {(state_id(state, name), text) for name, text in heard.pieces}:
                await asyncio.sleep(0.02)
    assert not following.done()
    done = with_task(live, first, TaskStatus.COMPLETED).model_copy(update={"status": DirectiveStatus.IDLE})
    await ledger.record(snapshot(done, Facts(), "run", 2))
    async with asyncio.timeout(60):
        await following
    assert heard.pieces == [(first.name, "one"), (second.name, "two")]
    assert heard.told == {("a", ""), ("b", "")}


def test_a_header_says_that_a_daemon_is_gone_and_stands_in_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], state: State
) -> None:
    task = next(iter(state.tasks.values())).model_copy(update={"status": TaskStatus.RUNNING})
    fields = {"attempt": 1, "agent": "claude", "begun": NOON, "ended": None, "how": ""}
    one = DeliveryTold.model_validate({**fields, "delivery": "a", "daemon": "mac"})
    silent = {"mac": timedelta()}
    printer = LogPrinter(silent, raw=False, times=False)
    for gone in (timedelta(), timedelta(minutes=4), timedelta(minutes=5)):
        silent["mac"] = gone
        printer.print_header(task, one)
        printer.take(task, one, LogPiece(NOON, "no end of line"))
    about = f"--- {task.name}, attempt 1, delivery a on mac by claude, since 2026-11-22 12:00:00 UTC"
    lines = capsys.readouterr().out.splitlines()
    gone_line = f"{about}: its daemon is gone, last heard 4 min ago"
    assert lines == [f"{about}: under way", "no end of line", gone_line, "no end of lineno end of line"]


def with_task(state: State, task: Task, status: TaskStatus) -> State:
    return state.model_copy(update={"tasks": state.tasks | {task.id: task.model_copy(update={"status": status})}})


def state_id(state: State, name: str) -> UUID:
    return next(task.id for task in state.tasks.values() if task.name == name)


def daemon(name: str, **fields: Any) -> DaemonReport:
    return DaemonReport(**{"owner": "me", "version": "1", "agents": ("shell",), "capacity": 4, "name": name, **fields})


async def test_a_daemon_is_known_by_its_last_report(ledger: PostgresLedger, record: Record) -> None:
    report = daemon("box", labels=("gpu",), sandbox="none")
    await ledger.report_daemon(report)
    await ledger.report_daemon(report.model_copy(update={"running": (UUID(int=1),)}))
    await ledger.report_daemon(report.model_copy(update={"owner": "somebody else"}))
    (seen,) = await record.daemons("me")
    assert seen.sandbox == "none"
    assert (seen.name, seen.agents, seen.labels, seen.capacity, seen.running) == (
        "box",
        ("shell",),
        ("gpu",),
        4,
        (UUID(int=1),),
    )
    assert timedelta() <= seen.silent_for < timedelta(minutes=1)


@pytest.mark.rule("5.4")
async def test_the_daemon_with_the_most_free_slots_is_asked_next(ledger: PostgresLedger, pool: Database) -> None:
    for name, capacity, busy in (("full", 1, 1), ("large", 9, 8), ("free", 4, 1), ("gone", 9, 0)):
        running = tuple(uuid4() for _ in range(busy))
        await ledger.report_daemon(daemon(name, capacity=capacity, running=running))
    await ledger.report_daemon(daemon("foreign", owner="somebody else", capacity=99))
    await pool.execute("update daemons set reported_at = now() - $1::interval where name = 'gone'", LATELY)
    picked: list[str] = []
    while next_one := await ledger.pick_daemon(DaemonWanted(owner="me", exclude=tuple(picked))):
        picked.append(next_one)
    assert picked == ["free", "large", "full"]


@pytest.mark.rule("5.4")
async def test_only_a_daemon_with_the_label_is_asked(ledger: PostgresLedger) -> None:
    for name, labels in (("plain", ()), ("one", ("gpu",)), ("other", ("mac", "gpu"))):
        await ledger.report_daemon(daemon(name, labels=labels))
    assert await ledger.pick_daemon(DaemonWanted(owner="me", label="gpu", exclude=("one",))) == "other"
    assert await ledger.pick_daemon(DaemonWanted(owner="me", label="gpu", exclude=("one", "other"))) is None


@pytest.mark.rule("5.4")
async def test_an_attempt_with_a_secret_goes_to_no_daemon_that_has_not_reported_that_it_knows_it(
    ledger: PostgresLedger, record: Record
) -> None:
    wanted = DaemonWanted(owner="me", feature=DaemonFeature.SECRETS)
    await ledger.report_daemon(daemon("old", capacity=9))
    assert await ledger.pick_daemon(wanted) is None
    await ledger.report_daemon(daemon("new", features=tuple(DaemonFeature)))
    assert await ledger.pick_daemon(wanted) == "new"
    assert [each.features for each in await record.daemons("me")] == [tuple(DaemonFeature), ()]
    await ledger.report_daemon(daemon("new"))  # taken back to the version before
    assert await ledger.pick_daemon(wanted) is None


# Artifacts


@pytest.fixture
def plan(state: State) -> Artifact:
    return Artifact(directive=state.directive.id, task=next(iter(state.tasks)), attempt=1, name="plan.json", content="")


@pytest.mark.rule("3.3")
async def test_an_artifact_may_come_before_the_record_of_its_task_and_the_latest_of_a_name_is_read(
    ledger: PostgresLedger, record: Record, plan: Artifact
) -> None:
    for changes in ({}, {"content": "grün"}, {"content": "again", "attempt": 2}, {"content": "report", "name": "r"}):
        await ledger.put_artifact(plan.model_copy(update=changes))
    await ledger.put_artifact(plan.model_copy(update={"content": "theirs", "directive": uuid4(), "task": uuid4()}))
    seen = await record.artifacts(plan.directive)
    assert [(each.name, each.attempt, each.size) for each in seen] == [
        ("r", 1, 6),
        ("plan.json", 2, 5),
        ("plan.json", 1, 5),
    ]
    assert {each.task for each in seen} == {plan.task}
    assert await record.artifact(plan.directive, "plan.json") == "again"
    assert await record.artifact(plan.directive, "unknown") is None


async def test_an_artifact_that_is_too_large_is_cut_where_everybody_sees_it(
    ledger: PostgresLedger, record: Record, plan: Artifact
) -> None:
    for content in ("ü" * MAX_ARTIFACT, "\0" * MAX_ARTIFACT):
        await ledger.put_artifact(plan.model_copy(update={"content": content}))
        kept = await record.artifact(plan.directive, plan.name)
        assert kept and MAX_ARTIFACT - 4 <= len(kept.encode()) <= MAX_ARTIFACT
        assert kept.startswith(storable(content)[:1000])
        assert "… cut by Makima" in kept.splitlines()[-1]
    await ledger.put_artifact(plan.model_copy(update={"content": "x" * MAX_ARTIFACT}))
    assert await record.artifact(plan.directive, plan.name) == "x" * MAX_ARTIFACT


# Lists


async def test_an_owner_lists_only_their_own_directives_the_latest_changed_first(
    ledger: PostgresLedger, record: Record
) -> None:
    older, newer, foreign = directive_with(), directive_with(title="More"), directive_with(owner="somebody else")
    older = with_step(older, next(iter(older.steps)), status=StepStatus.COMPLETED)
    older = older.model_copy(update={"status": DirectiveStatus.PAUSED, "reason": "no plan"})
    for state in (older, newer, foreign):
        await ledger.record(snapshot(state, Facts(), "run", 1))
    first, second = await record.directives("me")
    assert (first.id, first.title, first.workflow_id) == (
        newer.directive.id,
        "More",
        workflow_id("More", newer.directive.id),
    )
    assert (second.status, second.reason, second.generation) == (DirectiveStatus.PAUSED, "no plan", 1)
    assert second.steps == {StepStatus.COMPLETED: 1, StepStatus.PENDING: 1}
    assert first.updated_at > second.updated_at


async def test_a_directive_is_found_by_id_prefix_or_workflow_name(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    identity = state.directive.id
    await ledger.record(snapshot(state, Facts(), "run", 1))
    await ledger.record(snapshot(directive_with(), Facts(), "run", 1))
    for name in (
        str(identity),
        str(identity).upper(),
        identity.hex,
        short(identity),
        workflow_id("Add auth", identity),
    ):
        assert await record.directive_ids("me", name) == (identity,), name
    assert await record.directive_ids("somebody else", str(identity)) == ()
    assert len(await record.directive_ids("me", "")) == 2


async def test_recovery_finds_every_directive_that_is_not_closed_and_where_to_count_on_from(
    ledger: PostgresLedger, record: Record
) -> None:
    made = {status: directive_with().model_copy(update={"status": status}) for status in DirectiveStatus}
    for state in made.values():
        await ledger.record(snapshot(state, Facts(), "run", 1))
    found = {summary.id: summary.status for summary in await record.unfinished("me")}
    assert found == {state.directive.id: status for status, state in made.items() if not status.is_final}
    assert DirectiveStatus.DRAFT in found.values()
    assert await record.unfinished("somebody else") == ()
    recovered = made[DirectiveStatus.ACTIVE]
    await ledger.record(snapshot(recovered, Facts(), "recovered", 2))
    assert await record.sequence(recovered.directive.id) == 2
    assert await record.sequence(uuid4()) == 0


@pytest.mark.rule("8.3")
async def test_an_owner_sees_the_questions_that_wait_for_an_answer(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    task, foreign = next(iter(state.tasks)), directive_with(owner="somebody else")
    closed = directive_with().model_copy(update={"status": DirectiveStatus.ARCHIVED})
    one, two = question(task, "Which port?", default="80", choices=("80", "81")), question(task, "Why?", answer="so")
    await ledger.record(snapshot(asking(state, one, two), Facts(), "run", 1))
    for other in (foreign, closed):
        await ledger.record(snapshot(asking(other, question(next(iter(other.tasks)))), Facts(), "run", 1))
    (seen,) = await record.open_questions("me")
    assert (seen.directive, seen.question) == (state.directive.id, one)
    assert seen.workflow_id == workflow_id("Add auth", state.directive.id)
    await ledger.record(snapshot(asking(state, two), Facts(), "run", 2))
    assert await record.open_questions("me") == ()


# Postgres itself


async def test_an_unreachable_postgres_is_one_line_without_the_password(unused_port: int) -> None:
    with pytest.raises(NotReachable, match=rf"Postgres at 127\.0\.0\.1:{unused_port} does not answer") as caught:
        await open_pool(f"postgresql://me:s3cret@127.0.0.1:{unused_port}/makima")
    assert "s3cret" not in str(caught.value)


async def test_a_wrong_password_or_database_is_a_matter_of_settings(database: str) -> None:
    with pytest.raises(SettingsError, match="check MAKIMA_DATABASE_URL"):
        await open_pool(f"{database}-missing")
    with pytest.raises(SettingsError, match="postgresql://user:password@host/name"):
        await open_pool("not a url")


async def test_a_write_whose_connection_broke_is_worth_another_try(
    ledger: PostgresLedger, pool: Database, state: State
) -> None:
    sent = snapshot(state, Facts(), "run", 1)
    async with pool.acquire() as other:
        async with other.transaction():
            await other.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", str(state.directive.id))
            writing = asyncio.create_task(ledger.record(sent))
            await until_killed(other)
        with pytest.raises(NotReachable, match="Postgres does not answer"):
            await writing
    assert (await ledger.record(sent)).verdict is WriteVerdict.APPLIED


async def until_killed(session: Session) -> None:
    """Wait for a session of this database that waits for a lock, and kill it."""
    kill = """
        select pg_terminate_backend(l.pid) from pg_locks as l join pg_database as d on d.oid = l.database
        where l.locktype = 'advisory' and not l.granted and d.datname = current_database()
    """
    async with asyncio.timeout(60):
        killed = None
        while not killed:
            await asyncio.sleep(0.01)
            killed = await session.fetchval(kill)


# A record of a version before


@pytest.mark.parametrize(
    "older", ["alter table events drop column why", "drop table events", "drop schema public cascade"]
)
async def test_tables_of_a_version_before_are_one_line_that_says_to_start_the_worker(
    pool: Database, older: str
) -> None:
    await pool.execute(older)
    with pytest.raises(NotReachable, match=r"^the record has no tables yet for this version \(.+\): start .+worker.py"):
        await Record(pool).events(uuid4())


async def test_a_migration_that_names_what_is_not_there_is_broken_and_not_waited_for(pool: Database) -> None:
    for sql in ("alter table nowhere add x int", "alter table directives drop column nowhere"):
        with pytest.raises(RecordError, match="nowhere"):
            await migrate(pool, (*shipped(), Migration("9999_broken", sql)))
