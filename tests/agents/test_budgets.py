"""Budgets of a directive, of a day and of an account, kept by Claude Code and another kind of agent together, through
the whole system (rules 2.10, 2.11).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.conftest import servers, site  # noqa: F401 (fixtures)
from tests.acceptance.stack import Site, until
from tests.agents.test_fallbacks import claude
from tests.model_server import ModelServer, conversation, shell, turn, write

pytestmark = pytest.mark.timeout(900)
A_TURN = 10_000
"""Tokens: what the model server, and the script, say that each of theirs has used."""
FRONT, BACK = "Paint the front wall", "Paint the back wall"
BUDGET = 30 * A_TURN
IN_FLIGHT = 14 * A_TURN
"""What both use between two reports of each, every 2 s with these timings: 2 turns of the script, 1 of Claude Code's.
As much again until the other one is told, and room for a machine that is slow to tell.
"""
ACCOUNT = "claude/default"


def uses(tokens: int = A_TURN) -> dict[str, int]:
    return {"input": tokens - 100, "cache_write": 0, "cache_read": 0, "output": 100}


def without_end(tokens: int = A_TURN) -> list[dict[str, Any]]:
    """Turn after turn that comes to nothing."""
    return [turn("Looking.", shell(f"sleep 1 && echo {number}"), usage=uses(tokens), after=1) for number in range(300)]


def painted() -> list[dict[str, Any]]:
    return [turn("", write("front.txt", "red\n"), usage=uses()), turn("It is red.", usage=uses())]


def painter(folder: Path) -> str:
    """Lines of a daemon's settings: a script that uses tokens without end, until the test lets it come to its end."""
    script = folder / "painter.sh"
    script.write_text(
        f'n=0\nwhile [ ! -e {folder}/finish ]; do n=$((n + {A_TURN})); echo "$n tokens"; sleep 1; done\n'
        "echo red > back.txt\n"
    )
    argv = json.dumps(["sh", str(script)])
    return f"[agents.painter]\nkind = \"command\"\nargv = {argv}\ntokens = '([0-9]+) tokens'\n"


class House:
    """A site with both agents on one daemon, and a repository."""

    def __init__(self, site: Site, program: str, models: ModelServer) -> None:  # noqa: F811
        self.site = site
        self.models = models
        self.origin = make_origin(site.folder)
        site.worker()
        site.daemon("one", further=claude(program, models.url) + painter(site.folder), also=("claude", "painter"))

    def starts(self, title: str, steps: list[dict[str, Any]], *options: str) -> str:
        """A directive of these steps; its id."""
        plan = self.site.folder / f"{title}.json"
        plan.write_text(json.dumps({"steps": steps}))
        about = ("--title", title, "--goal", "It is red", "--repo", str(self.origin), "--plan", str(plan))
        more = ("--on", "any", "--timings", "fast", *options)
        shown = self.site.starter("start", *about, *more, "--json")
        assert shown.code == 0, shown.err
        return str(shown.json()["id"])

    def status(self, directive: str) -> dict[str, Any]:
        return self.site.status(directive)

    def is_idle(self, directive: str) -> bool:
        return bool(self.status(directive)["status"] == "idle")

    def may_finish(self) -> None:
        """From now on each of them paints its wall, and ends."""
        self.models.plays(conversation(FRONT, painted()))
        (self.site.folder / "finish").touch()

    def red(self, directive: str, name: str) -> bool:
        return git(self.origin, "show", f"{self.status(directive)['pr']['branch']}:{name}") == "red"

    def budget(self, account: str = "") -> dict[str, Any]:
        (found,) = [each for each in self.budgets() if each["account"] == account]
        return found

    def budgets(self, *typed: str) -> list[dict[str, Any]]:
        ran = self.site.starter("budget", *typed, "--json")
        assert ran.code == 0, ran.err
        return list(ran.json()["budgets"])


@pytest.fixture
def house(site: Site, programs: dict[str, str], models: ModelServer) -> House:  # noqa: F811
    models.plays(conversation(FRONT, without_end()))
    return House(site, programs["claude"], models)


