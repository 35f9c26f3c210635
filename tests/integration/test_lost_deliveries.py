"""What the daemon does with work whose delivery its server has lost (issue 13, 10)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from domain.errors import AttemptGone, HandedBack
from domain.spawn_task import OutcomeStatus
from tests.integration.deliveries import RememberedDelivery, until
from tests.integration.losable_attempt import LONG, GitCommand, LosableAttempt, attempt, branches, checkpoints, lost

__all__ = ["attempt"]  # a fixture

pytestmark = [pytest.mark.rule("5.4"), pytest.mark.timeout(600)]


async def test_the_next_delivery_goes_on_with_the_agent_that_runs_under_the_first_ones_name(
    attempt: LosableAttempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    await lost(running)
    before = len(first.beats)
    second, running = await attempt.delivered()
    await until(lambda: len(second.beats) > 1)
    assert len(first.beats) == before, "a delivery that was lost is not heard any more"
    attempt.go()
    outcome = await running
    assert outcome.status is OutcomeStatus.COMPLETED
    assert len(attempt.pids) == 1 and not attempt.was_stopped
    assert git(origin, "show", "makima/step:first") == git(origin, "show", "makima/step:second") == attempt.pids[0]
    # The fresh check is of the delivery that the attempt belongs to.
    assert (first.confirmed, second.confirmed > 0) == (0, True)
    named = {
        outcome.delivery,
        *(beat.delivery for beat in second.beats),
        *(c.delivery for c in attempt.one.core.chunks),
    }
    assert named == {first.name}
    assert [folder.name.endswith(first.name) for folder in attempt.one.tasks.iterdir() if folder.is_dir()] == [True]
    text = "".join(chunk.text for chunk in sorted(attempt.one.core.chunks, key=lambda chunk: chunk.offset))
    assert (text.count("began\n"), text.count("went on\n")) == (1, 1), "each line of the log is sent once"


async def test_a_start_that_could_not_be_told_is_told_by_the_next_delivery_under_the_first_ones_name(
    attempt: LosableAttempt,
) -> None:
    attempt.prepare()
    first = RememberedDelivery()
    first.successor_within, first.away = LONG, True
    running = asyncio.create_task(attempt.one.runner.spawn(attempt.command, first))
    await until(lambda: first.refused > 0 and bool(attempt.pids))
    await lost(running)
    second, running = await attempt.delivered()
    await until(lambda: second.starts == [first.name])
    attempt.go()
    assert (await running).status is OutcomeStatus.COMPLETED


async def test_a_delivery_that_comes_before_the_loss_is_known_takes_over_at_once(attempt: LosableAttempt) -> None:
    attempt.prepare()
    _, earlier = await attempt.begun()
    _, running = await attempt.delivered()
    with pytest.raises(AttemptGone):
        await asyncio.wait_for(earlier, LONG / 2)
    attempt.go()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert len(attempt.pids) == 1


async def test_a_server_that_can_not_be_asked_for_the_successor_stops_no_agent(attempt: LosableAttempt) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    first.is_mute = True
    await lost(running)
    await until(lambda: first.looks > 1)
    _, running = await attempt.delivered()
    attempt.go()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert len(attempt.pids) == 1


@pytest.mark.rule("6.7")
@pytest.mark.parametrize("why", ["nobody comes", "nobody is wanted"])
async def test_without_a_successor_the_work_is_saved_and_stopped_and_gone_on_with_later(
    attempt: LosableAttempt, origin: Path, git: GitCommand, why: str
) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    first.successor_within, first.has_successor = (1, True) if why == "nobody comes" else (LONG, False)
    await lost(running)
    await until(lambda: attempt.was_stopped)
    await until(lambda: len(checkpoints(git, origin)) == 1)
    assert checkpoints(git, origin)[0].endswith(first.name)
    assert branches(git, origin) == ["main"]
    await until(lambda: not attempt.one.runner.running)
    attempt.go()
    _, running = await attempt.delivered()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert len(attempt.pids) == 2
    assert git(origin, "show", "makima/step:second") == attempt.pids[0], "the second agent went on from what was saved"


async def test_a_delivery_that_comes_while_the_work_is_being_stopped_waits_for_its_end(attempt: LosableAttempt) -> None:
    ended = attempt.folder / "ended"
    slow = f"trap 'touch {attempt.folder}/stopped; sleep 1; touch {ended}; exit 1' INT"
    attempt.prepare(beginning=f"test ! -e {ended} || touch {attempt.folder}/after\n{slow}")
    first, running = await attempt.begun()
    first.has_successor = False
    await lost(running)
    await until(lambda: attempt.was_stopped)
    attempt.go()
    _, running = await attempt.delivered()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert len(attempt.pids) == 2
    assert (attempt.folder / "after").exists(), "the second agent began when the first one had ended"


async def test_what_was_called_back_is_saved_and_stopped_before_its_delivery_returns(
    attempt: LosableAttempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    first.successor_within = 0
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert attempt.was_stopped
    assert len(checkpoints(git, origin)) == 1


async def test_another_command_for_the_attempt_ends_what_the_earlier_one_began(attempt: LosableAttempt) -> None:
    attempt.prepare()
    _, running = await attempt.begun()
    await lost(running)
    attempt.command = attempt.command.model_copy(update={"prompt": "Do it in another way"})
    _, running = await attempt.delivered()
    await until(lambda: attempt.was_stopped)
    attempt.go()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert len(attempt.pids) == 2


@pytest.mark.rule("6.10")
async def test_a_daemon_that_stops_saves_and_stops_what_waits_for_a_successor(
    attempt: LosableAttempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare()
    _, running = await attempt.begun()
    await lost(running)
    attempt.one.runner.stop()
    await asyncio.wait_for(attempt.one.runner.all_ended(), 20)
    assert attempt.was_stopped
    assert len(checkpoints(git, origin)) == 1
    _, running = await attempt.delivered()
    with pytest.raises(HandedBack):
        await running
