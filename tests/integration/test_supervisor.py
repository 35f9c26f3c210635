"""How children are kept alive, shown with small Python programs in place of the servers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from stack.data_folder import DataFolder
from stack.processes import Child
from stack.supervisor import EndedEarly, Supervisor
from tests.processes import has_ended


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, told: list[str]) -> AsyncIterator[Supervisor]:
    folder = DataFolder(tmp_path)
    folder.prepare()
    async with folder.locked() as lock:
        supervisor = Supervisor(folder.logs, lock, told.append)
        try:
            yield supervisor
        finally:
            await supervisor.stop()


def python(folder: Path, name: str, program: str) -> Child:
    return Child(name=name, command=(sys.executable, "-c", program), environment={}, folder=folder)


def sleeper(folder: Path, name: str) -> Child:
    """A child that notes its pid at its start and its name at its end."""
    return python(
        folder,
        name,
        f"""
import os, pathlib, signal, sys
def end(*_):
    with open("ended", "a") as file: file.write("{name} ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path("{name}.new").write_text(str(os.getpid()))
os.replace("{name}.new", "{name}.pid")
while True: signal.pause()
""",
    )


async def pid_of(folder: Path, name: str, other_than: int = 0) -> int:
    file = folder / f"{name}.pid"
    await until(lambda: file.exists() and int(file.read_text()) != other_than)
    return int(file.read_text())


async def test_a_child_that_died_is_started_again_with_growing_delays(
    tmp_path: Path, supervisor: Supervisor, told: list[str]
) -> None:
    await supervisor.start(sleeper(tmp_path, "worker"))
    first = await pid_of(tmp_path, "worker")
    os.kill(first, signal.SIGKILL)
    second = await pid_of(tmp_path, "worker", other_than=first)
    os.kill(second, signal.SIGKILL)
    await pid_of(tmp_path, "worker", other_than=second)
    assert told == [
        "makima: worker ended with exit code -9, started again in 1 s",
        "makima: worker ended with exit code -9, started again in 2 s",
    ]


async def test_a_child_that_keeps_dying_is_told_with_the_last_line_of_that_life(
    tmp_path: Path, supervisor: Supervisor, told: list[str]
) -> None:
    program = """
import pathlib, sys
if pathlib.Path("lived").exists(): sys.exit(4)
pathlib.Path("lived").touch()
sys.exit("makima: capacity is no number\\n")
"""
    await supervisor.start(python(tmp_path, "daemon", program))
    await until(lambda: len(told) == 2)
    assert told == [
        "makima: daemon ended with exit code 1 (makima: capacity is no number), started again in 1 s",
        "makima: daemon ended with exit code 4 (it wrote nothing), started again in 2 s",
    ]


async def test_children_are_stopped_in_reverse_order_and_a_stop_during_a_delay_is_at_once(
    tmp_path: Path, supervisor: Supervisor, told: list[str]
) -> None:
    for name in ("first", "second", "third"):
        await supervisor.start(sleeper(tmp_path, name))
        await pid_of(tmp_path, name)
    await supervisor.start(python(tmp_path, "broken", "raise SystemExit(3)"))
    await until(lambda: len(told) == 4)  # the next delay is 8 s
    started = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - started < 8
    assert (tmp_path / "ended").read_text() == "third second first "


async def test_a_child_that_does_not_stop_is_killed_with_what_it_started(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    stubborn = python(
        tmp_path,
        "stubborn",
        """
import os, pathlib, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("child.new").write_text(str(child.pid))
os.replace("child.new", "child.pid")
while True: signal.pause()
""",
    )
    await supervisor.start(replace(stubborn, grace=0.2))
    grandchild = psutil.Process(await pid_of(tmp_path, "child"))
    await supervisor.stop()
    await until(lambda: has_ended(grandchild))


async def test_a_server_that_ends_before_it_answers_is_told_with_its_last_line(
    tmp_path: Path, supervisor: Supervisor, told: list[str]
) -> None:
    async def never(pid: int) -> bool:
        return False

    broken = replace(python(tmp_path, "server", "raise SystemExit('no such table')"), is_ready=never)
    with pytest.raises(
        EndedEarly, match=r"^server ended with exit code 1 before it answered \(no such table\): see .*log$"
    ):
        await supervisor.start(broken)
    assert told == []


def stack_with_a_daemon(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that keeps one `sleeper` alive and never ends by itself."""
    program = f"""
import asyncio, importlib.util, pathlib, sys
from stack.data_folder import DataFolder
from stack.supervisor import Supervisor
spec = importlib.util.spec_from_file_location("these_tests", {__file__!r})
sys.modules[spec.name] = these_tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(these_tests)
async def main():
    folder = DataFolder(pathlib.Path({str(folder)!r}))
    folder.prepare()
    async with folder.locked() as lock:
        await Supervisor(folder.logs, lock, print).start(these_tests.sleeper(folder.path, "daemon"))
        await asyncio.Event().wait()
asyncio.run(main())
"""
    return subprocess.Popen([sys.executable, "-c", program])


async def test_the_death_of_the_stack_is_told_to_every_child(tmp_path: Path) -> None:
    with stack_with_a_daemon(tmp_path) as stack:
        child = psutil.Process(await pid_of(tmp_path, "daemon"))
        stack.kill()
    # By SIGTERM, so that it has time to save its work; nothing else could have sent it.
    assert await DataFolder(tmp_path).wait_until_unlocked(10)
    assert has_ended(child)
    assert (tmp_path / "ended").read_text() == "daemon "


async def test_a_log_that_has_grown_long_is_put_aside_at_the_next_start(tmp_path: Path, supervisor: Supervisor) -> None:
    log = tmp_path / "logs" / "worker.log"
    log.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    await supervisor.start(python(tmp_path, "worker", "print('begun', flush=True); import time; time.sleep(600)"))
    await until(lambda: log.read_text() == "begun\n")
    assert (tmp_path / "logs" / "worker.log.1").stat().st_size > 10 * 1024 * 1024
