"""`budget`: what the owner's agents, or an account of theirs, may use a day (rule 2.11)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import ValidationError
from temporalio.client import ActivityFailureError
from temporalio.service import RPCError

from activities.day_budgets import DayBudgetActivities
from activities.standalone import outcome_of
from cli.operator.command_group import Commands, Json
from cli.operator.json_shapes import DayBudgetsShown
from cli.operator.printing import print_json, print_lines
from domain import names
from domain.budget import Budget, said
from domain.day_budget import ALL_ACCOUNTS, DayBudgetChange, DayBudgetSeen
from domain.errors import NotReachable, Refused
from domain.problems import first_problem
from domain.usage import used

CHANGED_WITHIN = timedelta(seconds=15)
ALL = "all agents"


class DayBudgetCommand(Commands):
    def add_to(self, app: typer.Typer) -> None:
        app.command("budget")(self.budget)

    def budget(
        self,
        amount: Annotated[
            str | None,
            typer.Argument(
                metavar="[BUDGET]",
                help="20usd, 5M tokens or 6h, several with commas; none takes it away. Without it: a list.",
            ),
        ] = None,
        account: Annotated[
            str, typer.Option(help="Of one account only, such as claude/default; the list has those of today.")
        ] = ALL_ACCOUNTS,
        today: Annotated[
            bool, typer.Option("--today", help="In place of every day's until midnight (UTC); none lifts it.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        """Set what all your directives together may use a day, or how much that is today; or look how much is used.

        What waits for the next day goes on within seconds once there is more.

        Example: starter.py budget 50usd --today --account claude/default
        """
        self.run(self._budget(amount, account, today=today, as_json=as_json))

    async def _budget(self, amount: str | None, account: str, *, today: bool, as_json: bool) -> int:
        if amount:
            await self._change(_wanted(self.connections.owner, amount, account, today=today))
        elif account or today or amount is not None:
            raise Refused("say how much it may be: `starter.py budget 20usd` and the same options, or none")
        async with self.connections.record() as record:
            found = [each for each in await record.day_budgets(self.connections.owner) if _is_shown(each)]
        if as_json:
            print_json(DayBudgetsShown(budgets=tuple(found)))
        else:
            print_lines(budget_lines(found))
        return 0

    async def _change(self, wanted: DayBudgetChange) -> None:
        """By a worker: only its role may write the record."""
        client = await self.connections.temporal()
        try:
            await outcome_of(
                client.execute_activity_method(
                    DayBudgetActivities.change_day_budget,
                    wanted,
                    id=f"day-budget-{uuid4()}",
                    task_queue=names.DIRECTIVES_QUEUE,
                    schedule_to_close_timeout=CHANGED_WITHIN,
                )
            )
        except (RPCError, ActivityFailureError) as error:
            why = error.__cause__ or error
            raise NotReachable(f"no worker has changed the budget ({why}): is worker.py running?") from error


def _wanted(owner: str, amount: str, account: str, *, today: bool) -> DayBudgetChange:
    try:
        budget = Budget.model_validate(amount)
    except ValidationError as error:
        raise Refused(first_problem(error)) from error
    try:
        return DayBudgetChange(owner=owner, account=account, budget=budget, today=today)
    except ValidationError as error:
        raise Refused(
            f"{account[:100]!r} is no account: it is an agent's kind and the name of its credential, such as "
            "claude/default; `starter.py budget` lists those that were used today"
        ) from error


def _is_shown(seen: DayBudgetSeen) -> bool:
    return bool(seen.account == ALL_ACCOUNTS or seen.budget or seen.today is not None or used(seen.used))


def budget_lines(found: Iterable[DayBudgetSeen]) -> list[str]:
    """A line each: whose, how much of it is used today, and what it is on other days where that differs."""
    return [_line(each) for each in found]


def _line(seen: DayBudgetSeen) -> str:
    standing = seen.standing
    if standing.budget:
        told = said(standing.budget, standing.used, seen.estimated_usd)
        told += f": used up until {seen.until:%Y-%m-%d %H:%M} UTC" if standing.is_used_up() else ""
    else:
        estimated = f", and about ${seen.estimated_usd:.2f} that nobody tells" if seen.estimated_usd else ""
        told = f"no budget, {used(seen.used) or 'nothing used'}{estimated}"
    other = "" if seen.today is None else f" (today only; every day's is {seen.budget})"
    return f"{seen.account or ALL:<40} {told}{other}"
