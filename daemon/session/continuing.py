"""Whether and how work goes on after an agent's run: in its session, or in one that takes over from it; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from daemon.agents.stream_events import Ending
from domain.models import Question
from domain.quoting import in_a_line

LOG_SHOWN = 6 * 1024
STAT_SHOWN = 4 * 1024

_RESUMED = """\
You were interrupted ({reason}). Your working directory is {worktree}{moved}, with all that you had done there. Look at
`git status` and `git log` if you are not sure how far you came, then go on and finish your task as you were told.
"""
_MOVED = " now (it was {before}: use the new path)"
_HANDOVER = """\
## You take over
Another session of you has worked on this task and can't go on: {reason}. What it has done is in your working
directory. Look at `git log`, `git status` and `git diff` first, keep what is good, and finish the task.
"""
_TAKEN_ON = """\
## You take over
Agent {agent} had this task before you, and can't go on: {reason}. What it has done is in your working directory. Look
at `git log`, `git status` and `git diff` first, keep what is good, and finish the task.
"""
_STAT = """\
What has changed since the task began (`git diff --stat {base}`):

{stat}
"""
_LOG = """\
The end of its log:

{log}
"""
NETWORK_WAITS = (2.0, 10.0, 30.0, 60.0)
"""Seconds before each further try while the model doesn't answer; then the task waits without holding a slot."""
MOST_RESUMES = 1
MOST_HANDOVERS = 2


@dataclass(frozen=True)
class Ask:
    """What an agent is asked to do."""

    whole: str
    """For a session that knows nothing of the task."""
    further: str = ""
    """For one that has worked on it already."""


def resumed(reason: str, worktree: str, before: str, answers: Iterable[Question]) -> str:
    """For the session itself; `before`: where it knows its files to be."""
    moved = _MOVED.format(before=before) if before and before != worktree else ""
    return "\n".join((_RESUMED.format(reason=reason, worktree=worktree, moved=moved), *_answered(answers)))


def handed_over(reason: str, base: str, stat: str, log: str, whole: str) -> str:
    """For a new session, before the task itself."""
    return _told(_HANDOVER.format(reason=reason), base, stat, log, whole)


def taken_on(agent: str, reason: str, base: str, stat: str, log: str, whole: str) -> str:
    """For another agent than the one before, `agent`."""
    return _told(_TAKEN_ON.format(agent=in_a_line(agent), reason=in_a_line(reason)), base, stat, log, whole)


def _told(begin: str, base: str, stat: str, log: str, whole: str) -> str:
    parts = [begin]
    if stat.strip():
        parts.append(_STAT.format(base=base, stat=_end_of(stat, STAT_SHOWN)))
    if log.strip():
        parts.append(_LOG.format(log=_end_of(log, LOG_SHOWN)))
    return "\n".join((*parts, whole))


def _answered(answers: Iterable[Question]) -> list[str]:
    lines = [f"- {question.text}\n  Answer: {question.answer}" for question in answers if question.answer is not None]
    return ["Your questions were answered:", *lines] if lines else []


def _end_of(text: str, limit: int) -> str:
    return text if len(text) <= limit else "… " + text[-limit:]


class Move(StrEnum):
    ACCEPT = "accept"
    RESUME = "resume"
    """The same session, which knows what it was doing."""
    HAND_OVER = "hand over"
    """A new session, told what the last one has done."""


@dataclass(frozen=True)
class Tried:
    """What has been tried since the agent was last asked something new."""

    waits: int = 0
    resumes: int = 0
    handovers: int = 0


def next_move(ending: Ending, tried: Tried) -> tuple[Move, float, Tried]:
    """The move, how many seconds to wait before it, and what has been tried then."""
    handed_over = replace(tried, handovers=tried.handovers + 1)
    match ending:
        case Ending.NETWORK if tried.waits < len(NETWORK_WAITS):
            return Move.RESUME, NETWORK_WAITS[tried.waits], replace(tried, waits=tried.waits + 1)
        case Ending.CRASHED | Ending.HUNG if tried.resumes < MOST_RESUMES:
            return Move.RESUME, 0, replace(tried, resumes=tried.resumes + 1)
        case Ending.CRASHED | Ending.HUNG if not tried.handovers:
            return Move.HAND_OVER, 0, handed_over
        case Ending.CONTEXT | Ending.UNKNOWN_SESSION if tried.handovers < MOST_HANDOVERS:
            return Move.HAND_OVER, 0, handed_over
    return Move.ACCEPT, 0, tried
