"""Claude Code hears, while both run, that a step of another kind of agent has changed the same, and makes way; through
the whole system (rule 6.14).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.conftest import servers, site  # noqa: F401 (fixtures)
from tests.acceptance.stack import Site, until
from tests.agents.test_fallbacks import claude
from tests.model_server import ModelServer, conversation, shell, turn, write

HALL = "Build the hall"


@pytest.mark.timeout(900)
@pytest.mark.rule("6.14")
def test_claude_code_makes_way_for_a_script_that_changes_the_same_while_both_run(
    site: Site,  # noqa: F811
    programs: dict[str, str],
    models: ModelServer,
) -> None:
    gate, end = site.folder / "gate", site.folder / "end"
    builds = [turn("", write("rooms.txt", "hall\n")), turn("", shell(f"until test -e {gate}; do sleep 0.1; done"))]
    makes_way = [turn("", shell("rm rooms.txt && echo hall > hall.txt")), turn("The hall has a file of its own.")]
    models.plays(conversation(HALL, [*builds, turn("The hall stands."), *makes_way]))
    attic = site.folder / "attic.sh"
    attic.write_text(f"echo attic > rooms.txt\nuntil test -e {end}; do sleep 0.1; done\n")
    origin, plan = make_origin(site.folder), site.folder / "plan.json"
    steps = [
        {"name": "Attic", "task_plan": "Build the attic", "agent": "builder"},
        {"name": "Hall", "task_plan": HALL, "agent": "claude"},
    ]
    plan.write_text(json.dumps({"steps": steps}))
    site.worker()
    builder = f'[agents.builder]\nkind = "command"\nargv = {json.dumps(["sh", str(attic)])}\n'
    site.daemon("one", further=builder, also=("builder",))
    about = ("--title", "House", "--goal", "It stands", "--repo", str(origin), "--plan", str(plan), "--on", "any")
    by = ("--agent", "claude", "--step-agent", "claude", "--step-agent", "builder", "--timings", "fast", "--json")
    directive = site.starter("start", *about, *by).json()["id"]

    def status() -> dict[str, Any]:
        return site.status(directive)

    def running() -> list[str]:
        return [step["name"] for step in status()["steps"] if step["status"] == "running"]

    def clashes() -> list[dict[str, Any]]:
        return [clash for each in status()["running"] for clash in each["clashes"]]

    until(lambda: running() == ["Attic"], "the first step")
    site.daemon("two", further=claude(programs["claude"], models.url), also=("claude",))
    until(lambda: bool(clashes()), "the clash")
    assert [(each["name"], each["paths"]) for each in clashes()] == [("Attic", ["rooms.txt"])]
    gate.touch()
    until(lambda: "Hall" not in running(), "Claude Code's end")
    assert running() == ["Attic"], "it was told before both were done"
    assert not clashes()
    end.touch()
    until(lambda: bool(status()["status"] == "idle"), "the end")
    shown = status()
    assert {(step["name"], step["status"], step["attempt"]) for step in shown["steps"]} == {
        ("Attic", "completed", 1),
        ("Hall", "completed", 1),
    }
    told = {said for each in models.received for said in each.asked.said if "rooms.txt" in said and "Attic" in said}
    assert told, "Claude Code was told of it"
    for name, text in (("rooms.txt", "attic"), ("hall.txt", "hall")):
        assert git(origin, "show", f"{shown['pr']['branch']}:{name}") == text
