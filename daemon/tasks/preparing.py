"""What a worktree gets before the agent starts: files of this machine, and what the setup commands make (rule 6.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from daemon.git.worktrees import Worktree
from daemon.logs.task_log import TaskLog
from daemon.session.task_programs import Programs, told
from daemon.workspace.copied_files import CopiedFile, lay_files
from domain.errors import CannotServe

SETUP_LIMIT = timedelta(minutes=15)
"""For each setup command."""


async def copy_files(files: Sequence[CopiedFile], worktree: Worktree, log: TaskLog) -> tuple[str, ...]:
    """Lay the files into a worktree in which nothing has run yet; which ones. The repository's own stay as they are: a
    copy over one would be committed as a change. Raises CannotServe.
    """
    own = await worktree.tracked([file.target for file in files])
    for file in files:
        if file.target in own:
            log.say(f"copy_files: {file.target} is the repository's own here, and stays as it is")
    laid = [file for file in files if file.target not in own]
    await asyncio.to_thread(lay_files, laid, worktree.path)
    return tuple(file.target for file in laid)


async def set_up(
    commands: Sequence[str], worktree: Worktree, programs: Programs, *, may_fail: bool = False
) -> Sequence[str]:
    """Run the commands as the agent; `worktree` is run so, too. What they leave that git doesn't know, which is
    returned, is never committed: it is no work of the task. Raises CannotServe where one fails, for another machine may
    manage. `may_fail`: files are in conflict, which the agent has to resolve first.
    """
    if not commands:
        return ()
    before = await worktree.untracked()
    for line in commands:
        ended = await programs.run_line(line, "setup", SETUP_LIMIT)
        if not (ended.succeeded or may_fail):
            raise CannotServe(f"setup failed: {told(line, ended)}: {last_lines(ended.tail)}")
    made = sorted(await worktree.untracked() - before)
    await worktree.exclude(made)
    return made


def last_lines(tail: str) -> str:
    """The end of an output on one line."""
    return " / ".join(line.strip() for line in tail.splitlines() if line.strip())[-600:] or "it said nothing"
