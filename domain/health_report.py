"""What `doctor` finds: one line for each thing that it looked at, with the remedy where something is missing."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from domain.value import Value


class Verdict(StrEnum):
    """What a check means for the work."""

    OK = "ok"
    WARNING = "warning"
    """Work goes on, with less than it could have."""
    FAILED = "failed"


class DaemonAbout(Value):
    """What a daemon's settings make of it, once they are found valid; what `python -m daemon settings` prints."""

    name: str
    agents: tuple[str, ...]
    """Those that it serves."""
    sandbox: str
    """The kind, with the reason where none works or was chosen."""

    @property
    def serves(self) -> str:
        return f"{self.name} serves {', '.join(self.agents) or 'no agent'}"


class Check(Value):
    """One thing that was looked at."""

    about: str
    verdict: Verdict
    found: str
    """What is there, without a line end."""
    remedy: str = ""
    """What to do about it; only where the verdict isn't OK."""


class Health(Value):
    """All checks of one place; what `doctor --json` prints."""

    checks: tuple[Check, ...]

    @property
    def is_good(self) -> bool:
        """Whether work can be done here."""
        return all(check.verdict is not Verdict.FAILED for check in self.checks)

    def lines(self) -> list[str]:
        """A line a check."""
        width = max((len(check.about) for check in self.checks), default=0)
        return [_line(check, width) for check in self.checks]


def good(about: str, found: str) -> Check:
    return Check(about=about, verdict=Verdict.OK, found=_flat(found))


def warning(about: str, found: str, remedy: str) -> Check:
    return Check(about=about, verdict=Verdict.WARNING, found=_flat(found), remedy=_flat(remedy))


def failed(about: str, found: str, remedy: str = "") -> Check:
    """`remedy` may stay empty where `found` is an error's text, which says what to do."""
    return Check(about=about, verdict=Verdict.FAILED, found=_flat(found), remedy=_flat(remedy))


def all_of(checks: Iterable[Check]) -> Health:
    return Health(checks=tuple(checks))


def _line(check: Check, width: int) -> str:
    remedy = f": {check.remedy}" if check.remedy else ""
    return f"{check.verdict:<7}  {check.about:<{width}}  {check.found}{remedy}"


def _flat(text: str) -> str:
    return " ".join(text.split())
