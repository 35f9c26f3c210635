"""Budgets of a day: the operator's change of one, and the word to what waited for it (rule 2.11)."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import DayBudgetChanges, DayBudgets
from domain.day_budget import DayBudgetChange
from domain.errors import NotReachable
from domain.protocol import SignalName

LOOK_EVERY = timedelta(seconds=10)


class DayBudgetActivities:
    def __init__(self, budgets: DayBudgetChanges) -> None:
        self._budgets = budgets

    @activity.defn
    async def change_day_budget(self, wanted: DayBudgetChange) -> None:
        """Set, raise or take away a budget of the day."""
        await self._budgets.change_day_budget(wanted)


class FreedWork:
    """Lets work go on before midnight whose budget of the day was raised or taken away."""

    def __init__(self, client: Client, budgets: DayBudgets) -> None:
        self._client = client
        self._budgets = budgets

    async def look(self) -> None:
        """Tell every directive once that has something to go on with; told twice it does nothing more. Raises
        NotReachable and RecordError: look again.
        """
        for workflow, account in await self._budgets.freed():
            try:
                await self._client.get_workflow_handle(workflow).signal(SignalName.DAY_BUDGET_FREED, account)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # it has just been closed
                    raise NotReachable(f"{workflow} was not told that it may go on: {error.message}") from error
