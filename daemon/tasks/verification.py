"""Whether the work is good: the verify commands, at the commit that would be pushed (rules 6.5, 6.9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from daemon.git.worktrees import Worktree
from daemon.judgement.check import Fault, fault
from daemon.session.task_programs import Programs, ending_text
from domain.failures import FailureCategory
from domain.prompts import verify_note
from domain.spawn_task import Outcome, OutcomeStatus

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
            return _broken(ending_text(line, ended), programs.output(OUTPUT_SHOWN))
    return None


@dataclass(frozen=True)
class Judged:
    """What the agent's work comes to, and what is wrong with it."""

    outcome: Outcome
    fault: Fault | None = None


async def passed(
    judged: Judged,
    commands: Sequence[str],
    worktree: Worktree,
    programs: Programs,
    again: Callable[[Outcome], Awaitable[Judged]],
) -> Judged:
    """The same, verified. What the commands change in files that git knows, as formatters do, is committed, judged
    (`again`) and verified again, until they change nothing.
    """
    for _ in range(SETTLES):
        work = judged.outcome.work
        if judged.fault or judged.outcome.status is not OutcomeStatus.COMPLETED or not work or not commands:
            return judged
        before = await worktree.untracked()
        if broken := await verify(commands, work.head, before, worktree, programs):
            return replace(judged, fault=broken)
        await worktree.at(work.head)  # whatever they have committed themselves
        if not await worktree.changes():
            verified = work.model_copy(update={"verified": tuple(commands)})
            return Judged(judged.outcome.model_copy(update={"work": verified}))
        judged = await again(judged.outcome)
        await worktree.bring_back(await worktree.head(), before)
    return replace(judged, fault=restless(commands))


def restless(commands: Sequence[str]) -> Fault:
    """What the commands that never leave the files as they are say of the work: nothing."""
    wrong = f"the verify commands pass, and change files that git knows each time: {'; '.join(commands)}"
    remedy = "Find out which files they change (`git status` after running them), and bring that to rest."
    return fault(FailureCategory.VERIFY, wrong, remedy)


def _broken(how: str, output: str) -> Fault:
    """A verify command that didn't end with 0."""
    return Fault(FailureCategory.VERIFY, f"verify: {how}\n{output}", verify_note(how, output))
