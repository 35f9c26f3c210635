"""Which budgets of the day this daemon has heard of, on disk: while the record is away it begins nothing that one of
them bounds (rule 2.11, docs/decisions/0049-day-budgets.md).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from domain.agents import Away
from domain.day_budget import ALL_ACCOUNTS, DayStanding
from runtime.private_file import write_private

HEARD = "day_budgets.json"
"""In the folder of the daemon."""
_FILE = TypeAdapter[dict[str, bool]](dict[str, bool])

logger = logging.getLogger("daemon")


@dataclass(frozen=True)
class Stop:
    """Why no agent may go on now, and until when."""

    reason: str
    until: datetime
    away: Away | None = None
    """Another agent, of another account, may go on in its place."""


def stop_of(standing: DayStanding) -> Stop:
    """What follows from a budget of the day that is used up."""
    return Stop(standing.used_up, standing.until, Away.PARKED if standing.account else None)


class HeardOf:
    """Account → whether a budget of the day bounds it. What can't be read or written is a line in the log."""

    def __init__(self, tasks: Path) -> None:
        """Of the daemon whose tasks lie in this folder."""
        self._path = tasks.with_name(HEARD)
        self._known = self._read()

    def is_bounded(self, account: str) -> bool | None:
        """None: nobody has said yet."""
        owners, own = self._known.get(ALL_ACCOUNTS), self._known.get(account)
        return True if owners or own else own

    def hear(self, account: str, standings: Iterable[DayStanding]) -> None:
        """The budgets that bound the account by the record's latest word."""
        bounded = {each.account for each in standings}
        known = self._known | {name: name in bounded for name in (ALL_ACCOUNTS, account)}
        if known == self._known:
            return
        self._known = known
        try:
            write_private(self._path, _FILE.dump_json(known))
        except OSError as error:
            logger.warning("%s can't be written (%s): a restart forgets it", self._path, error.strerror)

    def _read(self) -> dict[str, bool]:
        try:
            return _FILE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError):
            logger.warning("%s can't be read: which budgets of the day there are is asked anew", self._path)
            return {}
