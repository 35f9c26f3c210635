"""Where people find what the forge keeps, and what every dialect calls an account and a time."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime

from fakes.forge.check_records import CheckRun
from fakes.forge.records import Pull, RepositoryRecord


def account_id(login: str) -> int:
    """The account's number: the same in whatever case its login is written."""
    return zlib.crc32(login.lower().encode())


def moment(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


@dataclass(frozen=True)
class Addresses:
    """Of pages; `url` is the forge's own, which all links begin with."""

    url: str

    def page(self, record: RepositoryRecord) -> str:
        return f"{self.url}/{record.full_name}"

    def pull_page(self, record: RepositoryRecord, pull: Pull) -> str:
        return f"{self.page(record)}/pull/{pull.number}"

    def job_page(self, record: RepositoryRecord, check: CheckRun) -> str:
        return f"{self.page(record)}/actions/runs/{check.id}/job/{check.id}"
