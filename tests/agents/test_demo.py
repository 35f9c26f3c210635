"""`python -m demo --agent`, as `make demo-agent` calls it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.planner import plan
from tests.acceptance.stack import Running, environment, processes_of
from tests.agents.conftest import DEMO


@pytest.mark.timeout(300)
def test_claude_code_plans_and_does_the_demos_directive(demo: Callable[[], tuple[Running, Path]]) -> None:
    running, folder = demo()
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


def test_without_the_agent_it_says_what_to_do(tmp_path: Path) -> None:
    ran = Running("demo", DEMO, environment(TMPDIR=tmp_path, PATH="/usr/bin:/bin"), tmp_path).ran()
    assert ran.code == 1
    assert "`make demo-agent` installs it" in " ".join(ran.out.split())
