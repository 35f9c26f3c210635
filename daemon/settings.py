"""The daemon's settings: a TOML file, named by MAKIMA_DAEMON_CONFIG, under the environment's MAKIMA_ variables."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from daemon.agents import ConfiguredAgent
from daemon.agents.network_settings import NetworkSettings
from daemon.agents.shell import ShellAgent
from daemon.forges.forge_settings import ForgeKind, ForgeSettings
from daemon.git.local import LocalRepositories
from daemon.git.signing_settings import SigningSettings
from daemon.network.rules import LocalRules, Reach
from daemon.sandbox.sandbox import SandboxMode
from daemon.saving.housekeeping import Keeping
from daemon.secrets.secret_search import AllowedSecret
from daemon.settings_path import SettingsPath
from daemon.tool_chains.tool_chain import ToolChain
from daemon.workspace.copied_files import CopiedFile
from daemon.workspace.delivery_note import FILE as DELIVERY_NOTE
from domain.directive_settings import AnyLabel
from domain.documents import read_toml
from domain.errors import DocumentBroken, SettingsError
from domain.problems import first_problem
from runtime.shared_settings import Address

SHELL = "shell"
LARGEST = 1024 * 1024
"""Bytes of a daemon's file."""
YEARS = 100 * 366 * 24
"""Hours; no time is longer."""


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path))


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for label in labels if label))


SandboxPath = Annotated[SettingsPath, AfterValidator(_normal)]


