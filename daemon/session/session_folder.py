"""What outlives a delivery of an attempt on this machine: its agent's session, and the files in which that lies."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from daemon import agent_files
from daemon.agents.stream_events import Totals
from domain.names import sanitized
from domain.spawn_task import SpawnTask
from domain.tolerant import Tolerant
from domain.usage import NOTHING, ResumableSession, Usage

SESSIONS = "sessions"
LOGINS = "logins"
"""Folders beside that of the tasks."""
NOTE = "session.json"
_LARGEST_NOTE = 1024 * 1024


class SessionNote(Tolerant):
    """An attempt's session as this machine knows it."""

    agent: str
    session: str = ""
    """Empty: none that can be gone on with."""
    cost_usd: float = 0
    tokens: int = 0
    """What the session has used, by its own count, in which a run that was killed may be missing."""
    unsettled_usd: float = 0
    """What its runs since then have cost by an estimate, which its count may have or not."""
    usage: Usage = Usage()
    """Of the attempt, over all its sessions."""
    turns: int = 0
    network_waits: int = 0
    """How often in a row the task has waited because the model didn't answer."""
    worktree: str = ""
    """Where the session knows its files to be."""

    @property
    def without_session(self) -> SessionNote:
        """For the next run, which begins one."""
        gone = {"session": "", "cost_usd": 0.0, "tokens": 0, "unsettled_usd": 0.0, "worktree": ""}
        return self.model_copy(update=gone)

    @property
    def totals(self) -> Totals:
        return Totals(self.cost_usd, self.tokens)


@dataclass(frozen=True)
class SessionFolder:
    """The folder of one attempt, and of one agent where others had the task before; `path` is absolute."""

    path: Path

    @classmethod
    def of(cls, tasks: Path, command: SpawnTask) -> SessionFolder:
        """The one beside the folder `tasks`, made for nobody but this user; OSError."""
        name = f"{command.task}-{command.attempt}"
        if command.handed_over and command.agent:
            # What the agent before keeps of its sessions and login is none of this one's business.
            name += f"-{sanitized(command.agent.name)}"
        folder = cls((tasks.with_name(SESSIONS) / name).absolute())
        folder.state.mkdir(parents=True, exist_ok=True)
        folder.path.chmod(0o700)
        return folder

    @property
    def state(self) -> Path:
        """The agent's own: all that it keeps of its sessions. A sandbox shows it, and nothing beside it."""
        return self.path / "state"

    @property
    def raw(self) -> Path:
        """The output of all its runs, as it came."""
        return self.path / "stream.jsonl"

    def read(self, agent: str, resume: ResumableSession | None, told: Usage = NOTHING) -> SessionNote:
        """The attempt's note; one that begins with what it used elsewhere where there is none for this agent. `told`:
        what its delivery before this one had told it has used, there or here.
        """
        try:
            note = SessionNote.model_validate_json(agent_files.read(self.path, NOTE, _LARGEST_NOTE))
        except (OSError, ValidationError):
            note = SessionNote(agent="")
        used = note.usage.or_more(told).or_more(resume.usage if resume else told)
        return note.model_copy(update={"usage": used}) if note.agent == agent else SessionNote(agent=agent, usage=used)

    def write(self, note: SessionNote) -> None:
        """Whole or not at all."""
        agent_files.write(self.path, NOTE, note.model_dump_json().encode())


def login_folder(tasks: Path, login: str) -> Path:
    """Where the login of this name lies, shared by its tasks; made for nobody but this user."""
    folder = (tasks.with_name(LOGINS) / login).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def clean_sessions(tasks: Path, kept: timedelta) -> None:
    """Remove the sessions of attempts that nothing has happened to for so long."""
    sessions = tasks.with_name(SESSIONS)
    for folder in sorted(sessions.iterdir()) if sessions.exists() else ():
        # Writing the note changes the folder, too; an agent that keeps no session leaves no note.
        if time.time() - folder.stat().st_mtime > kept.total_seconds():
            agent_files.remove_tree(folder)
