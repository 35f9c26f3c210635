"""`python -m demo --agent`, as `make demo-agent` calls it."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from demo.planner import plan
from tests.acceptance.stack import Running, environment, processes_of

DEMO = (sys.executable, "-m", "demo", "--agent")


@pytest.mark.timeout(900)
def test_claude_code_plans_and_does_the_demos_directive(programs: dict[str, str], tmp_path: Path) -> None:
    path = f"{Path(programs['claude']).parent}{os.pathsep}{os.environ['PATH']}"
    running = Running("demo", DEMO, environment(TMPDIR=tmp_path, COLUMNS="200", PATH=path), tmp_path)
    try:
        running.wait(280)
        left = processes_of(tmp_path)
    finally:
        running.kill()
        for pid in processes_of(tmp_path):
            os.kill(pid, signal.SIGKILL)
    ran = running.ran()
    assert (ran.code, ran.err) == (0, ""), ran
    for step in plan():
        assert re.search(rf"{step['name']} +│ completed │ makima/greeter-", ran.out), ran.out
    assert "holds the changes of all 5 steps" in ran.out
    assert "Say goodbye, too" in ran.out
    assert left == set()


def test_without_the_agent_it_says_what_to_do(tmp_path: Path) -> None:
    ran = Running("demo", DEMO, environment(TMPDIR=tmp_path, PATH="/usr/bin:/bin"), tmp_path).ran()
    assert ran.code == 1
    assert "`make demo-agent` installs it" in " ".join(ran.out.split())
