"""Whether the work is good: the verify commands, at the commit that would be pushed (SPEC 6.5, 6.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.agent_runs.continuing import Ask
from daemon.git.worktrees import Worktree
from daemon.processes.programs import Programs, told
from domain.prompts import verify_note

ROUNDS = 3
"""How often work that doesn't pass goes back to its agent."""
OUTPUT_SHOWN = 16 * 1024
"""Bytes of a command's output that the agent gets to see."""


@dataclass(frozen=True)
class Broken:
    """A verify command that didn't end with 0."""

    how: str
    output: str

    @property
    def report(self) -> str:
        return f"verify: {self.how}\n{self.output}"

    def ask(self, prompt: str) -> Ask:
        """What the agent is asked, for the next round; `prompt` is that of its task."""
        note = verify_note(self.how, self.output)
        return Ask(f"{note}\nThis was your task:\n\n{prompt}", note)


async def verify(commands: Sequence[str], head: str, worktree: Worktree, programs: Programs) -> Broken | None:
    """The first command that fails at `head`, to which the files are brought back then; None: all pass.

    Whatever the commands change or commit, it is `head` that was verified and that counts.
    """
    before = await worktree.untracked() if commands else frozenset()
    for line in commands:
        ended = await programs.run_line(line, "verify")
        if not ended.succeeded:
            await worktree.bring_back(head, before)
            return Broken(told(line, ended), programs.output(OUTPUT_SHOWN))
    return None
