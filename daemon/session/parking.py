"""Agents' accounts, and those that can't be used for a while: one task finds out, no other one tries (rule 5.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from daemon.agents import ConfiguredAgent
from daemon.session.parking_file import PARKED, Parked, ParkingFile
from daemon.session.session_folder import login_folder
from domain.agents import Away
from domain.errors import AgentUnavailable
from domain.models import Question

FIRST_WAIT = timedelta(minutes=5)
"""Where nobody says when a limit ends; doubled each time that it turns out to last, to at most LONGEST_WAIT."""
LONGEST_WAIT = timedelta(hours=1)
TRY_LOGIN_AGAIN = timedelta(minutes=10)
"""How long a refused login keeps other tasks away: one of them then tries whether somebody has repaired it."""

LONGEST_LIMIT = timedelta(days=8)
"""Longer than a week's limit lasts: a reset that is said to be later was misread, or by a clock that is wrong."""
CLOCKS_DIFFER = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(days=1)

LIMITED = "its account's limit is reached"
REFUSED = "its login is refused"
UNANSWERED = "its model doesn't answer"
CROWDED = "its model has no capacity"

Account = tuple[str, str]
"""An agent's kind, and the name of its credential."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Parking:
    """What this daemon knows of its agents' accounts. Its file is the truth: a command beside the daemon changes it."""

    def __init__(self, daemon: str, file: ParkingFile, now: Callable[[], datetime] = utc_now) -> None:
        self._daemon = daemon
        self._file = file
        self.now = now
        self._unsaved: dict[Account, Parked] | None = None
        """In place of the file, where that can't be read or written."""

    def admit(self, account: Account | None, answers: Iterable[Question]) -> None:
        """AgentUnavailable while the account can't be used; `answers`: the task's questions, one of which may have been
        about it.
        """
        parked = self._known().get(account) if account else None
        if parked and account and _is_answered(answers, self.question_id(parked, account)):
            self.works(account)
        elif parked and not parked.is_over(self.now()):
            away = Away.REFUSED if parked.reason == REFUSED else Away.PARKED
            raise AgentUnavailable(f"no task of {parked}", away, parked.until)

    def limited(self, account: Account, agent: str, until: datetime | None, reason: str = LIMITED) -> Parked:
        """The account's limit is reached, or what else its `reason` says, until a time or nobody knows."""
        now, before = self.now(), self._known().get(account)
        if until is None and before and not before.is_over(now):
            return before  # another task has just found out
        waits = before.waits + 1 if before else 1
        wait = min(FIRST_WAIT * 2 ** min(waits - 1, 10), LONGEST_WAIT)
        if until is None or until <= now:
            return self._park(account, agent, reason, until=now + wait, since=now, waits=waits, is_guess=True)
        until = min(until, now + LONGEST_LIMIT).astimezone(UTC)
        return self._park(account, agent, reason, until=until, since=now, waits=waits)

    def refused(self, account: Account, agent: str) -> Parked:
        """The account's login or key is not accepted."""
        now, before = self.now(), self._known().get(account)
        since = before.since if before and before.reason == REFUSED else now
        return self._park(account, agent, REFUSED, until=now + TRY_LOGIN_AGAIN, since=since, is_guess=True)

    def works(self, account: Account) -> None:
        """It was used, or somebody says that it can be."""
        known = self._known()
        if known.pop(account, None):
            self._keep(known)

    def clear(self, agent: str = "") -> tuple[str, ...]:
        """Let the accounts that this agent, or any, can't use now be tried again; what they waited for."""
        known, now = self._known(), self.now()
        freed = [each for each in known.values() if each.is_of(agent)]
        self._keep({account: each for account, each in known.items() if each not in freed})
        return tuple(sorted(str(each) for each in freed if not each.is_over(now)))

    def question_id(self, parked: Parked, account: Account) -> UUID:
        """The same for all tasks that meet the same trouble on this daemon."""
        return uuid5(NAMESPACE_URL, f"makima:{self._daemon}:{'/'.join(account)}:{parked.since.isoformat()}")

    def now_parked(self, agent: str = "") -> tuple[str, ...]:
        """What can't be used at this moment, of this agent or any: for the daemon's report, and people."""
        now = self.now()
        return tuple(
            sorted(str(each) for each in self._known().values() if each.is_of(agent) and not each.is_over(now))
        )

    def _park(self, account: Account, agent: str, reason: str, **how: Any) -> Parked:
        kind, credential = account
        parked = Parked(kind=kind, credential=credential, agent=agent, reason=reason, **how)
        self._keep({**self._known(), account: parked})
        return parked

    def _known(self) -> dict[Account, Parked]:
        """Those whose time is long over are forgotten: their trouble is not the next one's. So are those that began in
        the future, by a clock that has been set right since.
        """
        if self._unsaved is None and (read := self._file.read()) is not None:
            known = {each.account: each for each in read}
        else:
            known = self._unsaved = self._unsaved or {}
        now = self.now()
        oldest, newest = now - FORGOTTEN_AFTER, now + CLOCKS_DIFFER
        return {account: each for account, each in known.items() if not each.is_over(oldest) and each.since <= newest}

    def _keep(self, known: dict[Account, Parked]) -> None:
        self._unsaved = None if self._file.write(known.values()) else known


def _is_answered(answers: Iterable[Question], question: UUID) -> bool:
    return any(each.id == question and each.answer is not None for each in answers)


def parking_of(daemon: str, tasks: Path) -> Parking:
    """Of the daemon whose tasks lie in this folder."""
    return Parking(daemon, ParkingFile(tasks.with_name(PARKED)))


def account_of(agent: ConfiguredAgent) -> Account | None:
    """The account that an agent uses; None for scripts, which have none."""
    return (agent.kind, agent.credential) if agent.credential else None


def account_name(agent: ConfiguredAgent) -> str:
    """The same as budgets of the day name it; empty where it has none."""
    return "/".join(account_of(agent) or ())


def remedy_of(agent: ConfiguredAgent, tasks: Path) -> str:
    """What a person does about a login that is refused, on the machine whose tasks lie in this folder."""
    return agent.remedy(login_folder(tasks, agent.login_name) if agent.login_name else tasks)
