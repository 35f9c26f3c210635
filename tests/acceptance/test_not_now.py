"""An agent whose account has nothing left at this moment is waited for, through the whole system (rule 5.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.stack import Site, until

pytestmark = pytest.mark.rule("5.6")


def agent(name: str, script: str, signs: str) -> str:
    """Lines of a daemon's settings."""
    return f'[agents.{name}]\nkind = "command"\nargv = {json.dumps(["sh", "-euc", script])}\n{signs}\n'


def test_not_now_uses_no_attempt_loses_nothing_and_keeps_the_accounts_other_tasks_from_beginning(site: Site) -> None:
    runs = site.folder / "runs"
    limited = (
        f"echo limited >> {runs}; test -e half.txt && touch whole.txt && exit 0\n"
        "touch half.txt; echo 'usage limit reached, try again in 2s'; exit 1"
    )
    crowded = f"echo crowded >> {runs}; echo 'The model is at capacity.'; exit 76"
    further = agent("limited", limited, 'limit = { patterns = ["usage limit reached"] }')
    further += agent("crowded", crowded, "capacity = { exit_codes = [76] }")
    site.worker()
    site.daemon(further=f"capacity = 4\n{further}", also=["limited", "crowded"])
    origin = make_origin(site.folder)
    plan = site.folder / "plan.json"
    plan.write_text(json.dumps({"steps": [{"name": "Half", "taskPlan": "x"}]}))

    def start(title: str, agent: str) -> str:
        given = ("--goal", "g", "--repo", str(origin), "--plan", str(plan), "--agent", agent, "--on", "one", "--once")
        return str(site.starter("start", "--title", title, *given, "--timings", "fast", "--json").json()["id"])

    def shown(directive: str) -> dict[str, Any]:
        return site.status(directive)

    short, long = start("Short", "limited"), start("Long", "crowded")
    until(lambda: shown(short)["status"] == "completed", "the end of the short wait")
    [step] = shown(short)["steps"]
    assert (step["status"], step["attempt"]) == ("completed", 1)
    assert git(origin, "show", "--format=", "--name-only", step["branch"]).split() == ["half.txt", "whole.txt"]
    assert runs.read_text().split().count("limited") == 2

    until(lambda: "no capacity" in site.starter("daemons").out, "the account that is parked")
    other = start("Other", "crowded")
    until(lambda: "no capacity" in str(shown(other)["steps"]), "the reason why the other one does not begin")
    for directive in (long, other):
        assert [each["attempt"] for each in shown(directive)["steps"]] == [1]
        assert shown(directive)["status"] == "active"
        [timer] = shown(directive)["timers"]
        assert timer["at"] and "Half" in timer["what"] and "capacity" in timer["why"], timer
    assert f"  next        {timer['at'][:10]} " in site.starter("status", other).out
    assert runs.read_text().split().count("crowded") == 1
    assert "task waits: Half" in site.starter("history", long).out
