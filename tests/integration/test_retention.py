"""What the record forgets when it is asked to, and what it never does; what it says was used up."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from domain.daemon_messages import LogChunk
from domain.models import PlanChanges, State
from domain.names import directive_task
from domain.pull_request import PullRequest, PullRequestState
from domain.record import AttemptEnded, DeliveryStarted, Facts, snapshot
from domain.spawn_task import Outcome, OutcomeStatus
from domain.spending import total
from domain.statuses import DirectiveStatus, TaskKind, TaskStatus
from domain.usage import Usage
from ledger.pool import Database
from ledger.pruning import Retention
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.integration.records import log_of
from tests.values import NOON, directive_with, event

LONG_AGO, LATELY = timedelta(days=40), timedelta(days=10)
MONTH = timedelta(days=30)


@pytest.fixture
def retention(pool: Database) -> Retention:
    return Retention(pool)


async def recorded(ledger: PostgresLedger, pool: Database, status: DirectiveStatus, ago: timedelta) -> State:
    """A directive with an event and a line of log, last changed so long ago."""
    state = directive_with(steps=1).model_copy(update={"status": status})
    directive, task = state.directive.id, next(iter(state.tasks))
    await ledger.record(snapshot(state, Facts(events=(event("started"),)), "run", 1))
    await ledger.append_log(LogChunk(directive=directive, task=task, attempt=1, delivery="a", offset=0, text="hello"))
    await pool.execute("update directives set updated_at = now() - $1::interval where id = $2", ago, directive)
    return state


async def what_happened(record: Record, state: State) -> list[str]:
    return [event.what for event in await record.events(state.directive.id)]


@pytest.mark.rule("9.1")
async def test_only_directives_that_ended_long_ago_are_forgotten_and_only_their_events_and_logs(
    ledger: PostgresLedger, pool: Database, record: Record, retention: Retention
) -> None:
    old = await recorded(ledger, pool, DirectiveStatus.COMPLETED, LONG_AGO)
    young = await recorded(ledger, pool, DirectiveStatus.ARCHIVED, LATELY)
    idle = await recorded(ledger, pool, DirectiveStatus.IDLE, LONG_AGO)
    (found,) = await retention.prunable("me", MONTH)
    assert (found.id, found.status, found.events, found.log_bytes) == (old.directive.id, "completed", 1, 5)
    assert await retention.prunable("somebody else", MONTH) == ()
    assert await retention.prune(old.directive.id)
    assert not await retention.prune(idle.directive.id)
    assert await what_happened(record, old) == ["record pruned"]
    assert await log_of(record, next(iter(old.tasks))) == ""
    assert await record.state(old.directive.id) == old
    assert await retention.prunable("me", MONTH) == ()
    for kept in (young, idle):
        assert await what_happened(record, kept) == ["started"]
        assert await log_of(record, next(iter(kept.tasks))) == "hello"


@pytest.mark.rule("9.1")
async def test_naming_a_directive_deletes_neither_anothers_events_nor_those_of_one_that_goes_on(
    ledger: PostgresLedger, pool: Database
) -> None:
    done = await recorded(ledger, pool, DirectiveStatus.FAILED, LONG_AGO)
    going = await recorded(ledger, pool, DirectiveStatus.ACTIVE, LONG_AGO)
    for named, deleted in ((done, going), (going, going)):
        async with pool.acquire() as session:
            with pytest.raises(asyncpg.RestrictViolationError, match="events are only ever appended"):
                async with session.transaction():
                    named_id = str(named.directive.id)
                    await session.execute("select set_config('makima.pruning', $1, true)", named_id)
                    await session.execute("delete from events where directive_id = $1", deleted.directive.id)


def ended(task: UUID, attempt: int, **fields: object) -> AttemptEnded:
    outcome = {"task": task, "attempt": attempt, "status": OutcomeStatus.COMPLETED, **fields}
    return AttemptEnded(outcome=Outcome.model_validate(outcome), at=NOON)


@pytest.mark.rule("5.5")
async def test_every_attempt_tells_what_it_used_up(ledger: PostgresLedger, record: Record) -> None:
    state = directive_with(steps=2)
    first, second = state.tasks
    facts = Facts(
        deliveries=(DeliveryStarted(task=second, attempt=1, delivery="a", daemon="box", at=NOON),),
        attempts=(
            ended(first, 1, status=OutcomeStatus.FAILED, usage=Usage(seconds=2, cost_usd=0.5, tokens=10)),
            ended(first, 2, usage=Usage(seconds=3.5, cost_usd=0.25, tokens=20, cost_unknown=True)),
        ),
    )
    await ledger.record(snapshot(state, facts, "run", 1))
    attempts = await record.attempts(state.directive.id)
    told = {
        (each.task, each.attempt): (each.status, each.seconds, each.cost_usd, each.tokens, each.cost_unknown)
        for each in attempts
    }
    assert told == {
        (first, 1): ("failed", 2, 0.5, 10, False),
        (first, 2): ("completed", 3.5, 0.25, 20, True),
        (second, 1): (None, 0, 0, 0, False),
    }
    assert total(attempts) == Usage(seconds=5.5, cost_usd=0.75, tokens=30, cost_unknown=True)
    (spent,) = await record.spent("me")
    assert (spent.id, spent.attempts, spent.seconds, spent.cost_usd, spent.tokens, spent.cost_unknown) == (
        *(state.directive.id, 3),
        *(5.5, 0.75, 30, True),
    )


@pytest.mark.rule("8.1")
async def test_the_last_plan_of_each_generation_is_read(ledger: PostgresLedger, record: Record) -> None:
    state = directive_with(steps=1)
    step = next(iter(state.steps.values()))
    task = next(iter(state.tasks.values()))
    planners = [
        task.model_copy(
            update={
                "id": directive_task(state.directive.id, "planning", generation, round_),
                "kind": TaskKind.PLANNING,
                "step": None,
                "generation": generation,
                "round": round_,
                "status": TaskStatus.COMPLETED,
            }
        )
        for generation, round_ in ((1, 1), (1, 2), (2, 1))
    ]
    state = state.model_copy(update={"tasks": state.tasks | {each.id: each for each in planners}})
    rejected, taken, later = PlanChanges(), PlanChanges(add=(step,)), PlanChanges(remove=(step.id,))
    facts = Facts(
        attempts=tuple(
            ended(each.id, 1, plan=plan) for each, plan in zip(planners, (rejected, taken, later), strict=True)
        )
    )
    await ledger.record(snapshot(state, facts, "run", 1))
    assert await record.plans(state.directive.id) == {1: taken, 2: later}


@pytest.mark.rule("9.8")
async def test_open_pull_requests_are_told_of_every_directive_there(
    ledger: PostgresLedger, pool: Database, retention: Retention
) -> None:
    def opened(number: int, state: PullRequestState) -> PullRequest:
        branch, url = f"b{number}", f"https://x.invalid/{number}"
        return PullRequest(branch=branch, head="1" * 40, base="makima/below", url=url, state=state, number=number)

    wanted = [opened(1, PullRequestState.OPEN), opened(3, PullRequestState.DRAFT)]
    others = [opened(2, PullRequestState.MERGED), opened(4, PullRequestState.CLOSED)]
    for each in (*wanted, *others, opened(0, PullRequestState.PUSHED)):
        state = directive_with(steps=1).model_copy(update={"status": DirectiveStatus.ARCHIVED, "pull_request": each})
        await ledger.record(snapshot(state, Facts(), "run", 1))
    told = await retention.left_in("nobody-here", state.directive.repository)
    assert [each.number for each in told.open_pull_requests] == [each.number for each in wanted]
    assert told.directives == ()
    assert (await retention.left_in("nobody-here", "https://x.invalid/other.git")).open_pull_requests == ()
