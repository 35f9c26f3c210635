"""What becomes of a task when the model, the account or the process fails (rules 5.4–5.7, 6.9, 6.10)."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from domain.budget import USED_UP, Budget
from domain.directive_settings import Limits
from domain.errors import CannotServe
from domain.failures import FailureCategory
from domain.spawn_task import OutcomeStatus
from domain.usage import ResumableSession
from tests.agents.conftest import Hand
from tests.integration.deliveries import until
from tests.model_server import error, shell, turn, write

DONE = turn("It is painted.")
WORK = [turn("", write("house.txt", "red\n")), DONE]
SLOWLY = Limits(time=timedelta(minutes=2), no_output=timedelta(seconds=4))
COST = 0.00606
"""Of a reply of the server, in USD, by Claude Code's own price list."""
PRICES = {"any": {"input": 4, "cached_input": 0.2, "cache_write": 5, "output": 20}}
"""The same list."""
CODEX_COST = (700 * 4 + 300 * 0.2 + 50 * 20) / 1_000_000
"""Of a reply by it: Codex counts the cached part of its input, and none that is written to the cache."""
TOKEN = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-of-no-use", "ANTHROPIC_API_KEY": ""}
"""A subscription's: only to it Claude Code says when a limit ends."""


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([error("server_error", times=2), WORK[0], error("overloaded"), DONE], id="500, 529"),
        pytest.param([{"reply": "cut", "times": 2}, *WORK], id="cut"),
    ],
)
async def test_a_model_that_fails_for_a_moment_is_asked_again(hand: Hand, trouble: list[dict[str, Any]]) -> None:
    outcome = await hand.does(trouble)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    answered = [each.answered for each in hand.received]
    assert answered.count("turn") == 2
    assert answered[-1] == "turn"


@pytest.mark.parametrize("hand", ["claude"], indirect=True)
async def test_a_model_that_stays_overloaded_is_waited_for(hand: Hand) -> None:
    outcome = await hand.does([error("overloaded", times=9)])
    assert outcome.status is OutcomeStatus.WAITING, outcome
    assert outcome.wait_until is not None


@pytest.mark.rule("5.6")
@pytest.mark.timeout(1800)
async def test_a_storm_of_server_errors_is_waited_out_with_growing_pauses_and_uses_no_attempt(hand: Hand) -> None:
    """The model answers 500 and 503 for minutes, is overloaded afterwards, and then well again."""
    minutes = []
    storm = [error("server_error"), error("unavailable")] * 50
    for replies in (storm, [error("overloaded", times=99)]):
        outcome = await hand.does(replies, limits=Limits(time=timedelta(minutes=8), no_output=timedelta(minutes=2)))
        assert outcome.status is OutcomeStatus.WAITING, outcome
        assert (outcome.attempt, outcome.failure) == (1, None)
        parking = hand.daemon.runner.parking
        assert outcome.wait_until is not None
        minutes.append(round((outcome.wait_until - parking.now()) / timedelta(minutes=1)))
        assert len(parking.now_parked()) == 1
        with pytest.raises(CannotServe):  # no other task of the account begins
            await hand.goes_on()
        over = {each: parked.model_copy(update={"until": parked.since}) for each, parked in parking._known().items()}
        parking._keep(over)
    assert minutes == [5, 10]
    outcome = await hand.does(WORK)
    assert (outcome.status, outcome.attempt) == (OutcomeStatus.COMPLETED, 1), outcome
    assert hand.daemon.runner.parking.now_parked() == ()


async def test_a_context_that_is_too_long_is_handed_over_to_a_new_session(hand: Hand) -> None:
    begun = turn("The front is done.", write("front.txt", "red\n"))
    outcome = await hand.does([begun, error("too_long"), *WORK])
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    fresh = hand.received[-1].asked.said
    assert any("front.txt" in text for text in fresh), "told what was done"
    assert not any("front.txt" in text for text in hand.received[-1].asked.results), "not the old session"


@pytest.mark.rule("5.6")
async def test_a_usage_limit_is_waited_for_until_its_reset(hand: Hand) -> None:
    hand.env |= TOKEN if hand.name == "claude" else {}
    outcome = await hand.does([error("usage_limit", times=9, resets_in=7200)])
    assert outcome.status is OutcomeStatus.WAITING, outcome
    assert outcome.wait_until is not None
    assert timedelta(minutes=115) < outcome.wait_until - datetime.now(UTC) < timedelta(minutes=125)


@pytest.mark.rule("5.6")
async def test_a_limit_without_a_reset_is_waited_for_too(hand: Hand) -> None:
    outcome = await hand.does([error("rate_limit", times=9, retry_after=0)])
    assert outcome.status is OutcomeStatus.WAITING, outcome
    assert outcome.wait_until is not None


async def test_a_request_that_the_api_calls_wrong_fails_the_attempt(hand: Hand) -> None:
    outcome = await hand.does([error("bad_request", times=9)])
    assert outcome.status is OutcomeStatus.FAILED, outcome
    assert outcome.failure is not None
    assert "not valid" in outcome.failure.report


async def test_a_refused_key_is_a_question_to_a_person(hand: Hand) -> None:
    outcome = await hand.does([error("unauthorized", times=9)])
    assert outcome.status is OutcomeStatus.WAITING, outcome
    assert outcome.questions


