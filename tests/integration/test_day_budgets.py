"""Budgets of a day over a real Postgres: what is used counts once, on its day, for whose it is (rule 2.11)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.budget import Budget
from domain.daemon_messages import UsageReport, UsedBeside
from domain.day_budget import DayBudgetChange, DayBudgetSeen, used_up
from domain.events import EventName
from domain.record import AttemptEnded, DeliveryStarted, Facts, WriteVerdict, snapshot
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskStatus
from domain.usage import Usage
from ledger.day_budgets import DayBudgets
from ledger.pool import Database
from ledger.reader import Record
from ledger.writer import PostgresLedger
from tests.values import NOON, directive_with

pytestmark = pytest.mark.rule("2.11")
CLAUDE, CODEX = "claude/default", "codex/OPENAI_KEY"


class Running:
    """A directive whose only attempt runs."""

    def __init__(self, ledger: PostgresLedger, owner: str = "me") -> None:
        self.ledger = ledger
        self.state = directive_with(1, owner=owner)
        (self.task,) = self.state.tasks
        self.sequence = 0

    async def begin(self) -> Running:
        await self._write(Facts(deliveries=(self._start(),)))
        return self

    def _start(self) -> DeliveryStarted:
        return DeliveryStarted(task=self.task, attempt=1, delivery="d", daemon="box", at=NOON)

    async def reports(self, account: str = CLAUDE, estimated: float = 0, **used: Any) -> UsedBeside:
        usage = Usage(cost_unknown=bool(estimated), **used)
        named = {
            "owner": self.state.directive.owner,
            "directive": self.state.directive.id,
            "task": self.task,
            "attempt": 1,
        }
        report = UsageReport(**named, usage=usage, estimated_usd=estimated, account=account)
        return await self.ledger.note_usage(report)

    async def ends(self, account: str = "", status: OutcomeStatus = OutcomeStatus.COMPLETED, **used: Any) -> None:
        outcome = Outcome(task=self.task, attempt=1, status=status, usage=Usage(**used), account=account)
        await self._write(Facts(attempts=(AttemptEnded(outcome=outcome, at=NOON),)))

    async def waits(self, reason: str) -> None:
        (task,) = self.state.tasks.values()
        until = datetime.now(UTC) + timedelta(hours=1)
        waiting = task.model_copy(update={"status": TaskStatus.WAITING, "reason": reason, "wait_until": until})
        self.state = self.state.model_copy(update={"tasks": {task.id: waiting}})
        await self._write(Facts())

    async def _write(self, facts: Facts) -> None:
        self.sequence += 1
        written = await self.ledger.record(snapshot(self.state, facts, "run", self.sequence))
        assert written.verdict is WriteVerdict.APPLIED


def sets(ledger: PostgresLedger, budget: str, account: str = "", *, today: bool = False, owner: str = "me") -> Any:
    wanted = DayBudgetChange(owner=owner, account=account, budget=Budget.model_validate(budget), today=today)
    return ledger.change_day_budget(wanted)


async def seen(record: Record, account: str = "") -> DayBudgetSeen:
    (found,) = [each for each in await record.day_budgets("me") if each.account == account]
    return found


async def test_all_of_an_owners_directives_use_up_one_budget_and_each_account_its_own(
    ledger: PostgresLedger, record: Record
) -> None:
    await sets(ledger, "10usd, 1M tokens")
    await sets(ledger, "4usd", CODEX)
    one, two, theirs = [await Running(ledger, owner).begin() for owner in ("me", "me", "you")]
    await theirs.reports(cost_usd=50)
    await one.reports(cost_usd=3, tokens=10)
    told = await two.reports(CODEX, estimated=0.5, cost_usd=1, tokens=20)
    assert (told.cost_usd, told.tokens) == (0, 0), "of its directive nothing beside"
    owners, codex = told.days
    assert (owners.account, owners.budget.cost_usd, owners.used.cost_usd, owners.used.tokens) == ("", 10, 4.5, 30)
    assert (codex.account, codex.used.cost_usd, codex.budget.left_after(codex.used).cost_usd) == (CODEX, 1.5, 2.5)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert owners.until - midnight in (timedelta(0), timedelta(days=1)), "the day ends at midnight UTC"
    assert [each.account for each in (await one.reports(cost_usd=3)).days] == [""]
    assert (await theirs.reports(cost_usd=51)).days == (), "of another owner nothing is bounded"
    assert {each.account for each in await record.day_budgets("me")} == {"", CLAUDE, CODEX}


async def test_what_is_told_often_or_late_counts_once_and_its_end_is_the_whole(
    ledger: PostgresLedger, record: Record
) -> None:
    work = await Running(ledger).begin()
    for cost in (1, 3, 3):
        await work.reports(cost_usd=cost, seconds=cost, estimated=0.25)
    await work.reports(cost_usd=2, seconds=2)  # late
    assert ((await seen(record)).used.cost_usd, (await seen(record)).estimated_usd) == (3, 0.25)
    await work.ends(cost_usd=3.5, seconds=9)
    await work.ends(cost_usd=99)
    await work.reports(cost_usd=99, seconds=99)
    mine = await seen(record, CLAUDE)
    assert (mine.used.cost_usd, mine.used.seconds, mine.estimated_usd) == (3.5, 9, 0), "the estimate is taken back"


async def test_an_attempt_that_no_report_came_of_counts_with_its_end_for_its_account(
    ledger: PostgresLedger, record: Record
) -> None:
    work = await Running(ledger).begin()
    await work.ends(CODEX, cost_usd=2)
    assert (await seen(record, CODEX)).used.cost_usd == 2


async def test_each_account_counts_what_an_attempt_has_used_while_it_was_its(
    ledger: PostgresLedger, record: Record
) -> None:
    work = await Running(ledger).begin()
    await work.reports(CLAUDE, cost_usd=2, seconds=5)
    await work.ends(CLAUDE, OutcomeStatus.WAITING, cost_usd=2.5, seconds=6)
    await work.reports(CODEX, cost_usd=4, seconds=9)
    await work.ends(cost_usd=5, seconds=10)  # lost: its end knows nobody
    assert [(await seen(record, each)).used.cost_usd for each in (CLAUDE, CODEX, "")] == [2.5, 2.5, 5]


async def test_what_was_used_yesterday_is_not_used_today(
    ledger: PostgresLedger, record: Record, pool: Database
) -> None:
    await sets(ledger, "5usd")
    await sets(ledger, "50usd", today=True)
    work = await Running(ledger).begin()
    await work.reports(cost_usd=4, estimated=2)
    await pool.execute("update day_usage set day = day - 1")
    await pool.execute("update day_budgets set today_is = today_is - 1")
    (standing,) = (await work.reports(cost_usd=4.5)).days
    assert (standing.used.cost_usd, standing.budget.cost_usd) == (0.5, 5), (
        "and less than was estimated gives back nothing"
    )
    assert sum([row["cost_usd"] for row in await pool.fetch("select cost_usd from day_usage")]) == 4.5


async def test_it_is_raised_and_lifted_for_today_and_set_for_every_day(ledger: PostgresLedger, record: Record) -> None:
    await sets(ledger, "5usd", CLAUDE)
    await sets(ledger, "50usd", CLAUDE, today=True)
    raised = await seen(record, CLAUDE)
    assert (str(raised.budget), str(raised.today), str(raised.standing.budget)) == ("5usd", "50usd", "50usd")
    await sets(ledger, "none", CLAUDE, today=True)
    assert not (await seen(record, CLAUDE)).standing.budget
    assert (await (await Running(ledger).begin()).reports(cost_usd=999)).days == ()
    await sets(ledger, "7usd", CLAUDE)
    assert (await seen(record, CLAUDE)).standing.budget == Budget(cost_usd=7), "from now on is from today on"
    await sets(ledger, "none", CLAUDE)
    assert not (await seen(record, CLAUDE)).standing.budget


async def test_people_are_told_once_a_day_that_one_ends_soon(ledger: PostgresLedger, record: Record) -> None:
    await sets(ledger, "10usd")
    await sets(ledger, "5usd", CLAUDE)
    one, two = [await Running(ledger).begin() for _ in range(2)]
    await one.reports(cost_usd=3.9)
    assert await record.events(one.state.directive.id) == ()
    await asyncio.gather(*(work.reports(cost_usd=4.1) for work in (one, two) for _ in range(3)))
    events = [event for work in (one, two) for event in await record.events(work.state.directive.id)]
    said = sorted(event.why for event in events if event.what == EventName.BUDGET_NEARLY_USED)
    assert [each.split(":")[0] for each in said] == [f"today's budget of account {CLAUDE}", "today's budget"], said
    assert f"`starter.py budget MORE --today --account {CLAUDE}`" in said[0]
    await sets(ledger, "9usd", CLAUDE, today=True)
    await two.reports(cost_usd=5)
    assert len(await record.events(two.state.directive.id)) + len(await record.events(one.state.directive.id)) == 3


async def test_who_waits_for_the_next_day_is_found_once_there_is_more_today(
    ledger: PostgresLedger, pool: Database
) -> None:
    budgets = DayBudgets(pool)
    await sets(ledger, "1usd", CLAUDE)
    await sets(ledger, "2usd", owner="you")
    spender, mine, theirs = [await Running(ledger, owner).begin() for owner in ("me", "me", "you")]
    await spender.reports(cost_usd=1)
    await theirs.reports(cost_usd=2)
    await mine.waits(f"codex goes on in place of claude (parked: {used_up(CLAUDE)})")
    await theirs.waits(used_up(""))
    assert await budgets.freed() == set()
    await sets(ledger, "2usd", CLAUDE, today=True)
    assert await budgets.freed() == {("directive-add-auth-" + mine.state.directive.id.hex[:8], CLAUDE)}
    await sets(ledger, "none", owner="you")
    assert len(await budgets.freed()) == 2
    await mine.waits("it waits for something else")
    assert {account for _, account in await budgets.freed()} == {""}
