"""Where one delivery of a task works: its worktree, its task folder, and the environment that the agent gets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from daemon import agent_files
from daemon.git.repository_cache import RepositoryCache
from daemon.git.side_repository import NAME as SIDE
from daemon.git.side_repository import SideRepository
from daemon.git.worktrees import AGENTS_TIMEOUT, Worktree
from daemon.network.door_policy import Policy
from daemon.process.program import AgentCommand
from daemon.process.run import Finished, command_name, run
from daemon.process.task_keeper import TaskKeeper
from daemon.sandbox.doorway import Doorway
from daemon.sandbox.environment import GitIdentity, agent_environment
from daemon.sandbox.sandbox import NoSandbox, Sandbox, SandboxPlaces
from daemon.sandbox.task_folder import TaskFolder, make_task_folder
from daemon.tool_chains.machine_tools import OWN as DOWNLOADS
from daemon.tool_chains.machine_tools import GivenTools, MachineTools
from daemon.workspace.delivery_note import DeliveryNote, write_note
from daemon.workspace.handing_over import taken_handover
from domain.errors import ProcessTimedOut
from domain.handover import CONTEXT_FILE, Handover, task_context
from domain.names import short
from domain.spawn_task import SpawnTask

KEEPER_GRACE = 0.5
"""Seconds, twice: together less than `process.TERM_GRACE`, after which the keeper itself would be killed."""


@dataclass(frozen=True)
class Workspace:
    """A folder that no other delivery uses: `folder` for the task, `worktree` beside it."""

    command: SpawnTask
    folder: TaskFolder
    identity: GitIdentity
    sandbox: Sandbox
    cache: Path
    """The bare repository from which the worktree borrows objects."""
    delivery: str
    keeper: TaskKeeper
    """Of all that runs where an agent has been, but the agent. Whoever makes a workspace closes it."""
    doorway: Doorway | None = None
    """By which what is part of the task reaches the network; None: without a sandbox it needs no door."""
    tools: GivenTools = field(default_factory=GivenTools)
    """The machine's tool chains, for what is part of the task."""

    @classmethod
    def make(
        cls, parent: Path, command: SpawnTask, delivery: str, identity: GitIdentity, sandbox: Sandbox, cache: Path
    ) -> Workspace:
        """Make the task folder, with what the agent's commands answer from; OSError where the disk doesn't let us."""
        workspace = cls.at(
            parent / f"{short(command.task)}-{command.attempt}-{delivery}", command, delivery, identity, sandbox, cache
        )
        folder = make_task_folder(workspace.folder.path)
        workspace.note()
        context = task_context(command)
        (folder.path / CONTEXT_FILE).write_text(context.model_dump_json())
        return workspace

    @classmethod
    def at(
        cls, path: Path, command: SpawnTask, delivery: str, identity: GitIdentity, sandbox: Sandbox, cache: Path
    ) -> Workspace:
        """The one in the folder `path`, as it is."""
        folder = TaskFolder((path / "task").absolute())
        return cls(
            command, folder, identity, sandbox, cache, delivery, keeper=TaskKeeper(str(folder.path), KEEPER_GRACE)
        )

    @property
    def path(self) -> Path:
        return self.folder.path.parent

    def note(self, **said: object) -> None:
        """Keep beside the work what a daemon must know that finds it (fields of DeliveryNote)."""
        known = {"command": self.command, "delivery": self.delivery}
        write_note(self.path, DeliveryNote.model_validate({**known, **said}))

    @property
    def work_path(self) -> Path:
        return self.path / "work"

    async def check_out(self, cache: RepositoryCache, commit: str) -> Worktree:
        """The worktree at `commit`, still untouched by any agent: git runs in it plainly. Beside it lies what projects
        like this one have downloaded on this machine.
        """
        runs = cache.git.run_plainly
        made = await Worktree.make(self.work_path, cache=cache.folder, commit=commit, runs=runs, identity=self.identity)
        await asyncio.to_thread(self.tools.lay_out, self.work_path)
        return made

    @property
    def agents_worktree(self) -> Worktree:
        """The worktree once an agent has been in it: git runs there as the agent."""
        return Worktree(self.work_path, self.run_as_agent, self.identity, is_agents=True, within=AGENTS_TIMEOUT)

    def side_repository(self, cache: RepositoryCache, path: Path | None = None) -> SideRepository:
        """The daemon's own, which only its programs see; to be made once for a delivery. It lies at `path` where that
        isn't the delivery's.
        """
        path = path or self.path / SIDE
        runs = partial(self.run_as_agent, writes=(path,))
        return SideRepository(path, self.work_path, cache, runs)

    def environment(self, command: AgentCommand) -> dict[str, str]:
        """All that a program of this task sees (rule 6.6)."""
        made = agent_environment(
            os.environ,
            folder=self.folder,
            task_id=str(self.command.task),
            command=command,
            identity=self.identity,
            tools=self.tools.variables,
            tool_path=self.tools.path,
        )
        return self.doorway.variables(made) if self.doorway else made

    @property
    def is_boxed(self) -> bool:
        """There is a sandbox around what runs here."""
        return self.sandbox.name != NoSandbox.name

    def behind(self, policy: Policy) -> Workspace:
        """With a door, where there is a sandbox: `daemon.sandbox.door_process` opens it."""
        return replace(self, doorway=Doorway.beside(self.path, policy)) if self.is_boxed else self

    def equipped(self, tools: MachineTools | None) -> Workspace:
        """With the machine's tool chains. Blocking; OSError."""
        if tools is None:
            return self
        return replace(self, tools=tools.equip(self.path, self.folder.home, is_boxed=self.is_boxed))

    def boxed(
        self, argv: Sequence[str], cwd: Path | None = None, writes: tuple[Path, ...] = (), door: Doorway | None = None
    ) -> tuple[str, ...]:
        """`argv` inside of the sandbox, in `cwd` (the worktree); to be run under a keeper with `environment`. `writes`:
        further folders that it may change. Without the door it has no network, and no tool chains.
        """
        # What is gone in a folder that is shown can't be covered any more.
        masked = {path: shown for path, shown in self.tools.masked.items() if path.exists()}
        tools = {**(self.tools.view if door else {}), **masked}
        places = SandboxPlaces(self.work_path, self.folder, self.cache / "objects", writes, tools, door)
        return self.sandbox.wrap(argv, cwd=cwd or self.work_path, places=places)

    async def run_as_agent(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes = b"",
        timeout: float,
        writes: tuple[Path, ...] = (),
    ) -> Finished:
        """Run git where an agent has been: in its environment and sandbox, under a keeper, without credentials (rule
        6.2). `writes`: further folders that it may change.
        """
        boxed = self.boxed(argv, cwd, writes)
        environment = self.environment(AgentCommand(argv=tuple(argv))) | dict(env)
        start = self.keeper.started
        try:
            done = await run(boxed, cwd=cwd, env=environment, stdin=stdin, timeout=timeout, start=start)
        except ProcessTimedOut as error:
            raise ProcessTimedOut(f"{command_name(argv)} was stopped after {timeout:g} s") from error
        # What a reason names is what was run, and not the sandbox around it.
        return replace(done, argv=tuple(argv))

    async def handover(self) -> Handover:
        """What the agent said through its commands; HandoverBroken where it wrote the file itself, and wrongly."""
        return await asyncio.to_thread(taken_handover, self.folder.path, task_context(self.command))

    async def clean(self) -> None:
        """Remove the worktree; the prompt and the log stay for those who want to know."""
        for folder in (self.work_path, self.path / DOWNLOADS, *self.path.glob("*.git*")):
            with suppress(OSError):
                await asyncio.to_thread(agent_files.remove_tree, folder)
