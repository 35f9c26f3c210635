"""Who serves what a directive needs before it is started, and who could."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Refused
from domain.models import State
from domain.reports import DaemonSeen
from domain.start_checks import serving, unserved
from steering.new_directive import StartOptions, new_directive
from tests.values import NOON

URL = "https://example.invalid/shop.git"


def draft(**given: Any) -> State:
    return new_directive(StartOptions(**{"title": "T", "goal": "G", "repo": URL, "planner": "claude", **given}), "me")


def daemon(name: str, *agents: str, silent: float = 1, labels: tuple[str, ...] = (), capacity: int = 4) -> DaemonSeen:
    return DaemonSeen(
        name=name,
        version="1",
        agents=agents,
        labels=labels,
        capacity=capacity,
        running=(),
        sandbox="bubblewrap",
        reported_at=datetime.fromtimestamp(0, NOON.tzinfo),
        silent_for=timedelta(seconds=silent),
    )


@pytest.mark.rule("2.12")
@pytest.mark.parametrize(
    ("given", "daemons", "said"),
    [
        ({}, [daemon("one", "claude")], ""),
        ({"planner": "codex,claude"}, [daemon("one", "claude")], ""),
        ({"agent": "shell"}, [daemon("one", "claude"), daemon("two", "shell")], ""),
        ({}, [], "--planner: no daemon that lives serves 'claude'; start one: `starter.py up`"),
        ({}, [daemon("one", "shell")], "one serves shell: name it in `serves`"),
        ({}, [daemon("one", "claude", silent=7200)], "one (gone, last heard 2 h 0 min ago) could: start it again"),
        ({"fixer": "codex"}, [daemon("one", "claude")], "--fixer: no daemon that lives serves 'codex'"),
        ({"resolver": "codex"}, [daemon("one", "claude")], "--resolver: no daemon that lives serves 'codex'"),
        ({"step_agent": ["claude", "cheap:small"]}, [daemon("one", "claude")], "--step-agent: no daemon"),
        ({"on": "two"}, [daemon("one", "claude")], "'claude' on daemon 'two'; one could: choose it by --on"),
        ({"label": "gpu"}, [daemon("one", "claude"), daemon("two", "shell", labels=("gpu",))], "two serves shell"),
        ({"label": "gpu"}, [daemon("one", "claude", labels=("gpu",))], ""),
        ({"planner": "codex,claude"}, [daemon("one", "shell")], "serves 'codex' or 'claude'"),
    ],
)
def test_what_no_living_daemon_serves_is_named_with_who_could(
    given: dict[str, Any], daemons: list[DaemonSeen], said: str
) -> None:
    told = unserved(draft(**given), daemons)
    assert (told == "") is (said == "")
    assert said in told
    assert "\n" not in told and (not told or told.endswith("add --wait-for-daemon"))


@pytest.mark.rule("2.12")
def test_a_steps_own_label_and_agent_are_needed_too(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('[{"name": "a", "task_plan": "x", "label": "gpu"}, {"name": "b", "task_plan": "y"}]')
    state = draft(plan=plan, planner=None, agent="claude")
    assert "step 'a': no daemon that lives serves 'claude' with label 'gpu'" in unserved(state, [daemon("o", "claude")])
    assert unserved(state, [daemon("o", "claude"), daemon("p", "claude", labels=("gpu",))]) == ""


@pytest.mark.rule("2.12")
def test_the_freest_daemon_that_serves_it_is_asked_first() -> None:
    daemons = [daemon("one", "claude"), daemon("two", "claude", capacity=9), daemon("three", "shell", capacity=20)]
    assert [each.name for each in serving(draft(), [*daemons, daemon("gone", "claude", silent=100)])] == ["two", "one"]


@pytest.mark.rule("2.12")
def test_the_shell_alone_makes_no_plan() -> None:
    with pytest.raises(Refused, match="the shell agent makes no plans"):
        draft(planner=None, agents="shell")
