"""Where one delivery of a task works: its worktree, its task folder, and the environment that the agent gets."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon import keeper
from daemon.agents.base import AgentCommand
from daemon.environment import GitIdentity, agent_environment
from daemon.process import Finished, run
from daemon.repositories import RepositoryCache
from daemon.task_folder import TaskFolder, make_task_folder
from daemon.worktrees import Identity, Worktree
from domain.handover import CONTEXT_FILE, HANDOVER_FILE, Handover, TaskContext
from domain.names import short
from domain.spawn_task import SpawnTask


@dataclass(frozen=True)
class Workspace:
    """A folder that no other delivery uses: `folder` for the task, `worktree` beside it."""

    command: SpawnTask
    folder: TaskFolder
    identity: GitIdentity

    @classmethod
    def make(cls, parent: Path, command: SpawnTask, delivery: str, identity: GitIdentity) -> Workspace:
        """Make the task folder, with what the agent's commands answer from; OSError where the disk doesn't let us."""
        path = parent / f"{short(command.task)}-{command.attempt}-{delivery}"
        folder = make_task_folder(path / "task")
        context = TaskContext(
            task=command.task, kind=command.kind, generation=command.generation, context=command.context
        )
        (folder.path / CONTEXT_FILE).write_text(context.model_dump_json())
        return cls(command, folder, identity)

    @property
    def work_path(self) -> Path:
        return self.folder.path.parent / "work"

    async def check_out(self, cache: RepositoryCache, commit: str) -> Worktree:
        """The worktree at `commit`, still untouched by any agent: git runs in it plainly."""
        who = Identity(self.identity.name, self.identity.email)
        return await Worktree.make(
            self.work_path, cache=cache.folder, commit=commit, runs=cache.git.run_plainly, identity=who
        )

    def environment(self, command: AgentCommand) -> dict[str, str]:
        """All that a program of this task sees (SPEC 6.6)."""
        return agent_environment(
            os.environ, folder=self.folder, task_id=str(self.command.task), command=command, identity=self.identity
        )

    async def run_as_agent(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b"", timeout: float
    ) -> Finished:
        """Run git where an agent has been: in its environment, under a keeper, without credentials (SPEC 6.2)."""
        kept = (sys.executable, "-I", "-S", keeper.__file__, "--parent", str(os.getpid()), "--", *argv)
        environment = self.environment(AgentCommand(argv=tuple(argv)))
        return await run(kept, cwd=cwd, env={**environment, **env}, stdin=stdin, timeout=timeout)

    def handover(self) -> Handover:
        """What the agent said through its commands; ValidationError where it wrote the file itself, and wrongly."""
        file = self.folder.path / HANDOVER_FILE
        return Handover.model_validate_json(file.read_bytes()) if file.exists() else Handover()

    async def clean(self) -> None:
        """Remove the worktree; the prompt and the log stay for those who want to know."""
        await asyncio.to_thread(shutil.rmtree, self.work_path, True)
