"""A daemon at the end of a day's budget: nothing begins, what runs is handed back saved, and waits (rule 2.11)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.agents.command import CommandAgent
from daemon.git.repositories import Repositories
from daemon.session.budget import day_note
from daemon.session.day_budgets import HeardOf
from daemon.session.host import Host
from daemon.session.live_usage import SILENT, LiveUsage
from daemon.session.parking import account_name, parking_of
from domain.agents import Away
from domain.budget import Budget
from domain.daemon_messages import UsedBeside
from domain.day_budget import DayStanding, used_up
from domain.directive_settings import Limits
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from domain.usage import Usage
from tests.integration.deliveries import OneDaemon, RememberedCore, RememberedDelivery

pytestmark = pytest.mark.rule("2.11")
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
TELLS: dict[str, Any] = {"cost": r"total cost: \$([\d.,]+)", "tokens": r"([\d,]+) tokens"}
PLENTY = Limits(time=timedelta(minutes=5))


@pytest.fixture
def daemon(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path, repositories, origin)


def agent(script: str) -> CommandAgent:
    return CommandAgent.model_validate({"kind": "command", "argv": ("sh", "-ec", script), **TELLS})


def standing(used: float, account: str = "", **bounds: float) -> DayStanding:
    budget = Budget.model_validate(bounds or {"cost_usd": 5})
    return DayStanding(account=account, budget=budget, used=Usage(cost_usd=used), until=MIDNIGHT)


async def does(daemon: OneDaemon, script: str, limits: Limits = PLENTY) -> Outcome:
    daemon.more["agents"] = {"scripted": agent(script)}
    step = {"task": uuid4(), "step_name": "A step", "target_branch": "makima/step"}
    return await daemon.does("", TaskKind.STEP, base_commit=await daemon.base(), limits=limits, **step)


def marks(tmp_path: Path) -> tuple[str, Path]:
    """A script that leaves a mark outside of its worktree when it begins, and the mark."""
    mark = tmp_path / "began"
    return f"touch {mark}; echo work > work", mark


async def test_nothing_begins_that_a_used_up_budget_bounds_and_it_waits_until_midnight(
    daemon: OneDaemon, tmp_path: Path
) -> None:
    script, mark = marks(tmp_path)
    daemon.core.beside = UsedBeside(days=(standing(5),))
    waits = await does(daemon, script)
    assert (waits.status, waits.summary, waits.wait_until) == (OutcomeStatus.WAITING, used_up(""), MIDNIGHT)
    assert waits.away is None, "no other agent may go on either"
    assert not mark.exists()
    daemon.core.beside = UsedBeside(days=(standing(4.5),))
    assert (await does(daemon, script)).status is OutcomeStatus.COMPLETED
    assert mark.exists()
    first = daemon.core.usage[0]
    assert (first.owner, first.account) == ("me", account_name(agent(script)))


async def test_where_an_accounts_is_used_up_another_agent_may_go_on(daemon: OneDaemon) -> None:
    account = account_name(agent("true"))
    daemon.core.beside = UsedBeside(days=(standing(1), standing(6, account)))
    waits = await does(daemon, "true")
    assert (waits.summary, waits.wait_until, waits.away) == (used_up(account), MIDNIGHT, Away.PARKED)


async def test_what_runs_is_handed_back_when_others_have_used_the_rest_of_the_day(daemon: OneDaemon) -> None:
    daemon.core.beside = UsedBeside(days=(standing(4.5),))
    tells = "echo work > work; echo 'total cost: $0.30'; sleep 1; echo 'total cost: $0.60'; sleep 300"
    stopped = await does(daemon, tells)
    assert (stopped.status, stopped.summary) == (OutcomeStatus.WAITING, used_up("")), stopped
    assert stopped.usage.cost_usd <= 0.6
    assert stopped.account == account_name(agent(tells))
    assert stopped.wait_until == MIDNIGHT and stopped.resume


async def test_its_directives_own_budget_ends_it_first_where_that_has_less(daemon: OneDaemon) -> None:
    daemon.core.beside = UsedBeside(days=(standing(0, cost_usd=100),))
    limits = Limits(time=timedelta(minutes=5), budget=Budget(cost_usd=1), whole_budget=Budget(cost_usd=1))
    tells = "echo work > work; echo 'total cost: $1.50'; sleep 300"
    assert (await does(daemon, tells, limits)).summary == "the directive's budget is used up"


async def test_a_known_budget_keeps_work_back_while_the_record_is_away_and_no_other_does(
    daemon: OneDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.session.live_usage.FIRST_WITHIN", 0.2)
    script, mark = marks(tmp_path)
    daemon.core.away = True
    assert (await does(daemon, script)).status is OutcomeStatus.COMPLETED, "it has heard of no budget"
    mark.unlink()
    daemon.core.away, daemon.core.beside = False, UsedBeside(days=(standing(1),))
    assert (await does(daemon, script)).status is OutcomeStatus.COMPLETED
    mark.unlink()
    daemon.core.away = True
    waits = await does(daemon, script)
    assert (waits.status, waits.summary) == (OutcomeStatus.WAITING, SILENT), "also a daemon that was started again"
    assert waits.wait_until and waits.wait_until < MIDNIGHT + timedelta(minutes=10)
    assert not mark.exists()
    daemon.core.away, daemon.core.beside = False, UsedBeside()
    assert (await does(daemon, script)).status is OutcomeStatus.COMPLETED
    daemon.core.away = True
    assert (await does(daemon, script)).status is OutcomeStatus.COMPLETED, "it was taken away"


# What a running attempt knows of the day


def live(tmp_path: Path, core: RememberedCore, used: Usage, daemon: OneDaemon, **more: Any) -> LiveUsage:
    tasks = tmp_path / "tasks"
    host = Host("here", RememberedDelivery(), parking_of("here", tasks), HeardOf(tasks), core)
    command = daemon.command(TaskKind.PLANNING, limits=PLENTY)
    return LiveUsage(host, command, "claude/default", lambda: used, lambda: 0, **more)


async def test_an_attempt_stops_that_has_heard_nothing_of_its_budget_for_too_long(
    daemon: OneDaemon, tmp_path: Path
) -> None:
    core, used = RememberedCore(), Usage(cost_usd=1)
    core.beside = UsedBeside(days=(standing(1),))
    patient, hasty = (live(tmp_path, core, used, daemon, silent_at_most=most) for most in (600, 0))
    assert [await each.ask_before() for each in (patient, hasty)] == ["", SILENT]
    core.away = True
    assert patient.used_up(used) == ""
    core.beside, core.away = UsedBeside(), False
    assert await hasty.ask_before() == "", "nothing bounds it any more"


async def test_an_agent_that_keeps_a_limit_itself_is_given_what_the_day_has_left(
    daemon: OneDaemon, tmp_path: Path
) -> None:
    core = RememberedCore()
    core.beside = UsedBeside(days=(standing(2), standing(4.25, "claude/default"), standing(0, "x/y", tokens=5)))
    mine = live(tmp_path, core, Usage(cost_usd=1), daemon)
    assert mine.money_left() == 0, "nobody has said anything"
    assert await mine.ask_before() == ""
    assert mine.money_left() == 0.75
    mine.stop_at_the_nearest()
    assert mine.stop and mine.stop.reason == used_up("claude/default")


async def test_a_planner_is_told_what_is_left_today_where_that_is_less_than_its_directives(
    daemon: OneDaemon, tmp_path: Path
) -> None:
    core = RememberedCore()
    core.beside = UsedBeside(days=(standing(3), standing(1, "claude/default", cost_usd=500)))
    prompt = await live(tmp_path, core, Usage(), daemon).with_day_note("# Plan")
    assert prompt.startswith("# Plan\n\n## Budget of the day\n") and "until midnight (UTC)" in prompt
    assert prompt.endswith(
        "- today's budget: $3.00 of $5.00 is used\n- today's budget of account claude/default: $1.00 of $500.00 is used"
    ), "a directive without one has more"
    own = PLENTY.model_copy(update={"budget": Budget(cost_usd=2.5)})
    assert day_note("# Plan", own, core.beside.days).count("today's budget") == 1
    less = PLENTY.model_copy(update={"budget": Budget(cost_usd=1)})
    assert day_note("# Plan", less, core.beside.days) == "# Plan"


async def test_what_is_heard_survives_a_restart_and_a_broken_file_is_asked_anew(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    heard = HeardOf(tasks)
    assert heard.is_bounded("claude/a") is None
    heard.hear("claude/a", (standing(1, "claude/a"),))
    again = await asyncio.to_thread(HeardOf, tasks)
    assert [again.is_bounded(each) for each in ("claude/a", "claude/b", "")] == [True, None, False]
    again.hear("claude/b", (standing(1),))
    assert HeardOf(tasks).is_bounded("claude/b") is True
    (tmp_path / "day_budgets.json").write_text("[")
    assert HeardOf(tasks).is_bounded("claude/a") is None
