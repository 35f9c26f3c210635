"""The keeper ends whatever a command leaves behind, and all of it when it is told to or the daemon dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from daemon.process import keeper

ROOT = Path(keeper.__file__).parents[2]


def kept(*command: str, grace: float = 0.1, parent: int | None = None) -> tuple[str, ...]:
    """`command` under a keeper; without `parent` the one that starts it is right."""
    options = ("--grace", str(grace), *(("--parent", str(parent)) if parent else ()))
    return (sys.executable, "-I", "-S", keeper.__file__, *options, "--", *command)


def run_kept(*command: str, stdin: bytes = b"", parent: int | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(kept(*command, parent=parent), check=False, input=stdin, capture_output=True)


FORK_CHAIN = """
import os, sys
os.mkdir(sys.argv[1])
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
"""
RESPAWNING = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.mkdir(sys.argv[1])
while True:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    os.wait()
    time.sleep(0.005)
"""
# Each starts `sleep $1` in its own way, or makes a folder $1 once it is under way.
HARD_TO_END = {
    "plain": "sleep $1 &",
    "in a session of its own": "setsid sleep $1 &",
    "double-forked": "(setsid sleep $1 & sleep $1 &)",
    "ignoring SIGINT and SIGTERM": '(trap "" INT TERM; setsid sh -c "setsid sleep $1; exit"; exit) &',
    "with a cleared environment": "env -i setsid sleep $1 &",
    "stopped": "sleep $1 & until grep -q sleep /proc/$!/comm; do :; done; kill -STOP $!",
    "forking and exiting in a chain of sessions": f"{sys.executable} -S -c '{FORK_CHAIN}' $1 &",
    "forking while it is killed": f"{sys.executable} -S -c '{RESPAWNING}' $1 &",
}
every_hard_one = pytest.mark.parametrize("script", HARD_TO_END.values(), ids=HARD_TO_END.keys())

# Runs its arguments, and inherits what escapes their keeper: ends with 99 if that is anything, and kills it.
GUARD = f"""
import os, subprocess, sys, time
sys.path.insert(0, {str(Path(keeper.__file__).parents[1])!r})
from daemon.process import keeper
keeper.become_subreaper()
child = subprocess.Popen(sys.argv[1:])
is_left, code = True, 0
deadline = time.monotonic() + 10
while is_left and time.monotonic() < deadline:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        is_left = False
    else:
        code = os.waitstatus_to_exitcode(status) if pid == child.pid else code
        time.sleep(0 if pid else 0.005)
child.kill()
while keeper.kill_strays(""):
    pass
os._exit(99 if is_left else code % 256)
"""


@pytest.fixture
def token() -> str:
    """A number that marks a test's processes in their command lines."""
    return str(uuid4().int)[:12]


def guarded(*command: str, at: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen((sys.executable, "-c", GUARD, *command), cwd=at)


def hard_to_end(script: str, token: str) -> tuple[str, ...]:
    """A kept shell that starts one of the hard ones, and ends itself with 5 once there is a file TOKEN.end."""
    return kept("sh", "-c", f"{script}\nuntil [ -e $1.end ]; do sleep 0.01; done; exit 5", "sh", token)


def wait_until_it_runs(token: str, at: Path) -> None:
    sleeping = ["sleep", token]
    wait_for(
        lambda: (at / token).exists() or any(p.info["cmdline"] == sleeping for p in psutil.process_iter(["cmdline"]))
    )


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def child_of(pid: int) -> int:
    (child,) = psutil.Process(pid).children()
    return child.pid


@pytest.mark.rule("6.10")
@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
)
def test_it_ends_with_the_exit_code_of_its_command(script: str, code: int) -> None:
    assert run_kept("sh", "-c", script).returncode == code


def test_a_command_that_is_not_there_ends_with_127_and_says_so() -> None:
    ended = run_kept("no-such-program")
    assert (ended.returncode, ended.stderr) == (127, b"no-such-program: No such file or directory\n")


def test_the_command_has_the_keepers_streams_and_a_session_of_its_own() -> None:
    script = "cat; ps -o sid= -p $$; ps -o sid= -p $PPID; echo oops >&2"
    ended = run_kept("sh", "-c", script, stdin=b"in\n")
    said, own, keepers = ended.stdout.split()
    assert (said, ended.stderr) == (b"in", b"oops\n")
    assert own != keepers


def test_the_command_finds_all_signals_as_usual_although_the_keeper_blocks_them() -> None:
    state = run_kept("cat", "/proc/self/status").stdout.decode()
    masks = [int(line.split()[1], 16) for line in state.splitlines() if line.startswith(("SigBlk", "SigIgn"))]
    # Without 32 and 33, which belong to the C library.
    assert [mask & 0x7FFFFFFF for mask in masks] == [0, 0]


@pytest.mark.rule("6.10")
@every_hard_one
def test_what_a_command_leaves_behind_is_ended_before_the_keeper_ends(script: str, token: str, tmp_path: Path) -> None:
    with guarded(*hard_to_end(script, token), at=tmp_path) as guard:
        wait_until_it_runs(token, tmp_path)
        (tmp_path / f"{token}.end").touch()
        assert guard.wait() == 5


@pytest.mark.rule("6.10")
@every_hard_one
def test_sigterm_ends_the_whole_tree(script: str, token: str, tmp_path: Path) -> None:
    with guarded(*hard_to_end(script, token), at=tmp_path) as guard:
        wait_until_it_runs(token, tmp_path)
        os.kill(child_of(guard.pid), signal.SIGTERM)
        assert guard.wait() in (128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGKILL)


@pytest.mark.rule("6.10")
@every_hard_one
def test_the_death_of_the_daemon_ends_the_whole_tree(script: str, token: str, tmp_path: Path) -> None:
    daemon = f"import subprocess; subprocess.run({hard_to_end(script, token)!r})"
    with guarded(sys.executable, "-c", daemon, at=tmp_path) as guard:
        wait_until_it_runs(token, tmp_path)
        os.kill(child_of(guard.pid), signal.SIGKILL)
        assert guard.wait() == 256 - signal.SIGKILL


@pytest.mark.rule("6.10")
def test_a_keeper_whose_daemon_is_already_gone_starts_nothing(tmp_path: Path) -> None:
    ended = run_kept("touch", str(tmp_path / "ran"), parent=os.getpid() + 1)
    assert ended.returncode == 128 + signal.SIGTERM
    assert not (tmp_path / "ran").exists()


@pytest.mark.rule("6.10")
def test_a_command_gets_time_to_end_in_its_own_way() -> None:
    script = 'trap "echo saved; exit 4" INT; echo up; while :; do sleep 0.05; done'
    with subprocess.Popen(kept("sh", "-c", script, grace=30), stdout=subprocess.PIPE, text=True) as patient:
        assert patient.stdout and patient.stdout.readline() == "up\n"
        patient.terminate()
        assert patient.stdout.read() == "saved\n"
    assert patient.returncode == 4


def test_it_costs_little() -> None:
    """Printed, not asserted: the machine is shared."""
    begun = time.monotonic()
    for _ in range(5):
        subprocess.run(kept("true"), check=True)
    print(f"a kept `true` takes {(time.monotonic() - begun) / 5 * 1000:.0f} ms")  # noqa: T201


def test_who_inherits_nobody_ends_no_child_in_a_session_of_its_own() -> None:
    """The test run is no subreaper, and has its servers in sessions of their own."""
    server = subprocess.Popen(("sleep", "100"), start_new_session=True)
    try:
        assert keeper.kill_strays("/nowhere") == 0
        assert server.poll() is None
    finally:
        server.kill()
        server.wait()
