"""`python -m demo`, as `make demo` calls it."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from demo.planner import plan
from tests.acceptance.stack import STARTER, Running, environment, processes_of, until

NO_NAMESPACES = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
DEMO = (sys.executable, "-m", "demo")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For the demos' own folders; no process of theirs outlives the test, whatever comes of it."""
    yield tmp_path
    for left in processes_of(tmp_path):
        os.kill(left, signal.SIGKILL)


def demo(folder: Path, name: str, *options: str, **variables: str | Path) -> Running:
    """A demo whose folder is made inside `folder`."""
    return Running(name, (*DEMO, *options), environment(TMPDIR=folder, COLUMNS="200", **variables), folder)


def no_sandbox(folder: Path) -> str:
    """A PATH on which bubblewrap is found, and may not make namespaces."""
    (folder / "bwrap").write_text(NO_NAMESPACES)
    (folder / "bwrap").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_demo_shows_the_whole_way_also_beside_one_that_was_kept(folder: Path) -> None:
    kept = demo(folder, "kept", "--keep").ran()
    assert (kept.code, kept.err) == (0, ""), kept
    pages, data = re.findall(r"(Pull request|Web UI): (\S+)", kept.out), re.search(r"MAKIMA_DATA_DIR=(\S+)", kept.out)
    assert [name for name, _ in pages] == ["Pull request", "Web UI"] and data
    for _, page in pages:
        with urlopen(page) as answer:
            assert answer.status == 200
    running, folders = processes_of(folder), list(folder.glob("makima-demo-*"))

    # On a machine where no sandbox works nobody could look at it, had it not written so down; and it says that it did.
    second = demo(folder, "second", PATH=no_sandbox(folder)).ran()
    assert (second.code, second.err) == (0, ""), second
    said = (
        'no sandbox works here, so the demo writes sandbox = "none": missing: bubblewrap does not work on this machine'
    )
    assert second.out.startswith(said), second.out
    assert '  Sandbox      none (sandbox = "none"): agents see and change all' in second.out
    assert ("so the demo writes" in kept.out) is ("  Sandbox " in kept.out), "nothing is given up where one works"
    for step in plan():
        assert re.search(rf"{step['name']} +│ completed │ makima/greeter-", second.out), second.out
    assert "holds the changes of all 5 steps" in second.out
    assert "pull request #1 is open and can be merged: 5 files changed" in second.out
    assert list(folder.glob("makima-demo-*")) == folders
    assert processes_of(folder) == running

    down = Running("down", (*STARTER, "down"), environment(MAKIMA_DATA_DIR=data[1]), folder).ran()
    assert (down.code, down.err) == (0, "")
    assert processes_of(folder) == set()


@pytest.mark.parametrize("moment", ["data/ports.json", "data/daemon/demo/tasks/*/work"], ids=["starting", "at work"])
def test_ctrl_c_ends_every_process_that_the_demo_started(moment: str, folder: Path) -> None:
    running = demo(folder, "demo")
    until(lambda: next(folder.glob(f"makima-demo-*/{moment}"), None), moment)
    os.killpg(running.popen.pid, signal.SIGINT)  # as a terminal does: to all of its foreground group
    ended = running.ran()
    assert processes_of(folder) == set()
    assert (ended.code, ended.err) == (130, "")
    assert ended.out.splitlines()[-1] == "interrupted: everything is stopped"
