"""How often a write of the record goes to Postgres and back, counted on the wire."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from domain.models import State
from domain.record import AttemptEnded, Changed, DeliveryStarted, Facts, ProgressWrite, WriteVerdict, snapshot, write
from domain.spawn_task import Outcome, OutcomeStatus
from ledger.pool import open_pool
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.relay import Relay
from tests.values import NOON, directive_with, event

pytestmark = pytest.mark.rule("9.1")

A_WRITE = 5
"""Begin and lock, what was written last, the state, what has happened, commit."""


@pytest.mark.parametrize("steps", [1, 100])
async def test_a_write_takes_as_many_however_much_it_tells(database: str, steps: int) -> None:
    state = directive_with(steps=2 * steps)
    at = urlsplit(database)
    async with Relay(f"{at.hostname}:{at.port}").serving() as relay:
        dsn = at._replace(netloc=f"{at.netloc.rpartition('@')[0]}@{relay.address}").geturl()
        async with await open_pool(dsn, size=1) as pool:
            ledger = PostgresLedger(pool)
            await ledger.record(snapshot(state, Facts(), "run", 1))
            for sequence in (2, 3):
                before = relay.round_trips
                answer = await ledger.record(ends_and_begins(state, steps, sequence))
                assert answer.verdict is WriteVerdict.APPLIED
            assert relay.round_trips - before == A_WRITE
            assert len(await Record(pool).attempts(state.directive.id)) == 4 * steps


def ends_and_begins(state: State, steps: int, sequence: int) -> ProgressWrite:
    """What a workflow tells when so many steps have ended and those behind them were begun; each number anew."""
    tasks = list(state.tasks)
    ended, begun = tasks[:steps], tasks[steps:]
    begins = [DeliveryStarted(task=task, attempt=sequence, delivery="d", daemon="box", at=NOON) for task in begun]
    outcomes = [Outcome(task=task, attempt=sequence, status=OutcomeStatus.COMPLETED, daemon="box") for task in ended]
    facts = Facts(
        events=tuple(event("step completed", task=task, why=f"{sequence}") for task in ended),
        deliveries=tuple(begins),
        attempts=tuple(AttemptEnded(outcome=outcome, at=NOON) for outcome in outcomes),
    )
    changed = Changed(steps=frozenset(state.steps), tasks=frozenset(tasks), facts=facts)
    return write(state, changed, "run", sequence)
