"""What runs for a task beside its agent: below keepers that are forked, as thorough as those that are started."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from daemon.process import keeper
from daemon.process.run import Finished, run
from daemon.process.task_keeper import TaskKeeper
from domain.errors import ProcessTimedOut
from tests.descriptors import open_descriptors
from tests.integration.test_keeper import ROOT, every_hard_one, guarded, token, wait_until_it_runs
from tests.processes import with_word

__all__ = ["token"]

ENVIRON = {"PATH": os.environ["PATH"], "GREETING": "hello = you"}


class Kept:
    def __init__(self, task_keeper: TaskKeeper, folder: Path) -> None:
        self.keeper = task_keeper
        self.folder = folder

    async def __call__(
        self,
        script: str,
        *words: str,
        stdin: bytes = b"",
        timeout: float = 60,
        env: Mapping[str, str] = ENVIRON,
    ) -> Finished:
        argv = ("sh", "-c", script, "sh", *words)
        start = self.keeper.started
        return await run(argv, cwd=self.folder, env=env, stdin=stdin, timeout=timeout, start=start)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """It leaves neither a process nor a descriptor behind."""
    before = open_descriptors()
    with closing(TaskKeeper(str(tmp_path / "task"), 0.1, start_within=5)) as task_keeper:
        yield Kept(task_keeper, tmp_path)
    assert not open_descriptors() - before
    assert forkers() == []


def forkers() -> list[psutil.Process]:
    """The process that forks keepers, of this test run."""
    return with_word(psutil.Process().children(), "--serve")


def running(token: str) -> list[int]:
    return [each.pid for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", token]]


async def until_it_runs(token: str, at: Path) -> None:
    await asyncio.to_thread(wait_until_it_runs, token, at)


@pytest.mark.rule("6.10")
@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137)])
async def test_a_command_ends_with_its_exit_code(kept: Kept, script: str, code: int) -> None:
    assert (await kept(script)).exit_code == code


async def test_it_has_its_streams_its_folder_and_exactly_its_environment(kept: Kept) -> None:
    done = await kept(
        "cat; pwd; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort; echo oops >&2", stdin=b"in\n"
    )
    variables = sorted(f"{name}={value}" for name, value in ENVIRON.items())
    assert (done.exit_code, done.stderr) == (0, "oops\n")
    assert done.text.splitlines() == ["in", str(kept.folder), *variables]


async def test_it_gets_words_that_are_long_many_and_not_utf_8(kept: Kept) -> None:
    words = [os.fsdecode(b"\xff\n"), "", "x" * 100_000, *map(str, range(5_000))]
    done = await kept('printf "%s|" "$@"', *words)
    assert done.text == "".join(f"{word}|" for word in words)


async def test_it_has_no_descriptor_but_its_streams_and_its_signals_are_as_usual(kept: Kept) -> None:
    assert (await kept("ls /proc/self/fd")).text.split() == ["0", "1", "2", "3"]  # the last one is that of `ls`
    state = (await kept("exec cat /proc/self/status")).text
    masks = [int(line.split()[1], 16) for line in state.splitlines() if line.startswith(("SigBlk", "SigIgn"))]
    assert [mask & 0x7FFFFFFF for mask in masks] == [0, 0]


async def test_a_program_or_a_folder_that_is_not_there_is_said(kept: Kept, tmp_path: Path) -> None:
    done = await run(("no-such-program",), cwd=tmp_path, env=ENVIRON, timeout=60, start=kept.keeper.started)
    assert (done.exit_code, done.stderr) == (127, "no-such-program: No such file or directory\n")
    with pytest.raises(FileNotFoundError):
        await run(("true",), cwd=tmp_path / "gone", env=ENVIRON, timeout=60, start=kept.keeper.started)


async def test_many_run_beside_each_other_below_one_process(kept: Kept) -> None:
    done = await asyncio.gather(*(kept(f"sleep 0.2; echo {number}; exit {number}") for number in range(20)))
    assert [(each.exit_code, each.text) for each in done] == [(number, str(number)) for number in range(20)]
    assert len(forkers()) == 1


@pytest.mark.rule("6.10")
@every_hard_one
async def test_what_a_command_leaves_behind_is_ended_before_it_is_over(
    kept: Kept, script: str, token: str, tmp_path: Path
) -> None:
    whole = f"{script}\nuntil [ -e $1.end ]; do sleep 0.01; done; exit 5"
    over = asyncio.create_task(kept(whole, token))
    await until_it_runs(token, tmp_path)
    (tmp_path / f"{token}.end").touch()
    assert (await over).exit_code == 5
    assert running(token) == []


@pytest.mark.rule("6.10")
@every_hard_one
async def test_the_time_limit_ends_the_whole_tree(kept: Kept, script: str, token: str) -> None:
    with pytest.raises(ProcessTimedOut):
        await kept(f"{script}\nsleep 1000", token, timeout=1)
    assert running(token) == []


@pytest.mark.rule("6.10")
async def test_a_cancelled_caller_comes_back_when_the_tree_is_gone(kept: Kept, token: str, tmp_path: Path) -> None:
    over = asyncio.create_task(kept('trap "" INT; setsid sleep $1 & sleep 1000', token))
    await until_it_runs(token, tmp_path)
    over.cancel()
    with pytest.raises(asyncio.CancelledError):
        await over
    assert running(token) == []


async def test_what_is_cancelled_before_its_keeper_is_there_never_starts(kept: Kept) -> None:
    sleep = f"sleep {10**7 + os.getpid()}"  # nobody else's on this machine
    for turns in range(40):
        over = asyncio.create_task(kept(f"touch ran-{turns}; {sleep}"))
        for _ in range(turns // 10):
            await asyncio.sleep(0)
        over.cancel()
        with pytest.raises(asyncio.CancelledError):
            await over
    await kept("true")
    assert (await kept(f"ps -A -o args= | grep -c '[s]{sleep[1:]}' || true")).text == "0"


@pytest.mark.rule("6.10")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
async def test_an_agent_that_ends_or_stops_the_process_that_forks_stops_no_later_command(
    kept: Kept, number: signal.Signals
) -> None:
    assert (await kept("echo first")).text == "first"
    (forker,) = forkers()
    os.kill(forker.pid, number)
    assert (await kept("echo second")).text == "second"
    assert [each.pid for each in forkers()] != [forker.pid]


@pytest.mark.rule("6.10")
async def test_the_end_of_the_process_that_forks_ends_the_trees_politely(
    kept: Kept, token: str, tmp_path: Path
) -> None:
    over = asyncio.create_task(kept('trap "echo saved; exit 4" INT; sleep $1 & wait', token))
    await until_it_runs(token, tmp_path)
    (forker,) = forkers()
    forker.kill()
    done = await over
    assert (done.exit_code, done.text) == (4, "saved")
    assert running(token) == []


async def test_a_command_whose_keeper_is_killed_ends_as_killed(kept: Kept) -> None:
    assert (await kept("kill -KILL $PPID; exec sleep 0.1")).exit_code == -signal.SIGKILL


async def test_both_carry_the_tasks_mark_by_which_they_are_found(kept: Kept) -> None:
    (await kept("true"))
    (forker,) = forkers()
    found = (await kept("tr '\\0' '\\n' < /proc/$PPID/environ; tr '\\0' ' ' < /proc/$PPID/cmdline")).text
    assert f"{keeper.MARK}={kept.folder / 'task'}" in found
    assert keeper.__file__ in found
    assert forker.environ() == {keeper.MARK: str(kept.folder / "task")}


@pytest.mark.rule("6.10")
@every_hard_one
def test_the_death_of_the_daemon_ends_the_whole_tree(script: str, token: str, tmp_path: Path) -> None:
    daemon = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from daemon.process.run import run
from daemon.process.task_keeper import TaskKeeper
start = TaskKeeper("/task", 0.1).started
argv = ("sh", "-c", {script + chr(10) + "sleep 1000"!r}, "sh", {token!r})
asyncio.run(run(argv, cwd=Path("."), env={ENVIRON!r}, timeout=100, start=start))
"""
    with guarded(sys.executable, "-c", daemon, at=tmp_path) as guard:
        wait_until_it_runs(token, tmp_path)
        (killed,) = with_word(psutil.Process(guard.pid).children(), "-c")
        os.kill(killed.pid, signal.SIGKILL)
        assert guard.wait() == 256 - signal.SIGKILL


def test_it_costs_little(tmp_path: Path) -> None:
    """Printed, not asserted: the machine is shared."""

    async def twenty() -> float:
        with closing(TaskKeeper("/task", 0.1)) as task_keeper:
            kept = Kept(task_keeper, tmp_path)
            await kept("true")
            begun = time.monotonic()
            for _ in range(20):
                await kept("true")
            return (time.monotonic() - begun) / 20

    print(f"a kept `true` takes {asyncio.run(twenty()) * 1000:.1f} ms")  # noqa: T201
