"""Makima as an operator meets it: servers, worker, daemons and starter.py, each a process that a test may kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Protocol, Self, TypeVar

import psutil
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from runtime.stack_file import StackFile, running_stack
from tests import forked
from tests.forked import Program
from tests.polling import pause
from tests.processes import has_ended, names_of

ROOT = Path(__file__).parents[2]
STARTER = (sys.executable, str(ROOT / "starter.py"))
WORKER = (sys.executable, str(ROOT / "worker.py"))
DAEMON = (sys.executable, "-m", "daemon")

CHECKED = "--checked"
"""An option for `Site.starter("start", …)` alone: a daemon has to serve it now."""

_T = TypeVar("_T")


def until(answer: Callable[[], _T | None], what: str, seconds: float = 240) -> _T:
    """The first answer that is true; AssertionError with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if found := answer():
            return found
        answered = time.monotonic()
        assert answered < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(pause(answered - asked))


def processes_of(folder: Path) -> set[int]:
    """The pids of all living processes that were started with this folder in their arguments or environment."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {pid for pid in pids if _was_told(pid, os.fsencode(folder)) and not has_ended(pid)}


def _was_told(pid: int, text: bytes) -> bool:
    try:
        return any(text in Path(f"/proc/{pid}/{file}").read_bytes() for file in ("cmdline", "environ"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


@dataclass(frozen=True)
class Ran:
    """A command of starter.py that has ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """What it printed with `--json`."""
        assert self.err == "", self.err
        shown: dict[str, Any] = json.loads(self.out)
        return shown


@dataclass(frozen=True)
class Ours:
    """A program of this checkout, to be forked, with what is typed after its name."""

    program: Program
    args: tuple[str, ...] = ()


