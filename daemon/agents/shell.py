"""`shell`: the task plan is a script; no model anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from daemon import agent_files
from daemon.agents.base import AgentRun, Program, parts_of, require_program
from daemon.process.program import AgentCommand


class ShellAgent(Program):
    """`[agents.NAME] kind = "shell"`: runs the step's task plan with `sh -e` from a file outside the worktree."""

    follows_prompts: ClassVar[bool] = False
    has_model: ClassVar[bool] = False
    kind: Literal["shell"]

    def check(self) -> None:
        require_program("sh", self.env.get("PATH"))

    def parts(self) -> tuple[Path, ...]:
        return parts_of("sh", self.env.get("PATH"))

    def command(self, run: AgentRun) -> AgentCommand:
        agent_files.write(run.folder.path, run.folder.script.name, run.script.encode())
        return AgentCommand(("sh", "-e", str(run.folder.script), *run.arguments), b"", self.env, self.pass_env)
