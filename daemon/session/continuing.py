"""What an agent is told that goes on with work: its own session, or one that takes over from another; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.models import Question

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
_STAT = """\
What has changed since the task began (`git diff --stat {base}`):

{stat}
"""
_LOG = """\
The end of its log:

{log}
"""


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
    parts = [_HANDOVER.format(reason=reason)]
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