class Running:
    """A process of ours, alone in its session, with its output in files of `folder`."""

    def __init__(self, name: str, argv: tuple[str, ...] | Ours, env: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        self.popen: subprocess.Popen[bytes] | forked.Forked
        if isinstance(argv, Ours):
            self.popen = forked.start(argv.program, argv.args, env, folder, self._out, self._err)
            return
        with self._out.open("a") as out, self._err.open("a") as err:
            self.popen = subprocess.Popen(
                argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def kill(self) -> None:
        """SIGKILL: nothing that it would do on its way out is done."""
        self.popen.kill()
        self.popen.wait()

    def end(self) -> int:
        """SIGTERM, as an operator or a service manager sends it; its exit code."""
        self.popen.terminate()
        return self.wait()

    def wait(self, seconds: float = 300) -> int:
        return self.popen.wait(seconds)

    def ran(self) -> Ran:
        """Wait for its end."""
        return Ran(self.wait(), self.out, self.err)


class Stack(Protocol):
    """A data folder by which commands of starter.py find servers that run."""

    data: Path
    addresses: StackFile


@dataclass
class SharedServers:
    """Servers that other tests use at the same time."""

    data: Path
    addresses: StackFile


class Servers:
    """`starter.py up` on a data folder of its own."""

    def __init__(self, folder: Path, *options: str, code: Path = ROOT, **variables: str) -> None:
        """`code`: the checkout that runs."""
        self.data = folder / "data"
        self._starter = (python_of(code), str(code / "starter.py"))
        self._env = environment(MAKIMA_DATA_DIR=self.data, **_path_to(code), **variables)
        self._folder = folder
        self._options = options
        self.up: Running
        self.addresses: StackFile

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.up.kill()
        until(lambda: not processes_of(self.data), "the servers' end")

    def start(self) -> None:
        """Start `up`, and wait until it has named all its addresses."""
        self.up = Running("up", (*self._starter, "up", *self._options), self._env, self._folder)
        self.addresses = until(self._ready, "the stack's addresses")

    def child(self, name: str) -> psutil.Process:
        """The stack's own process of that name, waited for if it is being started again."""
        return until(lambda: self._child(name), name)

    def _child(self, name: str) -> psutil.Process | None:
        direct = psutil.Process(self.up.popen.pid).children()
        return next((each for each in direct if name in names_of([each])), None)

    def _ready(self) -> StackFile | None:
        assert self.up.popen.poll() is None, self.up.err
        stack = running_stack(self.data)
        return stack if stack and stack.up.pid == self.up.popen.pid else None


def python_of(code: Path) -> str:
    """The Python that runs a checkout: another one than this has its own, which finds its modules and not ours also in
    processes that get no environment of the user's (`make_environment`).
    """
    return sys.executable if code == ROOT else str(code / ".venv/bin/python")


def make_environment(code: Path) -> None:
    """Give another checkout a `.venv` of its own with the libraries of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(code / ".venv")], check=True)
    (site,) = (code / ".venv/lib").glob("python*/site-packages")
    # A line that is a path leads there, and reads no .pth file of the other folder: that would lead to our own modules.
    (site / "checkout.pth").write_text(f"{code}\n{sysconfig.get_path('purelib')}\n")
    # What was installed before the distribution had its name of today asks for its own version by this one.
    about = site / "makima-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: makima\nVersion: 0.1.0\n")
    (code / ".venv/bin/temporal").symlink_to(Path(sysconfig.get_path("scripts"), "temporal"))


def _path_to(code: Path) -> dict[str, Path]:
    """What makes Python take its modules from another checkout than the installed one."""
    return {} if code == ROOT else {"PYTHONPATH": code}


def environment(**variables: str | Path) -> dict[str, str]:
    """The machine's environment without anything that points at another stack, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKIMA_", "TEMPORAL_"))}
    # The interpreter itself comes first: a developer's PATH may have a script of pyenv's there, which starts a dozen
    # processes for each `python3` of a step.
    python = Path(os.path.realpath(sys.executable)).parent
    given = {name: str(value) for name, value in variables.items()}
    own = {
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "XDG_STATE_HOME": f"{gettempdir()}/makima-tests",
    }
    return {**kept, **own, **given}


def daemon_settings(
    folder: Path,
    name: str,
    labels: Sequence[str] = (),
    further: str = "",
    planner: str = "planner.py",
    also: Sequence[str] = (),
) -> Path:
    """The TOML file of a daemon that serves shell and the planner, a script beside this one that is told `folder`;
    `further`: lines of it; `also`: further agents that it serves, which those lines define.
    """
    argv = [sys.executable, str(Path(__file__).parent / planner), str(folder)]
    file = folder / name / "daemon.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f'name = "{name}"\nserves = {json.dumps(["planner", "shell", *also])}\nallow_local_repositories = true\n'
        f"labels = {json.dumps(labels)}\n"
        # These agents reach outside of their worktrees: they tell the test that they have started, and wait for it.
        f'sandbox = "none"\n{further}\n'
        f'[agents.planner]\nkind = "command"\nargv = {json.dumps(argv)}\n'
    )
    return file


class Site:
    """One owner's processes on running servers; all of them are killed at the end."""

    def __init__(self, servers: Stack, folder: Path, owner: str, code: Path = ROOT) -> None:
        """`code`: the checkout whose worker, daemons and commands these are."""
        self._code = code
        self._starter = (python_of(code), str(code / "starter.py"))
        self.servers: Stack = servers
        self.folder = folder
        self.owner = owner
        self._running: list[Running] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
            sys.stderr.write(process.err)  # shown by pytest where the test has failed
        try:
            until(lambda: not processes_of(self.folder), "the end of all that daemons have started")
        finally:
            for left in processes_of(self.folder):
                os.kill(left, signal.SIGKILL)

    def worker(self, **variables: str | Path) -> Running:
        """`python worker.py`, which knows both servers by their addresses alone."""
        own = {"MAKIMA_DATABASE_URL": self.servers.addresses.database_url, **variables}
        argv = self._ours(Program.WORKER) or (python_of(self._code), str(self._code / "worker.py"))
        return self._start("worker", argv, self._at(self.folder / "worker", **own))

    def daemon(
        self,
        name: str = "one",
        labels: Sequence[str] = (),
        further: str = "",
        planner: str = "planner.py",
        also: Sequence[str] = (),
        **variables: str | Path,
    ) -> Running:
        """`python -m daemon` on a machine of its own: it shares no folder with another daemon, and no database."""
        if self._code == ROOT:  # another may be older than this setting
            # They would be those of whoever runs the tests: tens of thousands of folders, which each daemon would read.
            further = f"find_tool_chains = false\n{further}"
        settings = daemon_settings(self.folder, name, labels, further, planner, also)
        quick = {"MAKIMA_TEST_HEARTBEAT_THROTTLE": "1", "MAKIMA_TEST_FORGE_PACE": "0.05"}
        own = {"MAKIMA_DAEMON_CONFIG": settings, **quick, **variables}
        argv = self._ours(Program.DAEMON) or (python_of(self._code), *DAEMON[1:])
        return self._start(name, argv, self._at(settings.parent, **own))

    def cleans(self, name: str = "one") -> Ran:
        """`python -m daemon gc` of a daemon that was started before."""
        env = self._at(self.folder / name, MAKIMA_DAEMON_CONFIG=self.folder / name / "daemon.toml")
        return _ran((*DAEMON, "gc"), env)

    def starter(self, *args: str, data: Path | None = None, **variables: str | Path) -> Ran:
        """A command of starter.py, run to its end; on these servers, unless another data folder is given."""
        args = self._waiting(args)
        env = environment(MAKIMA_DATA_DIR=data or self.servers.data, MAKIMA_OWNER=self.owner, **variables)
        if self._code != ROOT:
            return _ran((*self._starter, *args), {**env, "PYTHONPATH": str(self._code)})
        return typed(args, env)

    def status(self, directive: str) -> dict[str, Any]:
        """`status --json`, once it is recorded: `start` does not wait for it, and the worker may be starting still."""

        def asked() -> Ran | None:
            ran = self.starter("status", directive, "--json")
            return None if "has started, but no worker answers yet" in ran.err else ran

        return until(asked, f"the record of {directive}").json()

    def starting(self, name: str, *args: str, **variables: str | Path) -> Running:
        """A command of starter.py that goes on while the test does something else."""
        args = self._waiting(args)
        own: dict[str, str | Path] = {**_path_to(self._code), **variables}
        env = environment(MAKIMA_DATA_DIR=self.servers.data, MAKIMA_OWNER=self.owner, **own)
        return self._start(name, self._ours(Program.STARTER, *args) or (*self._starter, *args), env)

    def _waiting(self, args: tuple[str, ...]) -> tuple[str, ...]:
        """`start` as these tests mean it: the daemon that serves it may still be on its way. A test of what is refused
        says so with CHECKED.
        """
        if args[:1] != ("start",) or self._code != ROOT:
            return args
        return tuple(each for each in args if each != CHECKED) if CHECKED in args else (*args, "--wait-for-daemon")

    def _ours(self, program: Program, *args: str) -> Ours | None:
        """The program, where it is this checkout's."""
        return Ours(program, args) if self._code == ROOT else None

    def _start(self, name: str, argv: tuple[str, ...] | Ours, env: Mapping[str, str]) -> Running:
        running = Running(name, argv, env, self.folder)
        self._running.append(running)
        return running

    def _at(self, data: Path, **variables: str | Path) -> dict[str, str]:
        own: dict[str, str | Path] = {**_path_to(self._code), **temporal_at(self.servers), **variables}
        return environment(MAKIMA_DATA_DIR=data, MAKIMA_OWNER=self.owner, **own)


def typed(args: Sequence[str], env: Mapping[str, str]) -> Ran:
    """A command of starter.py of this checkout, run to its end."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        command = forked.start(Program.STARTER, args, env, Path.cwd(), out, err)
        return Ran(command.wait(300), out.read_text(), err.read_text())


def _ran(argv: Sequence[str], env: Mapping[str, str]) -> Ran:
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=90, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


class MortalSite(Site):
    """One on servers of its own, which a test may kill."""

    servers: Servers


def temporal_at(servers: Stack) -> dict[str, str]:
    """The variables by which a process finds Temporal without their data folder."""
    there = servers.addresses
    return {"TEMPORAL_ADDRESS": there.temporal_address, "TEMPORAL_NAMESPACE": there.temporal_namespace}


async def client_at(servers: Stack) -> Client:
    """A client of the namespace in which their directives are."""
    there = servers.addresses
    namespace = there.temporal_namespace
    return await Client.connect(there.temporal_address, namespace=namespace, data_converter=pydantic_data_converter)
