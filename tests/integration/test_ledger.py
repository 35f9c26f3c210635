"""The record over a real Postgres: what is written is what is read, once, whole, and never backwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from domain.agents import Away
from domain.errors import RecordError, RowBroken
from domain.experience import RepositoryNamed
from domain.failures import Failure, FailureCategory, RepositoryTrouble
from domain.models import Answer, Memory, PlanChanges, State, Step, Task, Text, Work
from domain.pull_request import PullRequest, PullRequestState, Shipped
from domain.record import (
    AttemptEnded,
    AttemptNamed,
    Changed,
    DeliveryStarted,
    Facts,
    GoalRevision,
    ProgressWrite,
    WriteVerdict,
    snapshot,
    write,
)
from domain.size import without_finished_texts
from domain.spawn_task import MemoryChange, Outcome, OutcomeStatus
from domain.statuses import DirectiveStatus, StepStatus, TaskKind, TaskStatus
from domain.usage import ResumableSession, Usage
from ledger.pool import Database, open_pool
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.values import NOON, asking, directive_with, event, question, remembering, states, with_step

pytestmark = pytest.mark.rule("9.1")

Outcomes = Callable[..., AttemptEnded]

ANY_STATE = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Every example is a write to Postgres: to shrink one that failed takes five minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def change_of(state: State, run_id: str, sequence: int, facts: Facts | None = None) -> ProgressWrite:
    """A write of the whole state that is no snapshot."""
    changed = Changed(steps=frozenset(state.steps), tasks=frozenset(state.tasks), facts=facts or Facts())
    return write(state, changed, run_id, sequence)


@pytest.fixture
def state() -> State:
    return directive_with()


# What is written is what is read


@settings(ANY_STATE, max_examples=40)
@given(written=states())
async def test_a_state_that_was_written_is_read_as_the_same_state(
    ledger: PostgresLedger, record: Record, written: State
) -> None:
    # An example that comes again is another directive.
    written = written.model_copy(update={"directive": written.directive.model_copy(update={"id": uuid4()})})
    answer = await ledger.record(snapshot(written, Facts(), "run", 1))
    assert answer.verdict is WriteVerdict.APPLIED
    assert await record.state(written.directive.id) == written


@settings(ANY_STATE, max_examples=30)
@given(changed=states())
async def test_a_change_reaches_every_field(ledger: PostgresLedger, record: Record, changed: State) -> None:
    plain = directive_with(steps=0)
    steps = {id_: Step(id=id_, generation=0, position=0, name="", task_plan="") for id_ in changed.steps}
    tasks = {id_: Task(id=id_, kind=TaskKind.STEP, name="", generation=0) for id_ in changed.tasks}
    await ledger.record(snapshot(plain.model_copy(update={"steps": steps, "tasks": tasks}), Facts(), "run", 1))
    directive = changed.directive.model_copy(update={"id": plain.directive.id})
    changed = changed.model_copy(update={"directive": directive})
    await ledger.record(change_of(changed, "run", 2))
    assert await record.state(directive.id) == changed


async def test_what_the_workflow_drops_to_save_room_stays_in_the_record(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    (step, _), (task, _) = state.steps, state.tasks
    full = with_step(state, step, status=StepStatus.COMPLETED, description="why", summary="done")
    earlier = Failure(category=FailureCategory.AGENT, report="not yet")
    ended = {"status": TaskStatus.COMPLETED, "earlier": earlier, "refusals": {"box": "no agent"}, "ships": (step,)}
    full = full.model_copy(update={"tasks": full.tasks | {task: full.tasks[task].model_copy(update=ended)}})
    await ledger.record(snapshot(full, Facts(), "run", 1))
    smaller = without_finished_texts(full)
    assert smaller != full
    await ledger.record(snapshot(smaller, Facts(), "recovered", 2))
    assert await record.state(state.directive.id) == full


async def test_every_status_and_kind_of_the_domain_has_its_place(ledger: PostgresLedger, record: Record) -> None:
    state = directive_with(steps=0)
    steps = [
        Step(id=uuid4(), generation=1, position=0, name="s", task_plan="p", status=status) for status in StepStatus
    ]
    tasks = [
        Task(id=uuid4(), generation=1, name="t", kind=kind, status=status) for kind in TaskKind for status in TaskStatus
    ]
    full = state.model_copy(update={"steps": {s.id: s for s in steps}, "tasks": {t.id: t for t in tasks}})
    for sequence, status in enumerate(DirectiveStatus, start=1):
        current = full.model_copy(update={"status": status})
        await ledger.record(snapshot(current, Facts(), "run", sequence))
        assert await record.state(state.directive.id) == current


async def test_a_change_brings_its_rows_up_and_leaves_the_others(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    first, second = state.steps
    await ledger.record(snapshot(state, Facts(), "run", 1))
    after = with_step(with_step(state, first, status=StepStatus.RUNNING), second, status=StepStatus.READY)
    await ledger.record(write(after, Changed(steps=frozenset({first})), "run", 2))
    assert await record.state(state.directive.id) == with_step(state, first, status=StepStatus.RUNNING)


async def test_what_postgres_cannot_hold_is_replaced(ledger: PostgresLedger, record: Record, state: State) -> None:
    step = next(iter(state.steps))
    failure = Failure(category=FailureCategory.AGENT, report="bin\0ary")
    await ledger.record(snapshot(with_step(state, step, summary="a\0b", failure=failure), Facts(), "run", 1))
    read = await record.state(state.directive.id)
    assert read
    assert read.steps[step].summary == "a\ufffdb"
    assert read.steps[step].failure == Failure(category=FailureCategory.AGENT, report="bin\ufffdary")


async def test_an_unknown_directive_has_no_state(record: Record) -> None:
    assert await record.state(uuid4()) is None


async def test_a_pull_request_that_followed_another_is_the_one_in_the_state(
    ledger: PostgresLedger, record: Record, pool: Database, state: State
) -> None:
    one, two = (PullRequest(branch=branch, head="h", base="main") for branch in ("d", "d-v2"))
    for sequence, current in enumerate((one, two), start=1):
        await ledger.record(snapshot(state.model_copy(update={"pull_request": current}), Facts(), "run", sequence))
    read = await record.state(state.directive.id)
    assert read
    assert read.pull_request == two
    assert await pool.fetchval("select count(*) from pull_requests") == 2


async def test_of_a_pull_request_that_one_write_tells_twice_the_current_one_counts(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    found = PullRequest(branch="d", head="h", base="main", state=PullRequestState.CLOSED)
    current = found.model_copy(update={"head": "h2", "state": PullRequestState.OPEN})
    now = state.model_copy(update={"pull_request": current})
    await ledger.record(snapshot(now, Facts(pull_requests=(found, found)), "run", 1))
    assert await record.state(state.directive.id) == now


async def test_answers_to_updates_keep_their_order(ledger: PostgresLedger, record: Record, state: State) -> None:
    answer = Answer(status=DirectiveStatus.ACTIVE, generation=1)
    for sequence, ids in enumerate((["later", "b", "a"], ["b", "a", "a10", "a9"]), start=1):
        answered = state.model_copy(update={"answered": dict.fromkeys(ids, answer)})
        await ledger.record(snapshot(answered, Facts(), "run", sequence))
        read = await record.state(state.directive.id)
        assert read and list(read.answered) == ids


# Memories and questions


@pytest.mark.rule("8.3")
async def test_a_memory_that_was_deleted_and_a_question_that_is_gone_leave_the_state(
    ledger: PostgresLedger, record: Record, pool: Database, state: State
) -> None:
    task = next(iter(state.tasks))
    stays, goes = question(task, "Which port?"), question(task, "Why?")
    before = asking(remembering(state, style="tabs", port="1"), stays, goes)
    answered = stays.model_copy(update={"answer": "80", "answered_by": "operator"})
    after = asking(remembering(state, port="80"), answered)
    await ledger.record(snapshot(before, Facts(events=(event("memory set", why="style"),)), "run", 1))
    assert await record.state(state.directive.id) == before
    await ledger.record(change_of(after, "run", 2))
    assert await record.state(state.directive.id) == after
    assert await pool.fetchval("select count(*) from questions") == 2
    assert await record.events(state.directive.id) == (event("memory set", why="style"),)
    await ledger.record(change_of(before, "run", 3))
    assert await record.state(state.directive.id) == before


async def test_memories_of_one_directive_are_no_business_of_another(ledger: PostgresLedger, record: Record) -> None:
    one, other = remembering(directive_with(), port="1"), remembering(directive_with(), port="2")
    for state in (one, other, remembering(one)):
        sequence = await record.sequence(state.directive.id) + 1
        await ledger.record(snapshot(state, Facts(), "run", sequence))
    assert await record.state(one.directive.id) == remembering(one)
    assert await record.state(other.directive.id) == other


# Once, whole, and never backwards


async def test_the_first_write_of_a_directive_is_a_snapshot_or_nothing(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    assert (await ledger.record(change_of(state, "run", 1))).verdict is WriteVerdict.RESYNC
    assert await record.state(state.directive.id) is None
    assert (await ledger.record(snapshot(state, Facts(), "run", 1))).verdict is WriteVerdict.APPLIED


async def test_a_retry_of_a_write_that_was_committed_changes_nothing(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    sent = snapshot(state, Facts(events=(event("started"),)), "run", 1)
    verdicts = [(await ledger.record(sent)).verdict for _ in range(3)]
    assert verdicts == [WriteVerdict.APPLIED, WriteVerdict.IGNORED, WriteVerdict.IGNORED]
    assert await record.events(state.directive.id) == (event("started"),)


async def test_after_a_reset_the_record_follows_the_new_run_and_the_dead_one_disturbs_nobody(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    first, second = state.steps
    await ledger.record(snapshot(state, Facts(), "old", 1))
    beyond = with_step(state, first, status=StepStatus.COMPLETED)
    await ledger.record(change_of(beyond, "old", 2))
    truth = with_step(state, second, status=StepStatus.FAILED)
    answer = await ledger.record(change_of(truth, "new", 2))
    assert (answer.verdict, answer.sequence) == (WriteVerdict.RESYNC, 2)
    assert await record.state(state.directive.id) == beyond
    assert (await ledger.record(snapshot(truth, Facts(), "new", 3))).verdict is WriteVerdict.APPLIED

    for late in (change_of(beyond, "old", 3), change_of(beyond, "old", 2), snapshot(state, Facts(), "old", 1)):
        assert (await ledger.record(late)).verdict is WriteVerdict.RESYNC
        assert await record.state(state.directive.id) == truth
    assert (await ledger.record(change_of(beyond, "new", 4))).verdict is WriteVerdict.APPLIED


async def test_a_continued_run_goes_on_without_a_snapshot(ledger: PostgresLedger, record: Record, state: State) -> None:
    await ledger.record(snapshot(state, Facts(), "run", 1))
    after = with_step(state, next(iter(state.steps)), status=StepStatus.COMPLETED)
    assert (await ledger.record(change_of(after, "continued", 2))).verdict is WriteVerdict.APPLIED
    assert await record.state(state.directive.id) == after


async def test_of_two_runs_that_write_at_once_one_is_told_to_resync(ledger: PostgresLedger, state: State) -> None:
    sent = [snapshot(state, Facts(), run, 1) for run in "abcdefgh"]
    verdicts = [answer.verdict for answer in await asyncio.gather(*map(ledger.record, sent))]
    assert sorted(verdicts) == [WriteVerdict.APPLIED] + 7 * [WriteVerdict.RESYNC]


async def test_what_a_snapshot_does_not_hold_leaves_the_state_and_may_come_back(
    ledger: PostgresLedger, record: Record, pool: Database
) -> None:
    state = directive_with(steps=3)
    smaller = state.model_copy(
        update={
            "steps": dict(list(state.steps.items())[:1]),
            "tasks": dict(list(state.tasks.items())[:1]),
        }
    )
    await ledger.record(snapshot(state, Facts(), "old", 1))
    await ledger.record(snapshot(smaller, Facts(), "new", 2))
    assert await record.state(state.directive.id) == smaller
    assert await pool.fetchval("select count(*) from steps") == 3
    await ledger.record(change_of(state, "new", 3))
    assert await record.state(state.directive.id) == state


async def test_a_write_that_fails_leaves_nothing(ledger: PostgresLedger, record: Record, state: State) -> None:
    stray = DeliveryStarted(task=uuid4(), attempt=1, delivery="d", daemon="box", at=NOON)
    facts = Facts(events=(event("started"),), deliveries=(stray,))
    with pytest.raises(RecordError, match="attempts_of_task"):
        await ledger.record(snapshot(state, facts, "run", 1))
    assert await record.state(state.directive.id) is None


# Facts


@pytest.fixture
def ended(state: State) -> Outcomes:
    task = next(iter(state.tasks))

    def end(status: OutcomeStatus, summary: str = "", **fields: Any) -> AttemptEnded:
        return AttemptEnded(outcome=Outcome(task=task, attempt=1, status=status, summary=summary, **fields), at=NOON)

    return end


async def test_a_finished_attempt_is_never_overwritten(
    ledger: PostgresLedger, pool: Database, state: State, ended: Outcomes
) -> None:
    facts = Facts(attempts=(ended(OutcomeStatus.COMPLETED, "first", usage=Usage(seconds=2.5, tokens=7)),))
    await ledger.record(snapshot(state, facts, "run", 1))
    await ledger.record(change_of(state, "run", 2, Facts(attempts=(ended(OutcomeStatus.FAILED, "second"),))))
    kept = await pool.fetchrow("select status, summary, seconds, tokens, ended_at from attempts")
    assert kept and tuple(kept) == ("completed", "first", 2.5, 7, NOON)
    with pytest.raises(asyncpg.RestrictViolationError, match="a finished attempt is never overwritten"):
        await pool.execute("update attempts set summary = 'third'")


@pytest.mark.rule("2.2")
async def test_what_steps_of_a_repository_have_used_is_told_to_its_owner_the_latest_first(
    ledger: PostgresLedger, record: Record
) -> None:
    for number, (owner, repository) in enumerate([("me", "/r"), ("me", "/r"), ("me", "/other"), ("you", "/r")]):
        made = directive_with(2, owner=owner)
        directive = made.directive.model_copy(update={"repository": repository})
        done, failed = made.tasks.values()
        tasks = {
            done.id: done.model_copy(update={"status": TaskStatus.COMPLETED}),
            failed.id: failed.model_copy(update={"status": TaskStatus.FAILED}),
        }
        ends = tuple(
            AttemptEnded(
                outcome=Outcome(
                    task=task,
                    attempt=attempt,
                    status=OutcomeStatus.COMPLETED,
                    usage=Usage(cost_usd=number + 1, seconds=60, tokens=5),
                ),
                at=NOON + timedelta(hours=number),
            )
            for task in tasks
            for attempt in (1, 2)
        )
        state = made.model_copy(update={"directive": directive, "tasks": tasks})
        await ledger.record(snapshot(state, Facts(attempts=ends), "run", 1))
    wanted = RepositoryNamed(owner="me", repository="/r")
    both = await ledger.steps_done(wanted)
    assert [(each.name, each.attempts, each.usage) for each in both] == [
        ("step 0", 2, Usage(cost_usd=4, seconds=120, tokens=10)),
        ("step 0", 2, Usage(cost_usd=2, seconds=120, tokens=10)),
    ]
    assert await record.steps_done("me", "/r") == both
    assert await ledger.steps_done(wanted.model_copy(update={"repository": "/nothing"})) == ()


@pytest.mark.rule("6.8")
async def test_the_record_gives_the_whole_of_an_outcome_back_and_nothing_of_what_has_not_ended(
    ledger: PostgresLedger, pool: Database, state: State
) -> None:
    task = next(iter(state.tasks))
    whole = Outcome(
        task=task,
        attempt=1,
        status=OutcomeStatus.FAILED,
        summary="done",
        failure=Failure(category=FailureCategory.AGENT, report="no"),
        trouble=RepositoryTrouble.UNRELATED,
        work=Work(branch="makima/x", base="b" * 40, head="a" * 40, commits=1),
        base_commit="b" * 40,
        base_branch="main",
        branch_prefix="bots/",
        plan=PlanChanges(remove=(uuid4(),)),
        wait_until=NOON,
        memories=(MemoryChange(key="colour", memory=Memory(key="colour", value="red")),),
        pull_request_url="https://example.invalid/pull/1",
        shipped=Shipped(pull_request=PullRequest(branch="x", head="a" * 40, base="main")),
        questions=(question(task),),
        usage=Usage(seconds=2.5, cost_usd=0.25, tokens=7, cost_unknown=True),
        resume=ResumableSession(agent="claude", session="s", daemon="box"),
        warnings=("a warning",),
        unverified=("a ref",),
        daemon="box",
        delivery="12345678",
        not_merged=(uuid4(),),
        away=Away.PARKED,
        account="claude/default",
    )
    asked = AttemptNamed(directive=state.directive.id, task=task, attempt=1)
    defaults = Outcome(task=task, attempt=1, status=OutcomeStatus.COMPLETED)
    same = {name for name in Outcome.model_fields if getattr(whole, name) == getattr(defaults, name)}
    assert same == {"task", "attempt"}, "a field that is told apart by nothing here might be lost"
    assert await ledger.find_outcome(asked) is None
    waiting = whole.model_copy(update={"status": OutcomeStatus.WAITING})
    await ledger.record(snapshot(state, Facts(attempts=(AttemptEnded(outcome=waiting, at=NOON),)), "run", 1))
    assert await ledger.find_outcome(asked) is None, "one that waits goes on"
    await ledger.record(change_of(state, "run", 2, Facts(attempts=(AttemptEnded(outcome=whole, at=NOON),))))
    assert await ledger.find_outcome(asked) == whole
    assert await ledger.find_outcome(asked.model_copy(update={"attempt": 2})) is None
    strange: tuple[object, ...] = ({"memories": 7}, {"usage": {}}, {"questions": [{"id": "x"}]}, [1])
    for attempt, further in enumerate(strange, start=3):
        columns = "directive_id, task, attempt, status, ended_at, further"
        row = (state.directive.id, task, attempt, "failed", NOON, further)
        await pool.execute(f"insert into attempts ({columns}) values ($1, $2, $3, $4, $5, $6)", *row)
        with pytest.raises(RowBroken, match=f"attempt {attempt} of task {task} can't be read"):
            await ledger.find_outcome(asked.model_copy(update={"attempt": attempt}))


async def test_an_attempt_that_waited_goes_on_and_its_deliveries_are_kept(
    ledger: PostgresLedger, pool: Database, state: State, ended: Outcomes
) -> None:
    task = next(iter(state.tasks))
    starts = tuple(
        DeliveryStarted(task=task, attempt=1, delivery=name, daemon=f"box {name}", at=NOON + timedelta(seconds=n))
        for n, name in enumerate("ab")
    )
    facts = Facts(deliveries=starts, attempts=(ended(OutcomeStatus.WAITING), ended(OutcomeStatus.COMPLETED, "done")))
    await ledger.record(snapshot(state, facts, "run", 1))
    kept = await pool.fetchrow("select status, summary, started_at, ended_at from attempts")
    assert kept and tuple(kept) == ("completed", "done", NOON, NOON)
    deliveries = await pool.fetch("select delivery, daemon, at from deliveries order by delivery")
    assert [tuple(row) for row in deliveries] == [(s.delivery, s.daemon, s.at) for s in starts]


async def test_an_end_stays_that_the_same_write_tells_once_more(
    ledger: PostgresLedger, pool: Database, state: State, ended: Outcomes
) -> None:
    told = (ended(OutcomeStatus.COMPLETED, "done"), ended(OutcomeStatus.WAITING), ended(OutcomeStatus.FAILED))
    await ledger.record(snapshot(state, Facts(attempts=told), "run", 1))
    kept = await pool.fetchrow("select status, summary from attempts")
    assert kept and tuple(kept) == ("completed", "done")


async def test_every_goal_is_kept(ledger: PostgresLedger, pool: Database, state: State) -> None:
    text = Text(title="t", goal="more", requirements=("fast",))
    facts = Facts(revisions=(GoalRevision(generation=2, text=text, at=NOON, actor="operator"),))
    await ledger.record(snapshot(state, facts, "run", 1))
    kept = await pool.fetchrow("select generation, goal, requirements, actor from goal_revisions")
    assert kept and tuple(kept) == (2, "more", ["fast"], "operator")


async def test_events_stay_in_order_and_one_told_again_is_there_once(
    ledger: PostgresLedger, record: Record, state: State
) -> None:
    told = tuple(event(f"number {n}", why="because", task=next(iter(state.tasks))) for n in range(12))
    await ledger.record(snapshot(state, Facts(events=told[:8]), "old", 1))
    await ledger.record(snapshot(state, Facts(events=told[4:]), "new", 2))
    assert await record.events(state.directive.id) == told


@pytest.mark.parametrize("statement", ["update events set what = ''", "delete from events", "truncate events"])
async def test_events_are_only_ever_appended(
    ledger: PostgresLedger, pool: Database, state: State, statement: str
) -> None:
    await ledger.record(snapshot(state, Facts(events=(event("started"),)), "run", 1))
    with pytest.raises(asyncpg.RestrictViolationError, match="events are only ever appended"):
        await pool.execute(statement)


# Cost


async def test_memories_and_questions_that_did_not_change_are_not_written_again(database: str) -> None:
    state, statements = directive_with(), list[str]()
    state = asking(remembering(state, port="1", style="tabs"), question(next(iter(state.tasks))))
    async with await open_pool(database, size=1) as pool:
        ledger = PostgresLedger(pool)
        await ledger.record(snapshot(state, Facts(), "run", 1))
        written = "select key, xmin::text from memories order by key"
        (port, style) = await pool.fetch(written)
        async with pool.acquire() as session:
            session.add_query_logger(lambda query: statements.append(query.query))
        await ledger.record(change_of(state, "run", 2))
        assert not any("memories" in statement or "questions" in statement for statement in statements)
        other = state.model_copy(update={"memories": remembering(state, port="2", style="tabs").memories})
        await ledger.record(change_of(other, "run", 3))
        (port_after, style_after) = await pool.fetch(written)
    assert (port_after != port, style_after != style) == (True, False)


async def test_a_snapshot_leaves_out_what_is_as_in_every_new_one_and_the_record_holds_it_all(
    ledger: PostgresLedger, record: Record
) -> None:
    state = directive_with(2)
    told = ProgressWrite.model_validate_json(snapshot(state, Facts(), "r", 1).model_dump_json())
    await ledger.record(told)
    assert await record.state(state.directive.id) == state
