"""Whose failure it is that git can't work where an agent has been."""

from __future__ import annotations

from daemon.git.git import checked, no_room
from daemon.process.run import Finished
from domain.errors import GitError, WorktreeBroken

_NOT_STARTED, _KILLED = ("bwrap: ", "keeper: "), (-9, 127, 137)


def of_agent(done: Finished, what: str, *also: int) -> Finished:
    """`done`, if its exit code is 0 or one of `also`; else WorktreeBroken, `what` being how its text begins. GitError
    where it was not the agent's files or repository but this machine that was in the way: the sandbox didn't start, the
    disk is full, the kernel ended it.
    """
    if done.exit_code in (0, *also):
        return checked(done, *also)
    if done.stderr.lstrip().startswith(_NOT_STARTED) or no_room(done.stderr) or done.exit_code in _KILLED:
        raise GitError(str(done))
    raise WorktreeBroken(f"{what}: {done}")
