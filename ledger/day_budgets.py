"""What agents use up a day, held against the budgets that an owner has set for it (rule 2.11)."""

from __future__ import annotations

from typing import Any

from domain.budget import NEARLY, Budget
from domain.day_budget import WAITS_FOR_IT, DayBudgetChange, DayBudgetSeen, DayStanding, waits_for
from domain.statuses import DirectiveStatus
from domain.usage import Usage
from ledger.pool import Database, Session, translated
from ledger.statements import DatabaseRow, model_of, statements

_FINAL = [status.value for status in DirectiveStatus if status.is_final]


async def standings(session: Session, owner: str, account: str) -> tuple[tuple[DayStanding, ...], list[str]]:
    """The budgets of the day that bound the account, and a line for each of them that people have to be told of, since
    it ends soon; raises what the driver raises.
    """
    sql, found, nearly = statements(), [], []
    rows = [row async for row in sql.day_standings(session, owner=owner, account=account)]
    for row in rows:
        standing = DayStanding(
            account=row["account"],
            budget=Budget.model_validate(row["budget"]),
            used=model_of(Usage, row),
            until=row["until"],
        )
        if not standing.budget:
            continue
        found.append(standing)
        is_near = not row["noticed"] and standing.budget.share_of(standing.used) >= NEARLY
        if is_near and await sql.note_day_noticed(session, owner=owner, account=row["account"]):
            nearly.append(standing.nearly_used)
    return tuple(found), nearly


async def change(pool: Database, wanted: DayBudgetChange) -> None:
    """Set, raise or take away a budget of the day; raises what the driver raises."""
    put = statements().set_todays_budget if wanted.today else statements().set_day_budget
    budget = wanted.budget.model_dump(mode="json", exclude_defaults=True)
    await put(pool, owner=wanted.owner, account=wanted.account, budget=budget)


async def seen(pool: Database, owner: str) -> tuple[DayBudgetSeen, ...]:
    """All of an owner's, and the accounts that were used today; raises what the driver raises."""
    return tuple([_seen(row) async for row in statements().day_budgets_of(pool, owner=owner)])


def _seen(row: DatabaseRow) -> DayBudgetSeen:
    fields: dict[str, Any] = {name: row[name] for name in ("account", "budget", "today", "estimated_usd", "until")}
    return DayBudgetSeen(**fields, used=model_of(Usage, row))


class DayBudgets:
    """What waits for the next day. Raises NotReachable while Postgres is away, and RecordError."""

    def __init__(self, pool: Database) -> None:
        self._pool = pool

    async def freed(self) -> frozenset[tuple[str, str]]:
        """Each workflow with a task that waits for a budget of the day which is used up no more, and whose budget that
        is: it was raised or taken away, or its task has begun to wait just when that happened.
        """
        with translated():
            rows = [row async for row in statements().waiting_for_a_day(self._pool, words=WAITS_FOR_IT, final=_FINAL)]
            ended = {owner: await self._used_up(owner) for owner in {row["owner"] for row in rows}}
        waiting = [(row, waits_for(row["reason"])) for row in rows]
        return frozenset(
            (row["workflow_id"], account)
            for row, account in waiting
            if account is not None and account not in ended[row["owner"]]
        )

    async def _used_up(self, owner: str) -> set[str]:
        return {each.account for each in await seen(self._pool, owner) if each.standing.is_used_up()}