async def test_a_model_that_says_nothing_more_is_left_and_asked_again(hand: Hand) -> None:
    outcome = await hand.does([{"reply": "hang", "text": "I begin"}, *WORK], limits=SLOWLY)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome


def agent_of(hand: Hand, mark: Path) -> psutil.Process:
    """The agent's own process: the one above the shell that waits at `mark`."""
    for process in psutil.process_iter():
        try:
            if process.name() == hand.name and f"{hand.daemon.tasks}" in process.environ().get("HOME", ""):
                return process
        except psutil.Error:
            continue
    raise AssertionError(f"no {hand.name} runs at {mark}")


@pytest.mark.rule("6.10")
async def test_a_killed_agent_goes_on_with_its_session(hand: Hand, tmp_path: Path) -> None:
    began = tmp_path / "began"
    hand.fields["prices"] = PRICES
    running = asyncio.create_task(hand.does([turn("", shell(f"touch {began}; sleep 600")), *WORK]))
    await until(began.exists)
    os.kill(agent_of(hand, began).pid, signal.SIGKILL)
    outcome = await running
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert not [
        each for each in psutil.process_iter(["cmdline"]) if "sleep 600" in " ".join(each.info["cmdline"] or ())
    ]
    tokens, cost = (1550, COST) if hand.name == "claude" else (1050, CODEX_COST)
    assert outcome.usage.tokens == 3 * tokens, "of the killed run, too"
    assert outcome.usage.cost_usd == pytest.approx(3 * cost)


@pytest.mark.rule("5.4")
async def test_an_interrupted_attempt_is_resumed_and_its_cost_counted_once(hand: Hand, tmp_path: Path) -> None:
    began = tmp_path / "began"
    first = [turn("First the front.", write("front.txt", "red\n")), turn("", shell(f"touch {began}; sleep 600"))]
    delivery = asyncio.create_task(hand.does([*first, turn("", write("back.txt", "red\n")), DONE]))
    await until(began.exists)
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    (left,) = hand.daemon.delivery.left
    assert left.usage.tokens == 2 * (1550 if hand.name == "claude" else 1050), "told where it is called back"
    assert left.resume
    assert left.resume.session
    outcome = await hand.goes_on()
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert outcome.work is not None
    assert outcome.work.files_changed == 2
    assert len(hand.received) == 4
    assert any(text for text in hand.received[-1].asked.results if "front.txt" in text), "the session's own history"
    if hand.name == "claude":
        assert outcome.usage.cost_usd == pytest.approx(4 * COST)
        assert outcome.usage.tokens == 4 * 1550
    else:
        assert outcome.usage.tokens == 4 * 1050


@pytest.mark.rule("5.7")
async def test_a_step_is_ended_at_what_it_may_cost(hand: Hand) -> None:
    hand.fields["prices"] = PRICES
    cost = COST if hand.name == "claude" else CODEX_COST
    limits = Limits(time=timedelta(minutes=2), cost_usd=2.5 * cost)
    calls = [turn("", shell(f"echo {number}; sleep 1")) for number in range(12)]
    outcome = await hand.does([turn("", write("house.txt", "red\n")), *calls, DONE], limits=limits)
    assert outcome.failure is not None, outcome
    assert outcome.failure.category is FailureCategory.BUDGET
    assert 3 <= len(hand.received) <= 7
    assert outcome.usage.cost_usd == pytest.approx(len(hand.received) * cost, abs=1.01 * cost)
    assert outcome.work is not None
    assert outcome.work.files_changed == 1, "what it had done is saved"


@pytest.mark.rule("2.10")
async def test_a_step_is_handed_back_at_the_end_of_its_directives_budget_and_goes_on_with_more(hand: Hand) -> None:
    hand.fields["prices"] = PRICES
    cost = COST if hand.name == "claude" else CODEX_COST
    calls = [turn("", shell(f"echo {number}; sleep 1")) for number in range(12)]
    limits = Limits(time=timedelta(minutes=2), budget=Budget(cost_usd=2.5 * cost))
    stopped = await hand.does([turn("", write("house.txt", "red\n")), *calls, DONE], limits=limits)
    assert (stopped.status, stopped.summary) == (OutcomeStatus.WAITING, USED_UP), stopped
    assert stopped.resume
    used = stopped.resume.usage.cost_usd
    assert used == pytest.approx(len(hand.received) * cost, abs=1.01 * cost)
    assert used < 8 * cost
    more = Limits(time=timedelta(minutes=2), budget=Budget(tokens=10**9))
    done = await hand.goes_on(limits=more, resume=stopped.resume)
    assert done.status is OutcomeStatus.COMPLETED, done
    assert done.work
    assert done.work.files_changed == 1
    assert done.usage.cost_usd == pytest.approx(len(hand.received) * cost, abs=1.01 * cost), "counted once"


async def test_a_session_that_is_lost_is_begun_anew(hand: Hand) -> None:
    lost = ResumableSession(agent=hand.name, session="3f2a91c0-0000-4000-8000-000000000000", daemon="here")
    outcome = await hand.does(WORK, resume=lost)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
