"""What a machine offers to tasks: its repositories, agents, sandbox and forges, and how much of it a task may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from daemon.agents import ConfiguredAgent
from daemon.agents.network_settings import NetworkSettings
from daemon.core.reporting import Core
from daemon.forges.port import ForgesByUrl
from daemon.forges.registry import Forges
from daemon.git.repositories import Repositories
from daemon.logs.log_sender import LogBacklog
from daemon.logs.masking import Masker
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import Sandbox
from daemon.tool_chains.machine_tools import MachineTools
from daemon.workspace.copied_files import CopiedFile


@dataclass(frozen=True)
class Machine:
    """What this machine offers to tasks."""

    name: str
    owner: str
    tasks_folder: Path
    repositories: Repositories
    agents: dict[str, ConfiguredAgent]
    identity: GitIdentity
    sandbox: Sandbox
    core: Core
    min_free_disk: int
    """Bytes; with less a task is refused (rule 5.7)."""
    max_task_memory: int
    """Bytes of a task's processes together; 0: no limit."""
    after_outcome: Callable[[], Awaitable[None]]
    """Called between publishing an outcome and reporting it: where tests let the machine die."""
    copy_files: tuple[CopiedFile, ...] = ()
    allow_secrets: tuple[str, ...] = ()
    masker: Masker = field(default_factory=Masker)
    backlog: LogBacklog | None = None
    """Takes what is left of a log at the end of its task; without one the next daemon sends it."""
    forges: ForgesByUrl = field(default_factory=Forges)
    """Where pull requests are opened; by default none is known."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """What agents reach from their sandboxes, unless their own settings say otherwise."""
    tools: MachineTools | None = None
    """Finds the tool chains that tasks are given; None: none."""
