"""What a pull request that was just opened could not be given: told, and no trouble (rule 7.4)."""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar

from daemon.forges.refusals import Declined

Answer = TypeVar("Answer")


class LeftOut:
    """Of one pull request."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def note(self, what: str, why: str) -> None:
        self._notes.append(f"the pull request was opened without {what}: {why}")

    async def tried(self, what: str, call: Awaitable[Answer]) -> Answer | None:
        """What the forge answers; None, with a note, where it says no: the pull request is open all the same."""
        try:
            return await call
        except Declined as declined:
            if declined.status == HTTPStatus.UNAUTHORIZED:
                raise
            self.note(what, declined.complaint)
            return None
