"""`python -m demo --agent`, as `make demo-agent` calls it."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.planner import plan
from tests.acceptance.stack import Running, environment, processes_of

DEMO = (sys.executable, "-m", "demo", "--agent")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For the demo's own folder; no process of it outlives the test, whatever comes of it."""
    yield tmp_path
    for left in processes_of(tmp_path):
        os.kill(left, signal.SIGKILL)


@pytest.mark.timeout(300)
def test_claude_code_plans_and_does_the_demos_directive(folder: Path, programs: dict[str, str]) -> None:
    path = f"{Path(programs['claude']).parent}{os.pathsep}{os.environ['PATH']}"
    running = Running("demo", DEMO, environment(TMPDIR=folder, COLUMNS="200", PATH=path), folder)
    try:
        running.wait(280)
    finally:
        running.kill()
    ran = running.ran()
    assert (ran.code, ran.err) == (0, ""), ran
    for step in plan():
        assert re.search(rf"{step['name']} +│ completed │ makima/greeter-", ran.out), ran.out
    assert "holds the changes of all 5 steps" in ran.out
    assert "Say goodbye, too" in ran.out
    assert processes_of(folder) == set()


def test_without_the_agent_it_says_what_to_do(folder: Path) -> None:
    ran = Running("demo", DEMO, environment(TMPDIR=folder, PATH="/usr/bin:/bin"), folder).ran()
    assert ran.code == 1
    assert "`make demo-agent` installs it" in " ".join(ran.out.split())
