"""What agents have cost in a repository, as a real Postgres knows it: by that costs are estimated that nobody tells."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.ledger import LedgerActivities
from domain.experience import KEPT, RepositoryNamed
from domain.record import AttemptEnded, Facts, snapshot
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from domain.usage import ASSUMED_BY_TIME, Rate, Usage
from ledger.writer import PostgresLedger
from tests.values import NOON, directive_with

pytestmark = pytest.mark.rule("2.10")
HERE = RepositoryNamed(owner="me", repository="/r")
KNOWN = Usage(cost_usd=2, tokens=1_000, seconds=100)
UNKNOWN = Usage(cost_usd=5, tokens=1_000_000, seconds=100, cost_unknown=True, untold_tokens=999_000)


async def ends(
    ledger: PostgresLedger,
    agents: dict[str, Usage],
    *,
    at: datetime = NOON,
    owner: str = "me",
    repository: str = "/r",
    kind: TaskKind = TaskKind.STEP,
    status: OutcomeStatus = OutcomeStatus.COMPLETED,
) -> None:
    """An attempt has ended in which the agents have used so much."""
    made = directive_with(1, owner=owner)
    (task,) = made.tasks.values()
    changed: dict[str, Any] = {
        "directive": made.directive.model_copy(update={"repository": repository}),
        "tasks": {task.id: task.model_copy(update={"kind": kind})},
    }
    outcome = Outcome(task=task.id, attempt=1, status=status, usage=sum(agents.values(), Usage()))
    ended = AttemptEnded(outcome=outcome, at=at, agents=agents)
    await ledger.record(snapshot(made.model_copy(update=changed), Facts(attempts=(ended,)), "run", 1))


async def test_an_agents_rate_is_by_all_attempts_that_have_told_their_cost(ledger: PostgresLedger) -> None:
    await ends(ledger, {"claude": KNOWN})
    await ends(ledger, {"claude": Usage(cost_usd=4, tokens=5_000, seconds=20), "codex": UNKNOWN})
    await ends(ledger, {"claude": UNKNOWN}, status=OutcomeStatus.FAILED)
    await ends(ledger, {"script": Usage(cost_usd=1, seconds=10)}, status=OutcomeStatus.FAILED)
    await ends(ledger, {"free": Usage(tokens=10, seconds=10)})
    assert await ledger.rates(HERE) == {
        "claude": Rate(token_usd=6 / 6_000, second_usd=6 / 120),
        "script": Rate(second_usd=0.1),
    }, "what is unknown says nothing, nor does what has cost nothing"
    assert (await ledger.rates(HERE))["claude"].second_usd != ASSUMED_BY_TIME


async def test_only_steps_of_the_owner_in_this_repository_count(ledger: PostgresLedger) -> None:
    await ends(ledger, {"theirs": KNOWN}, owner="you")
    await ends(ledger, {"elsewhere": KNOWN}, repository="/other")
    await ends(ledger, {"planner": KNOWN}, kind=TaskKind.PLANNING)
    await ends(ledger, {})
    assert await ledger.rates(HERE) == {}


async def test_the_latest_attempts_count_alone(ledger: PostgresLedger) -> None:
    await ends(ledger, {"claude": Usage(cost_usd=100, tokens=10, seconds=1)}, at=NOON - timedelta(days=1))
    for number in range(KEPT):
        await ends(ledger, {"claude": KNOWN}, at=NOON + timedelta(minutes=number))
    assert (await ledger.rates(HERE))["claude"] == Rate(token_usd=0.002, second_usd=0.02)


async def test_a_workflow_reads_them_as_they_were_written(
    ledger: PostgresLedger, temporal_server: WorkflowEnvironment
) -> None:
    await ends(ledger, {"claude": KNOWN})
    client: Client = temporal_server.client
    queue = f"rates-{uuid4()}"
    async with Worker(client, task_queue=queue, activities=[LedgerActivities(ledger).find_rates]):
        found = await client.execute_activity_method(
            LedgerActivities.find_rates, HERE, id=queue, task_queue=queue, start_to_close_timeout=timedelta(seconds=30)
        )
    assert found == {"claude": Rate(token_usd=0.002, second_usd=0.02)}
