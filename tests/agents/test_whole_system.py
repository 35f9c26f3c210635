"""opencode plans a directive and does its steps, through the whole system (rules 5.6, 6.9)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.conftest import servers, site  # noqa: F401 (fixtures)
from tests.acceptance.stack import Site
from tests.agents.acp_settings import env_of
from tests.agents.test_fallbacks import codex
from tests.model_server import ModelServer, conversation, error, shell, turn

GOAL = "A house whose every wall is red"
STEPS = [
    {"name": "front", "description": "The front.", "taskPlan": "Paint the front wall"},
    {"name": "back", "description": "The back.", "taskPlan": "Paint the back wall", "dependsOn": ["front"]},
]


def opencode(program: str, url: str) -> str:
    """Lines of a daemon's settings. It hides a limit: within its silence even a slow machine answers."""
    env = "".join(f"env.{name} = {json.dumps(value)}\n" for name, value in env_of("opencode", url).items())
    told = f'kind = "acp"\nprofile = "opencode"\nprogram = {json.dumps(program)}\npermissions = "allow"\n'
    return f"[agents.opencode]\n{told}silence_seconds = 40\n{env}"


@pytest.mark.timeout(900)
@pytest.mark.rule("6.9")
def test_an_agent_of_the_protocol_plans_works_and_makes_room_where_its_account_is_used_up(
    site: Site,  # noqa: F811
    programs: dict[str, str],
    acp_programs: dict[str, str],
    models: ModelServer,
    tmp_path: Path,
) -> None:
    plan = tmp_path / "steps.json"
    plan.write_text(json.dumps(STEPS))
    models.plays(
        conversation("Agent opencode had this task before you", [turn("", shell("echo red > back.txt")), turn("Red.")]),
        conversation("Paint the front wall", [turn("", shell("echo red > front.txt")), turn("The front is red.")]),
        conversation("Paint the back wall", [error("rate_limit", times=99)]),
        conversation(
            GOAL, [turn("", shell(f'makima directive batch-add-steps --json "$(cat {plan})"')), turn("Planned.")]
        ),
    )
    site.worker()
    agents = opencode(acp_programs["opencode"], models.url) + codex(programs["codex"], models.url)
    site.daemon("one", further=agents, also=("opencode", "codex"))
    origin = make_origin(site.folder)
    about = ("--title", "A house", "--goal", GOAL, "--repo", str(origin), "--on", "any", "--planner", "opencode")
    by = ("--agents", "opencode,codex", "--fallback-after", "0", "--timings", "fast")
    shown = site.starter("start", *about, *by, "--wait", "--json").json()
    assert shown["status"] == "idle", site.starter("history", shown["id"]).out
    assert [(step["name"], step["status"], step["agent"]) for step in shown["steps"]] == [
        ("front", "completed", "opencode"),
        ("back", "completed", "codex"),
    ]
    for name in ("front.txt", "back.txt"):
        assert git(origin, "show", f"{shown['pr']['branch']}:{name}") == "red"
    status, history, costs, logs = (
        site.starter(command, shown["id"], *more).out
        for command, *more in (("status",), ("history",), ("costs",), ("logs", "front"))
    )
    assert "by codex in place of opencode" in status
    assert "opencode → codex" in history
    assert "at least $" in costs, "opencode tells what it costs, Codex doesn't"
    assert "The front is red." in logs
