"""Worker, daemon and commands have secrets of directives in their memory (issue 12): no dump and no other process of
the same user, such as an agent without a sandbox, gets at it.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
OURS = {"worker": ("worker.py",), "daemon": ("-m", "daemon"), "starter": ("starter.py", "poke", "abcd")}
PASSWORD = "the-records-password"


@contextmanager
def alive(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that has read its settings, and now asks a Temporal that never answers."""
    settings = folder / "daemon.toml"
    settings.write_text('name = "one"\nserves = ["shell"]\nsandbox = "none"\n')
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(60)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{mute.getsockname()[1]}",
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "MAKIMA_DATA_DIR": str(folder),
            "MAKIMA_DATABASE_URL": f"postgresql://makima:{PASSWORD}@127.0.0.1:1/makima",
            "MAKIMA_DAEMON_CONFIG": str(settings),
        }
        program = (str(ROOT / arguments[0]), *arguments[1:]) if arguments[0].endswith(".py") else arguments
        with subprocess.Popen([sys.executable, *program], env=env, cwd=folder) as process:
            try:
                with mute.accept()[0]:
                    yield process
            finally:
                process.kill()


def is_dumped(process: subprocess.Popen[bytes]) -> bool:
    """Whether its core is written where it ends as a program does that has a defect."""
    resource.prlimit(process.pid, resource.RLIMIT_CORE, UNLIMITED)
    process.send_signal(signal.SIGQUIT)
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended and ended.si_status == signal.SIGQUIT
    return ended.si_code == os.CLD_DUMPED


@pytest.fixture
def dumping(tmp_path: Path) -> Path:
    """A folder to which this machine writes dumps of processes that let it."""
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as usual:
        try:
            dumped = is_dumped(usual)
        except (ValueError, PermissionError):  # nobody here may raise the limit
            dumped = False
    if not dumped:
        pytest.skip("this machine writes no core dumps: see /proc/sys/kernel/core_pattern and ulimit -H -c")
    return tmp_path


@pytest.mark.parametrize("which", OURS)
def test_no_core_dump_is_written_of_what_has_secrets(dumping: Path, which: str) -> None:
    with alive(dumping, *OURS[which]) as process:
        assert not is_dumped(process)


@pytest.mark.parametrize("which", OURS)
def test_no_other_process_of_the_user_reads_memory_or_environment(tmp_path: Path, which: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads all: test_ordinary_user plays this as somebody else")
    with subprocess.Popen(["sleep", "60"]) as usual:
        # What others start can be read, if not at once: else nothing is shown.
        deadline = time.monotonic() + 60
        while not Path(f"/proc/{usual.pid}/environ").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        usual.kill()
    with alive(tmp_path, *OURS[which]) as process:
        for file in ("environ", "mem", "auxv"):
            with pytest.raises(PermissionError):
                Path(f"/proc/{process.pid}/{file}").open("rb").close()
