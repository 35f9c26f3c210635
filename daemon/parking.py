"""Accounts that can't be used for a while: one task finds out, no other one of this daemon tries (SPEC 5.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.errors import CannotServe
from domain.models import Question

FIRST_WAIT = timedelta(minutes=5)
"""Where nobody says when a limit ends; doubled each time that it turns out to last, to at most LONGEST_WAIT."""
LONGEST_WAIT = timedelta(hours=1)
TRY_LOGIN_AGAIN = timedelta(minutes=10)
"""How long a refused login keeps other tasks away: one of them then tries whether somebody has repaired it."""

REFUSED = "its login is refused"

Account = tuple[str, str]
"""An agent's kind, and the name of its credential."""


@dataclass(frozen=True)
class Parked:
    agent: str
    """As the settings call it."""
    reason: str
    until: datetime
    since: datetime
    """When the trouble began that has lasted since."""
    waits: int = 1

    def __str__(self) -> str:
        return f"{self.agent} until {self.until:%Y-%m-%d %H:%M} UTC: {self.reason}"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Parking:
    """What this daemon knows of its agents' accounts; forgotten when it ends, and found out anew."""

    def __init__(self, daemon: str, now: Callable[[], datetime] = utc_now) -> None:
        self._daemon = daemon
        self.now = now
        self._parked: dict[Account, Parked] = {}

    def admit(self, account: Account | None, answers: Iterable[Question]) -> None:
        """CannotServe while the account can't be used; `answers`: the task's questions, one of which may have been
        about it.
        """
        parked = self._parked.get(account) if account else None
        if parked and account and _is_answered(answers, self.question_id(parked, account)):
            self.works(account)
        elif parked and parked.until > self.now():
            raise CannotServe(f"no task of {parked}", parked.until)

    def limited(self, account: Account, agent: str, until: datetime | None) -> Parked:
        """The account's limit is reached, until a time or nobody knows."""
        now, before = self.now(), self._parked.get(account)
        if until is None and before and before.until > now:
            return before  # another task has just found out
        waits = before.waits + 1 if before else 1
        wait = min(FIRST_WAIT * 2 ** min(waits - 1, 10), LONGEST_WAIT)
        until = until.astimezone(UTC) if until and until > now else now + wait
        return self._park(account, Parked(agent, "its account's limit is reached", until, now, waits))

    def refused(self, account: Account, agent: str) -> Parked:
        """The account's login or key is not accepted."""
        now, before = self.now(), self._parked.get(account)
        since = before.since if before and before.reason == REFUSED else now
        return self._park(account, Parked(agent, REFUSED, now + TRY_LOGIN_AGAIN, since))

    def works(self, account: Account) -> None:
        """It was used, or somebody says that it can be."""
        self._parked.pop(account, None)

    def question_id(self, parked: Parked, account: Account) -> UUID:
        """The same for all tasks that meet the same trouble on this daemon."""
        return uuid5(NAMESPACE_URL, f"makima:{self._daemon}:{'/'.join(account)}:{parked.since.isoformat()}")

    def now_parked(self) -> tuple[str, ...]:
        """The agents that can't be used at this moment, for the daemon's report."""
        now = self.now()
        return tuple(sorted(str(each) for each in self._parked.values() if each.until > now))

    def _park(self, account: Account, parked: Parked) -> Parked:
        self._parked[account] = parked
        return parked


def _is_answered(answers: Iterable[Question], question: UUID) -> bool:
    return any(each.id == question and each.answer is not None for each in answers)
