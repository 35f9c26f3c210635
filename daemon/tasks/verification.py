"""Whether the work is good: the verify commands, at the commit that would be pushed (rules 6.5, 6.9)."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.git.worktrees import Worktree
from daemon.judgement.fault import Fault, fault
from daemon.session.task_programs import Programs, told
from domain.failures import FailureCategory
from domain.prompts import verify_note

SETTLES = 4
"""How often work is verified whose verify commands change it, until they leave it as it is."""
OUTPUT_SHOWN = 16 * 1024
"""Bytes of a command's output that the agent gets to see."""


async def verify(
    commands: Sequence[str], head: str, before: frozenset[str], worktree: Worktree, programs: Programs
) -> Fault | None:
    """The first command that fails at `head`, to which the files are brought back then; None: all pass. `before`: the
    untracked files that stay.
    """
    for line in commands:
        ended = await programs.run_line(line, "verify")
        if not ended.succeeded:
            await worktree.bring_back(head, before)
            return _broken(told(line, ended), programs.output(OUTPUT_SHOWN))
    return None


def restless(commands: Sequence[str]) -> Fault:
    """What the commands that never leave the files as they are say of the work: nothing."""
    wrong = f"the verify commands pass, and change files that git knows each time: {'; '.join(commands)}"
    remedy = "Find out which files they change (`git status` after running them), and bring that to rest."
    return fault(FailureCategory.VERIFY, wrong, remedy)


def _broken(how: str, output: str) -> Fault:
    """A verify command that didn't end with 0."""
    return Fault(FailureCategory.VERIFY, f"verify: {how}\n{output}", verify_note(how, output))
