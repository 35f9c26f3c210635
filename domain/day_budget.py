"""What an owner's agents, or an account of an agent, may use up a day, in all directives together (rule 2.11)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import Field

from domain.budget import Budget, said
from domain.moment import Moment
from domain.tolerant import Tolerant
from domain.usage import NOTHING, Usage
from domain.value import Value

ALL_ACCOUNTS = ""
"""In place of an account: all that the owner's agents use."""
ACCOUNT = r"[a-z][a-z0-9-]{0,39}/[A-Za-z0-9._-]{1,200}"
Account = Annotated[str, Field(pattern=rf"^({ACCOUNT})?$")]
"""`claude/default`: an agent's kind and the name of its credential, as daemons park them; or ALL_ACCOUNTS."""
WAITS_FOR_IT = "today's budget"
"""What the reason of every task begins with that waits for the next day."""
_USED_UP = re.compile(rf"{WAITS_FOR_IT}(?: of account (?P<account>{ACCOUNT}))? is used up")


class DayStanding(Tolerant):
    """How far one budget of a day is used."""

    account: str = ALL_ACCOUNTS
    budget: Budget
    """Today's."""
    used: Usage
    """Today, with the estimate of what nobody tells the cost of."""
    until: Moment
    """When the next day begins, in UTC by the record's clock."""

    def is_used_up(self, more: Usage = NOTHING) -> bool:
        """With what was used on top of `used`."""
        return self.budget.is_used_up(self.used + more)

    def money_left(self, more: Usage = NOTHING) -> float:
        """USD of one that bounds money."""
        return self.budget.cost_usd - (self.used + more).cost_usd

    def left(self) -> Budget:
        """What may still be used; nothing bounds that, where it is used up."""
        return Budget() if self.is_used_up() else self.budget.left_after(self.used)

    @property
    def used_up(self) -> str:
        """What is said of a task that waits for the next day."""
        return used_up(self.account)

    @property
    def told(self) -> str:
        """`today's budget of account claude/default: $8.00 of $10.00`."""
        return f"{_named(self.account)}: {said(self.budget, self.used)}"

    @property
    def nearly_used(self) -> str:
        """What people are told before its end."""
        option = f" --account {self.account}" if self.account else ""
        return f"{self.told}; `starter.py budget MORE --today{option}` allows more until midnight (UTC)"


class DayBudgetChange(Value):
    """What the operator makes of a day's budget."""

    owner: Annotated[str, Field(min_length=1, max_length=200)]
    account: Account = ALL_ACCOUNTS
    budget: Budget
    """None: there is none."""
    today: bool = False
    """Until the day's end alone; else for every day from now on."""


class DayBudgetSeen(Value):
    """A budget of a day as the record has it, or an account that has none and was used today."""

    account: str
    budget: Budget
    """Every day's."""
    today: Budget | None
    """In its place until the day's end; null: the same."""
    used: Usage
    """Today."""
    estimated_usd: float
    """What is taken for the part of today's cost that nobody tells; no part of `used`."""
    until: datetime
    """When the next day begins."""

    @property
    def standing(self) -> DayStanding:
        """How far it is used."""
        budget = self.budget if self.today is None else self.today
        used = self.used + Usage(cost_usd=self.estimated_usd)
        return DayStanding(account=self.account, budget=budget, used=used, until=self.until)


def used_up(account: str) -> str:
    """`today's budget of account claude/default is used up`."""
    return f"{_named(account)} is used up"


def waits_for(reason: str) -> str | None:
    """Whose budget of the day a task waits for by this reason: an account or ALL_ACCOUNTS; None: for none."""
    found = _USED_UP.search(reason)
    return (found["account"] or ALL_ACCOUNTS) if found else None


def _named(account: str) -> str:
    return f"{WAITS_FOR_IT} of account {account}" if account else WAITS_FOR_IT