@pytest.mark.rule("2.10")
def test_two_kinds_of_agents_end_at_their_directives_budget_and_go_on_with_more(house: House) -> None:
    steps = [
        {"name": "front", "task_plan": FRONT, "agent": "claude"},
        {"name": "back", "task_plan": BACK, "agent": "painter"},
    ]
    allowed = ("--agent", "claude", "--step-agent", "claude", "--step-agent", "painter")
    directive = house.starts("House", steps, "--budget", f"{BUDGET} tokens", *allowed)
    until(lambda: house.status(directive)["status"] == "paused", "the pause")

    def has_come_to_rest() -> bool:
        return not house.status(directive)["running"]

    until(has_come_to_rest, "the end of what ran")
    asked = len(house.models.received)
    shown = house.status(directive)
    assert BUDGET <= shown["usage"]["tokens"] <= BUDGET + IN_FLIGHT, shown["usage"]
    assert all(step["status"] != "completed" for step in shown["steps"])
    assert "budget" in shown["reason"]
    by_agent = {name: used for step in shown["steps"] for name, used in step["by_agent"].items()}
    assert min(by_agent[name]["tokens"] for name in ("claude", "painter")) >= A_TURN, "both had a part in it"
    house.may_finish()
    assert len(house.models.received) in (0, asked), "nothing is asked any more"
    edited = house.site.starter("edit", directive, "--budget", "10M tokens")
    assert edited.code == 0, edited.err
    until(lambda: house.is_idle(directive), "the end")
    assert house.red(directive, "front.txt") and house.red(directive, "back.txt")


@pytest.mark.rule("2.11")
def test_two_kinds_of_agents_of_two_directives_end_with_the_day_and_go_on_with_more(house: House) -> None:
    house.budgets(f"{BUDGET} tokens")
    front = house.starts("Front", [{"name": "front", "task_plan": FRONT}], "--agent", "claude")
    back = house.starts("Back", [{"name": "back", "task_plan": BACK}], "--agent", "painter")

    def waits(directive: str) -> bool:
        return "today's budget is used up; it goes on at" in house.site.starter("why", directive).out

    until(lambda: waits(front) and waits(back), "both to wait for the next day")
    used = house.budget()["used"]["tokens"]
    assert BUDGET <= used <= BUDGET + IN_FLIGHT, used
    tokens = [house.status(directive)["usage"]["tokens"] for directive in (front, back)]
    assert sum(tokens) == used and min(tokens) >= A_TURN, "each once, and both had a part in it"
    late = house.starts("Late", [{"name": "late", "task_plan": BACK}], "--agent", "painter")
    until(lambda: waits(late), "the third to wait")
    assert house.status(late)["usage"]["tokens"] == 0, "nothing new has begun"
    history = "".join(house.site.starter("history", directive).out for directive in (front, back, late))
    assert history.count("budget nearly used") == 1
    house.may_finish()
    assert house.budget()["used"]["tokens"] == used
    house.budgets("10M tokens", "--today")
    until(lambda: all(map(house.is_idle, (front, back, late))), "all to end by themselves")
    assert house.red(front, "front.txt") and house.red(back, "back.txt")


@pytest.mark.rule("2.11")
def test_where_an_accounts_day_is_over_another_kind_of_agent_goes_on(house: House) -> None:
    large = 100_000
    house.models.plays(conversation(FRONT, without_end(large)))
    house.budgets("1usd", "--account", ACCOUNT)
    (house.site.folder / "finish").touch()
    by = ("--agents", "claude,painter", "--fallback-after", "0")
    directive = house.starts("House", [{"name": "front", "task_plan": FRONT}], *by)
    until(lambda: house.is_idle(directive), "the other agent's end")
    (step,) = house.status(directive)["steps"]
    assert (step["status"], step["agent"]) == ("completed", "painter")
    cost = step["by_agent"]["claude"]["cost_usd"]
    a_turn = cost / (step["by_agent"]["claude"]["tokens"] / large)
    assert 1 <= cost <= 1 + 2 * a_turn, (cost, a_turn)
    kept = house.budget(ACCOUNT)
    assert kept["used"]["cost_usd"] == pytest.approx(cost)
    assert f"today's budget of account {ACCOUNT} is used up" in house.site.starter("history", directive).out
    assert house.red(directive, "back.txt")
