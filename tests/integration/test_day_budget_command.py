"""`starter.py budget`, typed against a real Temporal and a real Postgres (rule 2.11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.day_budget import used_up
from domain.models import State
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask
from domain.statuses import StepStatus
from domain.usage import Usage
from tests.fixtures_desk import Desk
from tests.workflows.scripted import planned, until

pytestmark = pytest.mark.rule("2.11")
CLAUDE = "claude/default"


async def of(desk: Desk, account: str = "") -> dict[str, Any]:
    shown = await desk.json("budget")
    (found,) = [each for each in shown["budgets"] if each["account"] == account]
    return dict(found)


async def test_it_is_set_raised_lifted_listed_and_taken_away(desk: Desk) -> None:
    assert await desk.does("budget") == f"{'all agents':<40} no budget, nothing used"
    await desk.does("budget", "20usd, 5M tokens")
    assert (await of(desk))["budget"] == {"cost_usd": 20, "tokens": 5_000_000, "seconds": 0}
    said = await desk.does("budget", "2h", "--account", CLAUDE)
    assert said.splitlines()[1] == f"{CLAUDE:<40} 0 s of 2 h 0 min"
    await desk.does("budget", "30usd", "--today")
    raised = await of(desk)
    assert (raised["budget"]["cost_usd"], raised["today"]["cost_usd"]) == (20, 30)
    assert datetime.fromisoformat(raised["until"]) > datetime.now(UTC)
    assert "$0.00 of $30.00 (today only; every day's is 20usd, 5M tokens)" in await desk.does("budget")
    assert "no budget, nothing used (today only" in await desk.does("budget", "none", "--today")
    shown = await desk.json("budget", "none", "--account", CLAUDE)
    assert [each["account"] for each in shown["budgets"]] == [""]
    assert shown["version"] == 1


@pytest.mark.rule("9.3")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--", "-5usd"), "'-5usd' is no budget: write it as 20usd"),
        (("NaN",), "is no budget"),
        (("nanusd",), "is no budget"),
        (("1e999usd",), "is no budget"),
        (("999999999999usd",), "more than can be counted"),
        (("9999999999999999usd",), "is no budget"),
        (("0usd",), "less than an agent uses"),
        (("",), "say how much it may be"),
        (("5usd, 6usd",), "two bounds of a kind"),
        (("5usd", "--account", "claude"), "is no account: it is an agent's kind and the name of its credential"),
        (("5usd", "--account", "claude/a\nb"), "is no account"),
        (("5usd", "--account", "claude/" + "x" * 300), "is no account"),
        (("--today",), "say how much it may be"),
        (("--account", CLAUDE), "say how much it may be"),
    ],
)
async def test_nonsense_is_one_line_and_changes_nothing(desk: Desk, typed: tuple[str, ...], said: str) -> None:
    error = await desk.refused("budget", *typed)
    assert said in error and error.count("\n") == 1, error
    assert (await desk.json("budget"))["budgets"] == [await of(desk)]
    assert (await of(desk))["budget"] == {"cost_usd": 0, "tokens": 0, "seconds": 0}


async def test_without_a_worker_it_is_not_reachable(idle_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.operator.day_budgets.CHANGED_WITHIN", timedelta(seconds=1))
    printed = await idle_desk.type("budget", "5usd")
    assert printed.code == 3 and "is worker.py running?" in printed.err and printed.err.count("\n") == 1, printed


async def test_what_waits_for_midnight_says_so_and_goes_on_once_it_is_raised(desk: Desk) -> None:
    midnight = datetime.now(UTC) + timedelta(hours=12)

    async def waits(command: SpawnTask) -> Outcome:
        fields = {"summary": used_up(""), "wait_until": midnight, "usage": Usage(cost_usd=6)}
        given = {"task": command.task, "attempt": command.attempt, "status": OutcomeStatus.WAITING, **fields}
        return Outcome.model_validate(given)

    await desk.does("budget", "5usd")
    desk.daemon.plans = [planned(("floor", []))]
    desk.daemon.endings["floor"] = waits
    directive = await desk.start()

    async def is_used_up() -> bool:
        return "used up until" in await desk.does("budget")

    await until(is_used_up)
    state: State = await desk.recorded(directive)
    assert [step.status for step in state.steps.values()] != [StepStatus.COMPLETED]

    async def is_told() -> bool:
        return f"it waits: {used_up('')}; it goes on at" in await desk.does("why", directive, "floor")

    await until(is_told)
    assert used_up("") in await desk.does("status", directive)
    del desk.daemon.endings["floor"]
    await desk.does("budget", "50usd", "--today")
    await desk.until(directive, "idle")
    assert [each.step_name for each in desk.daemon.commands].count("floor") == 2
