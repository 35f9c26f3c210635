"""Whether the work is good: the verify commands, at the commit that would be pushed (rules 6.5, 6.9)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from daemon.git.worktrees import Worktree
from daemon.judgement.check import Fault, fault, named
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
    (`again`) and verified again, until they change nothing. What they delete comes back: a file that they have moved
    would be lost, as new ones are never committed.
    """
    for _ in range(SETTLES):
        work = judged.outcome.work
        if judged.fault or judged.outcome.status is not OutcomeStatus.COMPLETED or not work or not commands:
            return judged
        before = await worktree.untracked()
        if broken := await verify(commands, work.head, before, worktree, programs):
            return replace(judged, fault=broken)
        await worktree.at(work.head)  # whatever they have committed themselves
        judged = replace(judged, outcome=_brought_back(judged.outcome, await _restore_deleted(worktree)))
        if not await worktree.changes():
            verified = work.model_copy(update={"verified": tuple(commands)})
            return Judged(judged.outcome.model_copy(update={"work": verified}))
        judged = await again(judged.outcome)
        await worktree.bring_back(await worktree.head(), before)
    return replace(judged, fault=restless(commands))


async def _restore_deleted(worktree: Worktree) -> tuple[str, ...]:
    """Bring the files back that git knows and that are not there; which ones."""
    gone = (await worktree.git("ls-files", "-z", "--deleted")).names
    if gone:
        given = b"".join(os.fsencode(path) + b"\0" for path in gone)
        await worktree.git("checkout-index", "--force", "-z", "--stdin", stdin=given)
    return gone


def _brought_back(outcome: Outcome, deleted: Sequence[str]) -> Outcome:
    """With a warning that names what the verify commands have deleted."""
    said = f"verify commands delete files that git knows, which were brought back: {named(tuple(deleted))}"
    if not deleted or said in outcome.warnings:
        return outcome
    return outcome.model_copy(update={"warnings": (*outcome.warnings, said)})


def restless(commands: Sequence[str]) -> Fault:
    """What the commands that never leave the files as they are say of the work: nothing."""
    wrong = f"the verify commands pass, and change files that git knows each time: {'; '.join(commands)}"
    remedy = "Find out which files they change (`git status` after running them), and bring that to rest."
    return fault(FailureCategory.VERIFY, wrong, remedy)


def _broken(how: str, output: str) -> Fault:
    """A verify command that didn't end with 0."""
    return Fault(FailureCategory.VERIFY, f"verify: {how}\n{output}", verify_note(how, output))
