"""The folder of one daemon on its machine, and what the daemon and its commands open there."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from daemon.forges.forge_settings import credential_helpers, tokens_at_hand
from daemon.forges.registry import Forges
from daemon.git.cache_lock import try_lock
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.git.signing import Signer
from daemon.logs.masking import Masker, secrets_of
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import Opening, Sandbox, open_sandbox
from daemon.sandbox.sandbox_view import own_programs
from daemon.saving.housekeeping import Housekeeper
from daemon.saving.restoring import Restorer
from daemon.session.parking import Parking, parking_of
from daemon.settings import DaemonSettings
from daemon.tool_chains.machine_tools import MachineTools
from domain.errors import SettingsError
from domain.health_report import DaemonAbout

PREDECESSOR_ENDS_WITHIN = 5.0
"""Seconds for which a daemon that starts waits for the end of the one before it."""
LOOK_EVERY = 0.1
HOME_ID = "home-id"
SEARCH_PATH = "search-path"
"""The file in a daemon's home with the PATH that it was started with."""


@dataclass(frozen=True)
class House:
    """What the commands need of this daemon's folder; Temporal isn't among it."""

    housekeeper: Housekeeper
    restorer: Restorer
    parking: Parking
    sandbox: Sandbox
    about: DaemonAbout
    repositories: Repositories
    forges: Forges


@dataclass(frozen=True)
class Home:
    """Where a daemon keeps its tasks and caches, and how it works there."""

    path: Path
    own: DaemonSettings
    repositories: Repositories
    sandbox: Sandbox
    tools: MachineTools | None

    @property
    def tasks(self) -> Path:
        return self.path / "tasks"

    @property
    def seen_as(self) -> str:
        """How the daemon is told apart from one of the same name in another home; the same after a restart."""
        file = self.path / HOME_ID
        if not file.exists():
            file.write_text(uuid4().hex)
        return f"daemon:{self.own.name}@{socket.gethostname()}:{file.read_text()[:32]}"

    @property
    def identity(self) -> GitIdentity:
        return GitIdentity(self.own.committer_name, self.own.committer_email)

    @property
    def housekeeper(self) -> Housekeeper:
        return Housekeeper(self.tasks, self.repositories, self.own.keeping, self.path / "restored")

    async def look_at_tools(self) -> None:
        """The first look at tool chains reads every folder of theirs, later ones what has changed since."""
        if self.tools:
            await asyncio.to_thread(self.tools.take_inventory)

    @property
    def house(self) -> House:
        """What `python -m daemon gc`, `restore` and `parked` need."""
        restorer = Restorer(self.tasks, self.path / "restored", self.repositories, self.identity, self.sandbox)
        about = DaemonAbout(name=self.own.name, agents=tuple(self.own.served()), sandbox=self.sandbox.about)
        parking, forges = parking_of(self.own.name, self.tasks), Forges(self.own.forges, os.environ)
        return House(self.housekeeper, restorer, parking, self.sandbox, about, self.repositories, forges)


def signer_of(own: DaemonSettings, environ: Mapping[str, str]) -> Signer | None:
    """Raises SettingsError where agents are shown the keyring."""
    if own.signing and own.signing.key_file is None:
        keyring = Path(environ.get("GNUPGHOME") or Path(environ.get("HOME", "/"), ".gnupg")).resolve()
        for folder in (*own.sandbox_read, *own.sandbox_write):
            if keyring.is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(keyring):
                raise SettingsError(
                    f"agents are shown {folder} (sandbox_read, sandbox_write), with the keyring of signing"
                )
    return Signer(own.signing, environ, own.committer_name, own.committer_email) if own.signing else None


async def open_home(data_dir: Path, own: DaemonSettings, *, is_daemon: bool) -> Home:
    """The home of the daemon that `own` describes; `is_daemon` is False for a command that may run beside it.

    Raises SettingsError where git is missing, the key of `[signing]` can't be used, the sandbox that is required
    doesn't work, or the home is occupied.
    """
    path = data_dir / "daemon" / own.name
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if is_daemon:
        await occupy(path)
        (path / SEARCH_PATH).write_text(os.environ.get("PATH", ""), "utf-8", "surrogateescape")
    signer = signer_of(own, os.environ)
    if signer and is_daemon:
        await signer.check()
    git = Git(
        # A command has a configuration of its own: while one is written, the daemon's git would read half of it.
        path / ("git" if is_daemon else "git-of-commands"),
        dict(os.environ),
        allow_local=bool(own.allow_local_repositories),
        local=own.local_repositories(data_dir),
        helpers=credential_helpers(own.forges, has_gh=shutil.which("gh") is not None),
        signer=signer,
    )
    await git.prepare()
    agents = own.served()

    def parts() -> tuple[Path, ...]:
        return tuple(part for agent in agents.values() for part in agent.parts())

    opening = Opening(
        read=own.sandbox_read,
        write=own.sandbox_write,
        hidden=(data_dir,),
        parts=parts,
    )
    sandbox = await open_sandbox(own.sandbox, opening, scratch=path, environ=os.environ)
    tools = MachineTools(
        own.tool_chains, os.environ, path, hidden=(data_dir,), shown=lambda: (*own_programs(), *parts())
    )
    repositories = Repositories(git, path / "repositories", is_own=is_daemon)
    return Home(path, own, repositories, sandbox, tools if own.find_tool_chains else None)


async def occupy(home: Path) -> None:
    """Make the home this process's own until it ends. A second daemon in it would take the work that the first one does
    for what a dead one has left: it would end its agents and clear their worktrees. Raises SettingsError.
    """
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # never closed: death alone frees it
    try:
        async with asyncio.timeout(PREDECESSOR_ENDS_WITHIN):
            while not try_lock(lock, home / "lock"):  # noqa: ASYNC110  the holder is another process, which can wake nobody here
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError as error:
        os.close(lock)
        raise SettingsError(
            f"another daemon runs in {home}: end it, or give this one another name or MAKIMA_DATA_DIR"
        ) from error


def search_path_in(home: Path) -> str | None:
    """The PATH of the daemon that runs in this home, on which it finds its agents; None: none runs there."""
    try:
        lock = os.open(home / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if try_lock(lock, home / "lock"):
            return None
        return (home / SEARCH_PATH).read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    finally:
        os.close(lock)


def masker_of(own: DaemonSettings, environ: Mapping[str, str]) -> Masker:
    """Knows what of this machine's settings nobody may read (rule 6.11)."""
    passed = {name for agent in own.agents.values() for name in (*agent.pass_env, *agent.credential_variables)}
    given = [agent.env for agent in own.agents.values()]
    secrets = (secret for env in (given or [{}]) for secret in secrets_of(environ, passed, env))
    return Masker((*secrets, *tokens_at_hand(own.forges, environ)))
