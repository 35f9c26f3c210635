"""The task folder as the agent's commands see it: what they answer from, and what they hand over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from domain.errors import HandoverBroken, Refused
from domain.handover import (
    ANSWERS_FILE,
    ARTIFACTS_FOLDER,
    CONTEXT_FILE,
    HANDOVER_FILE,
    LOCK_FILE,
    Answers,
    Handover,
    TaskContext,
)
from domain.names import TASK_FOLDER
from runtime.private_file import write_private

Kept = TypeVar("Kept", Handover, Answers)
Change = Callable[[Handover, TaskContext], Handover]


@dataclass(frozen=True)
class AgentFolder:
    """Its files are written whole or not at all, by one command at a time."""

    path: Path

    @classmethod
    def find(cls) -> AgentFolder:
        """The folder that the daemon has named to this agent; Refused outside of a task."""
        named = os.environ.get(TASK_FOLDER)
        if not named or not (Path(named) / CONTEXT_FILE).is_file():
            raise Refused(f"{TASK_FOLDER} names no task: this command is for agents that Makima has started")
        return cls(Path(named))

    def context(self) -> TaskContext:
        file = self.path / CONTEXT_FILE
        try:
            return TaskContext.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise HandoverBroken(f"{file} was changed by something else than the daemon") from error

    def handover(self) -> Handover:
        """What was handed over so far."""
        return _read(self.path / HANDOVER_FILE, Handover)

    def answers(self) -> Answers:
        """What the daemon has heard since the agent was started."""
        return _read(self.path / ANSWERS_FILE, Answers)

    def change(self, step: Change) -> Handover:
        """Replace the handover by what `step` makes of it; where it refuses, nothing has changed."""
        with self._alone():
            changed = step(self.handover(), self.context())
            self._write(HANDOVER_FILE, changed.model_dump_json().encode())
        return changed

    def keep_file(self, name: str, content: bytes, step: Change) -> None:
        """Change the handover, and put `content` into `artifacts/name`."""

        def kept(handover: Handover, context: TaskContext) -> Handover:
            changed = step(handover, context)
            (self.path / ARTIFACTS_FOLDER).mkdir(exist_ok=True)
            self._write(f"{ARTIFACTS_FOLDER}/{name}", content)
            return changed

        self.change(kept)

    def _write(self, name: str, content: bytes) -> None:
        write_private(self.path / name, content, within=self.path, synced=False)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands at once never lose one (rule 3.4): the second waits here."""
        with (self.path / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(file: Path, kind: type[Kept]) -> Kept:
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return kind()
    except ValidationError as error:
        raise HandoverBroken(f"{file} was changed by something else than makima: remove it and call again") from error
