"""What a program without a stream of its own says of its account, by the signs that its settings name (rule 5.6)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.agents.command import CommandAgent
from daemon.git.repositories import Repositories
from daemon.settings import load_daemon_settings
from domain.budget import USED_UP, Budget
from domain.daemon_messages import UsedBeside
from domain.directive_settings import Limits
from domain.errors import CannotServe, SettingsError
from domain.failures import FailureCategory
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from domain.usage import Rate, Usage
from tests.integration.deliveries import OneDaemon, RememberedDelivery

pytestmark = pytest.mark.rule("5.6")
SIGNS: dict[str, Any] = {
    "success": {"exit_codes": [0, 3]},
    "limit": {"patterns": ["usage limit reached"], "exit_codes": [75]},
    "auth": {"patterns": ["please log in"]},
    "capacity": {"patterns": ["at capacity|overloaded"], "exit_codes": [76]},
}


@pytest.fixture
def daemon(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path, repositories, origin)


async def does(daemon: OneDaemon, script: str, limits: Limits | None = None, **signs: Any) -> Outcome:
    agent = CommandAgent.model_validate({"kind": "command", "argv": ("sh", "-ec", script), **SIGNS, **signs})
    daemon.more["agents"] = {"scripted": agent}
    step = {"task": uuid4(), "step_name": "A step", "target_branch": "makima/step"}
    more = {"limits": limits} if limits else {}
    return await daemon.does("", TaskKind.STEP, base_commit=await daemon.base(), **step, **more)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'Usage limit reached'; exit 1", "limit is reached"),
        ("echo 'usage limit reached, resets 9pm'", "limit is reached"),
        ("exit 75", "limit is reached"),
        ("echo 'The model is at capacity.' >&2; exit 1", "no capacity"),
        ("exit 76", "no capacity"),
    ],
)
async def test_not_now_is_waited_for_and_no_other_task_of_the_account_begins(
    daemon: OneDaemon, script: str, reason: str
) -> None:
    done = await does(daemon, f"echo work > work; {script}")
    assert done.status is OutcomeStatus.WAITING and done.wait_until, done.failure
    assert not done.questions
    (parked,) = daemon.runner.parking.now_parked()
    assert reason in parked
    with pytest.raises(CannotServe, match=reason):
        await does(daemon, f"echo work > work; {script}")


async def test_the_pauses_grow_while_it_lasts(daemon: OneDaemon) -> None:
    waits = []
    for _ in range(3):
        done = await does(daemon, "exit 76")
        assert done.wait_until
        waits.append((done.wait_until - daemon.runner.parking.now()).total_seconds())
        known = daemon.runner.parking._known()
        daemon.runner.parking._keep(
            {each: parked.model_copy(update={"until": parked.since}) for each, parked in known.items()}
        )
    assert [round(wait / 60) for wait in waits] == [5, 10, 20]


async def test_a_login_that_is_refused_is_one_question(daemon: OneDaemon) -> None:
    done = await does(daemon, "echo 'please log in'; exit 1")
    assert done.status is OutcomeStatus.WAITING
    assert "repair that on the daemon's machine" in done.questions[0].text


TELLS: dict[str, Any] = {"cost": r"total cost: \$([\d.,]+)", "tokens": r"([\d,]+) tokens"}


@pytest.mark.rule("5.7")
async def test_what_it_costs_is_what_it_says_and_else_unknown(daemon: OneDaemon) -> None:
    works = "echo work > work"
    silent = await does(daemon, works)
    assert (silent.usage.cost_usd, silent.usage.cost_unknown) == (0, True)
    told = await does(daemon, f"{works}; echo '900 tokens, total cost: $0.10'; echo 'Total cost: $1,000.25'", **TELLS)
    assert (told.usage.cost_usd, told.usage.tokens, told.usage.cost_unknown) == (1000.25, 900, False)
    counted = await does(daemon, f"{works}; echo '900 tokens'", **TELLS)
    assert (counted.usage.cost_usd, counted.usage.tokens, counted.usage.cost_unknown) == (0, 900, True)


@pytest.mark.rule("5.7")
async def test_a_limit_of_cost_is_kept_by_what_it_says_and_else_said_to_be_none(daemon: OneDaemon) -> None:
    limits = Limits(time=timedelta(minutes=5), cost_usd=1, turns=3)
    script = "echo work > work; echo 'total cost: $1.50'; sleep 300"
    ended = await does(daemon, script, limits=limits, **TELLS)
    assert ended.failure and ended.failure.category is FailureCategory.BUDGET, ended
    assert "it has cost 1.50 of 1.00 USD" in ended.failure.report
    assert ended.work, "what it had done is saved"
    (warning,) = (await does(daemon, "echo work > work", limits=limits)).warnings
    assert "--max-cost is not kept" in warning and "--max-turns is not kept" in warning


@pytest.mark.rule("2.10")
async def test_an_agent_that_tells_no_cost_is_handed_back_in_the_middle_by_an_estimate(daemon: OneDaemon) -> None:
    by_time = Limits(
        time=timedelta(minutes=5), budget=Budget(cost_usd=0.05), rate=Rate(token_usd=1e-5, second_usd=0.05)
    )
    handed_back = await does(daemon, "echo work > work; sleep 300", limits=by_time)
    assert (handed_back.status, handed_back.summary) == (OutcomeStatus.WAITING, USED_UP), handed_back
    assert handed_back.usage.cost_unknown
    assert by_time.rate.guessed(handed_back.usage) >= 0.05
    by_tokens = by_time.model_copy(update={"rate": Rate(token_usd=1e-3, second_usd=0)})
    counted = await does(daemon, "echo work > work; echo '60 tokens'; sleep 300", limits=by_tokens, **TELLS)
    assert (counted.status, counted.usage.untold_tokens) == (OutcomeStatus.WAITING, 60), counted


@pytest.mark.rule("2.10")
async def test_what_others_use_meanwhile_ends_an_attempt_at_the_end_of_what_they_share(daemon: OneDaemon) -> None:
    shared = Limits(time=timedelta(minutes=5), budget=Budget(cost_usd=4), whole_budget=Budget(cost_usd=5))
    daemon.core.beside = UsedBeside(cost_usd=4.5)
    tells = "echo work > work; echo '70 tokens, total cost: $0.60'; sleep 300"
    stopped = await does(daemon, tells, limits=shared, **TELLS)
    assert (stopped.status, stopped.summary) == (OutcomeStatus.WAITING, USED_UP), stopped
    last = daemon.core.usage[-1]
    assert (last.usage.cost_usd, last.usage.tokens, last.estimated_usd) == (0.6, 70, 0)


@pytest.mark.rule("2.10")
async def test_what_a_run_uses_is_told_to_the_record_and_waits_for_nobody(daemon: OneDaemon) -> None:
    daemon.core.away = True
    rate = Rate(token_usd=0, second_usd=3600)
    done = await does(daemon, "echo work > work", Limits(time=timedelta(minutes=5), rate=rate))
    assert done.status is OutcomeStatus.COMPLETED, "the work goes on without"
    assert daemon.core.usage[-1].estimated_usd > 0


@pytest.mark.rule("2.10")
async def test_what_the_attempt_used_on_another_machine_counts_on_this_one(daemon: OneDaemon) -> None:
    limits = Limits(time=timedelta(minutes=5), budget=Budget(cost_usd=5))
    agents = {"scripted": CommandAgent.model_validate({"kind": "command", "argv": ("sh", "-ec", "exit 3"), **TELLS})}
    daemon.more = {"agents": agents}
    daemon.starts_with("")
    delivery = RememberedDelivery()
    delivery.used_before = Usage(cost_usd=5, tokens=70, seconds=30)
    outcome = await daemon.runner.spawn(daemon.command(TaskKind.PLANNING, limits=limits), delivery)
    assert (outcome.status, outcome.summary) == (OutcomeStatus.WAITING, USED_UP), (
        "nothing is begun with what is used up"
    )
    assert outcome.usage.cost_usd == 5
    assert {beat.usage.cost_usd for beat in delivery.beats} == {5}, "the next one is told the same"


@pytest.mark.parametrize(
    ("script", "signs", "category"),
    [
        ("echo work > work; exit 3", {}, None),
        ("echo work > work; exit 1", {}, FailureCategory.AGENT),
        ("echo work > work; echo 'DONE: usage limit reached is handled'", {"success": {"patterns": ["^DONE"]}}, None),
        ("echo work > work", {"success": {"patterns": ["^DONE"]}}, FailureCategory.AGENT),
    ],
)
async def test_success_is_what_the_settings_say(
    daemon: OneDaemon, script: str, signs: dict[str, Any], category: FailureCategory | None
) -> None:
    done = await does(daemon, script, **signs)
    assert (done.failure and done.failure.category) == category, done.failure


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        ('{ patterns = ["("] }', r"limit\.patterns\.0: .*no regular expression"),
        ("{ exit_codes = [256] }", r"limit\.exit_codes\.0: "),
        ("{ words = [] }", "limit.words: "),
        ("{}\ncost = '[0-9]+'", r"cost: .*has 0 groups, and has to have one: the number"),
        ("{}\ntokens = '('", r"tokens: .*no regular expression"),
    ],
)
def test_signs_that_make_no_sense_are_refused_in_one_line(tmp_path: Path, sign: str, reason: str) -> None:
    file = tmp_path / "daemon.toml"
    file.write_text(f'name = "box"\n[agents.mine]\nkind = "command"\nargv = ["true"]\nlimit = {sign}\n')
    with pytest.raises(SettingsError, match=reason) as refused:
        load_daemon_settings(file)
    assert "\n" not in str(refused.value)
