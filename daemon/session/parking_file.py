"""Which accounts rest, on disk: a daemon that starts again in the middle of a limit doesn't try them (rule 5.6)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from domain.tolerant import Tolerant
from runtime.private_file import write_private

PARKED = "parked.json"
"""In the folder of the daemon."""

logger = logging.getLogger("daemon")


class Parked(Tolerant):
    """An account that can't be used for a while. Its credential is here by its name alone."""

    kind: str
    credential: str
    agent: str
    """As the settings call it."""
    reason: str
    until: AwareDatetime
    since: AwareDatetime
    """When the trouble began that has lasted since."""
    waits: Annotated[int, Field(ge=1)] = 1
    is_guess: bool = False
    """Nobody has told when the trouble ends: `until` is when it is tried again."""

    @property
    def account(self) -> tuple[str, str]:
        return self.kind, self.credential

    def is_of(self, agent: str) -> bool:
        """Whether it is this agent's; empty: any."""
        return agent in ("", self.agent)

    def is_over(self, now: datetime) -> bool:
        return self.until <= now

    def __str__(self) -> str:
        at = f"{self.until:%Y-%m-%d %H:%M} UTC"
        if self.is_guess:
            return f"{self.agent}, tried again at {at}: {self.reason}, and nobody tells until when"
        return f"{self.agent} until {at}: {self.reason}"


_FILE = TypeAdapter[tuple[Parked, ...]](tuple[Parked, ...])


class ParkingFile:
    """A small file for this user's eyes, whole at any time. What can't be read or written is a line in the log."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[Parked, ...] | None:
        """What it says, nothing where it isn't there; None where it can't be read. A broken one is removed."""
        try:
            return _FILE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except OSError as error:
            logger.warning("%s can't be read (%s): which accounts rest is found out anew", self._path, error.strerror)
            return None
        except ValidationError:
            logger.warning("%s is broken, and removed: which accounts rest is found out anew", self._path)
            self._path.unlink(missing_ok=True)
            return ()

    def write(self, parked: Iterable[Parked]) -> bool:
        """Whether it could be written."""
        try:
            write_private(self._path, _FILE.dump_json(tuple(parked)))
        except OSError as error:
            logger.warning(
                "%s can't be written (%s): a restart forgets which accounts rest", self._path, error.strerror
            )
            return False
        return True