class DaemonSettings(BaseModel):
    """What one daemon is called, what it serves, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,60}$")]
    capacity: Annotated[int, Field(ge=1, le=64)] = 4
    serves: tuple[str, ...] = ()
    """The names of the agents that it runs; `shell` is off unless named (rule 6.6)."""
    labels: Annotated[tuple[AnyLabel, ...], Field(max_length=4), AfterValidator(_distinct)] = ()
    """What steps may ask for: this daemon is a daemon of each of these queues, too."""
    agents: dict[str, ConfiguredAgent] = {}
    allow_local_repositories: bool | tuple[SandboxPath, ...] = False
    """Whether `file://` and paths of this machine are repositories (rule 6.1), or the folders in which they are."""
    local_hooks: bool = False
    """Whether hooks of repositories on this machine run, as the daemon: outside of the sandbox."""
    committer_name: str = "Makima"
    committer_email: str = "makima@localhost"
    signing: SigningSettings | None = None
    """What the commits of its work are signed with; None: nothing is (rule 6.16)."""
    min_free_disk_mb: Annotated[int, Field(ge=0, le=10**9)] = 512
    """Below it, where the tasks lie, no task is taken (rule 5.7)."""
    max_task_memory_mb: Annotated[int, Field(ge=0, le=10**9)] = 0
    """What an agent and all that it starts may use; 0: no limit."""
    keep_succeeded_hours: Annotated[float, Field(ge=0, le=YEARS, allow_inf_nan=False)] = 24
    """Worktrees stay for so long after a success, and then go once the remote has their work (rule 6.12)."""
    keep_failed_hours: Annotated[float, Field(ge=0, le=YEARS, allow_inf_nan=False)] = 7 * 24
    keep_repositories_days: Annotated[float, Field(ge=0, le=YEARS / 24, allow_inf_nan=False)] = 30
    """The cache of a repository goes when nothing has used it for so long, and nothing borrows from it."""
    copy_files: tuple[CopiedFile, ...] = ()
    """Files of this machine for the worktrees of tasks, never committed (rule 6.5)."""
    allow_secrets: tuple[AllowedSecret, ...] = ()
    """What looks like a secret in commits and is none, in all repositories; `.makima.toml` has one's own."""
    sandbox: SandboxMode = SandboxMode.AUTO
    sandbox_read: tuple[SandboxPath, ...] = ()
    """What agents may read beyond their own files and the system's programs: a tool chain in the home folder."""
    sandbox_write: tuple[SandboxPath, ...] = ()
    """What agents of all tasks may change: a package cache that they share, and can spoil for one another."""
    find_tool_chains: bool = True
    """Whether the tool chains of the daemon's user are found, and shown to agents without their credentials."""
    tool_chains: dict[Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,40}$")], ToolChain] = {}
    """Further ones; one with the name of a shipped one takes its place (docs/sandbox.md)."""
    network: Reach = "internet"
    """How far agents reach from their sandbox (docs/sandbox.md); an agent's own setting takes its place."""
    network_local: LocalRules = ()
    """What of this machine and of private networks they reach; an agent's own setting takes its place."""

    metrics: Address = ""
    """Where it shows metrics to Prometheus."""
    health: Address = ""
    """Where it answers `GET /health`."""
    forges: dict[str, ForgeSettings] = {}
    """By host, with its port for http on this machine: where pull requests are opened, with which token (rule 7.4)."""

    @model_validator(mode="after")
    def _no_agent_gets_a_forges_token(self) -> Self:
        tokens = {forge.token_env for forge in self.forges.values()}
        for name, agent in self.agents.items():
            for variable in tokens & {*agent.pass_env, *agent.env}:
                raise ValueError(f"agents.{name} would get {variable}, the token of a forge, which no agent may have")
        return self

    @model_validator(mode="after")
    def _no_agent_sees_the_key(self) -> Self:
        if self.signing is None:
            return self
        if self.sandbox is SandboxMode.NONE:
            raise ValueError("signing needs a sandbox: without one every agent could read the key, or use its keyring")
        shown = (*self.sandbox_read, *self.sandbox_write)
        file = self.signing.key_file
        for folder in shown if file else ():
            if file and (file.is_relative_to(folder) or file.resolve().is_relative_to(folder.resolve())):
                raise ValueError(f"signing.key lies in {folder}, which agents are shown (sandbox_read, sandbox_write)")
        return self

    def local_repositories(self, data_dir: Path) -> LocalRepositories:
        """What of this machine is no repository of ours: whatever the daemon or an agent writes to (rule 6.13)."""
        allowed = self.allow_local_repositories
        folders = () if isinstance(allowed, bool) else allowed
        refused = (data_dir.absolute(), *self.sandbox_write)
        return LocalRepositories(folders, refused, DELIVERY_NOTE, self.local_hooks)

    @property
    def keeping(self) -> Keeping:
        return Keeping(
            timedelta(hours=self.keep_succeeded_hours),
            timedelta(hours=self.keep_failed_hours),
            timedelta(days=self.keep_repositories_days),
        )

    @property
    def reach(self) -> NetworkSettings:
        return NetworkSettings(self.network, self.network_local)

    def also_at(self, url: str, token_file: Path | None) -> DaemonSettings:
        """With the forge at `url`, which is empty where there is none; what the file says of it comes first."""
        if not (url and token_file):
            return self
        forge = {urlsplit(url).netloc: ForgeSettings(kind=ForgeKind.GITHUB, token_file=token_file)}
        return self.model_copy(update={"forges": {**forge, **self.forges}})

    def served(self) -> dict[str, ConfiguredAgent]:
        """Name → agent; SettingsError for a served name that no `[agents.NAME]` describes."""
        known: dict[str, ConfiguredAgent] = {SHELL: ShellAgent(kind="shell"), **self.agents}
        unknown = [name for name in self.serves if name not in known]
        if unknown:
            raise SettingsError(f"serves names {unknown[0]!r}, but there is no [agents.{unknown[0]}]")
        return {name: known[name] for name in self.serves}


def _bounded(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise SettingsError(f"{file} has more than {LARGEST // 1024} KiB: this is no daemon's file")
    return content


def load_daemon_settings(file: Path) -> DaemonSettings:
    """Read the TOML file; SettingsError in one line that names the file and the field."""
    try:
        content = _bounded(file)
    except OSError as error:
        raise SettingsError(
            f"{file} can't be read ({error.strerror}): set MAKIMA_DAEMON_CONFIG to the daemon's file"
        ) from error
    return parsed(content, file)


def parsed(content: bytes, file: Path) -> DaemonSettings:
    """`content` as settings; pure. Raises like `load_daemon_settings`."""
    try:
        return DaemonSettings.model_validate(read_toml(content))
    except DocumentBroken as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError(f"{file}: {first_problem(error)}") from error
