"""What the daemon does with work whose delivery its server has lost (issue 13, 10): here the test is the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.agents.command import CommandAgent
from daemon.git.repositories import Repositories
from domain.errors import AttemptGone, HandedBack
from domain.failures import FailureCategory
from domain.models import TaskKind
from domain.settings import Limits
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask
from tests.integration.deliveries import OneDaemon, RememberedDelivery, until

GitCommand = Callable[..., str]

pytestmark = [pytest.mark.rule("5.4"), pytest.mark.timeout(120)]

LONG = 60.0
"""Seconds for a successor that comes; a test that waits as long has failed."""


class Attempt:
    """One attempt of a step on one daemon, and its deliveries. Its agent writes its pid into `pids`, and in the
    worktree a file before and after it was let `go`.
    """

    def __init__(self, folder: Path, repositories: Repositories, origin: Path, git: GitCommand) -> None:
        self.folder = folder
        self.one = OneDaemon(folder / "one", repositories, origin)
        self.command: SpawnTask
        self._base = git(origin, "rev-parse", "main")

    def prepare(self, end: str = "", beginning: str = "", **fields: Any) -> None:
        """`beginning` and `end`: what the agent does before it waits to be let go, and after."""
        given = {"step_name": "A step", "base_commit": self._base, "target_branch": "makima/step"}
        timing = {"pulse": timedelta(milliseconds=50), "settle": timedelta(milliseconds=50)}
        self.one.starts_with(
            f"trap 'touch {self.folder}/stopped; exit 1' INT\necho $$ >> {self.folder}/pids\n"
            f"test -e first || echo $$ > first\necho began\n{beginning}\n"
            f"until test -e {self.folder}/go; do sleep 0.02; done\n{end}\necho went on\ncp first second\n"
        )
        self.command = self.one.command(TaskKind.STEP, **{**given, **timing, **fields})

    async def delivered(self) -> tuple[RememberedDelivery, asyncio.Task[Outcome]]:
        """A delivery that the server may lose, under way."""
        delivery = RememberedDelivery()
        delivery.successor_within = LONG
        running = asyncio.create_task(self.one.runner.spawn(self.command, delivery))
        await asyncio.sleep(0)
        return delivery, running

    async def begun(self) -> tuple[RememberedDelivery, asyncio.Task[Outcome]]:
        delivery, running = await self.delivered()
        await until(lambda: running.done() or bool(self.pids))
        return delivery, running

    @property
    def pids(self) -> list[str]:
        """Of all agents that were started so far."""
        file = self.folder / "pids"
        return file.read_text().split() if file.exists() else []

    @property
    def was_stopped(self) -> bool:
        return (self.folder / "stopped").exists()

    def go(self) -> None:
        (self.folder / "go").touch()


@pytest.fixture
def attempt(tmp_path: Path, repositories: Repositories, origin: Path, git: GitCommand) -> Attempt:
    return Attempt(tmp_path, repositories, origin, git)


async def lost(running: asyncio.Task[Outcome]) -> None:
    """The server tells the daemon that it knows nothing of this delivery: it ends at once, whatever its work does."""
    running.cancel()
    with pytest.raises(AttemptGone):
        await asyncio.wait_for(running, 2)


def checkpoints(git: GitCommand, origin: Path) -> list[str]:
    return git(origin, "for-each-ref", "--format=%(refname)", "refs/makima/checkpoints").splitlines()


def branches(git: GitCommand, origin: Path) -> list[str]:
    return git(origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()


async def test_the_next_delivery_goes_on_with_the_agent_that_runs_under_the_first_ones_name(
    attempt: Attempt, origin: Path, git: GitCommand
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
    attempt: Attempt,
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


async def test_a_delivery_that_comes_before_the_loss_is_known_takes_over_at_once(attempt: Attempt) -> None:
    attempt.prepare()
    _, earlier = await attempt.begun()
    _, running = await attempt.delivered()
    with pytest.raises(AttemptGone):
        await asyncio.wait_for(earlier, 2)
    attempt.go()
    assert (await running).status is OutcomeStatus.COMPLETED
    assert len(attempt.pids) == 1


@pytest.mark.rule("6.7")
@pytest.mark.parametrize("why", ["nobody comes", "nobody is wanted"])
async def test_without_a_successor_the_work_is_saved_and_stopped_and_gone_on_with_later(
    attempt: Attempt, origin: Path, git: GitCommand, why: str
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


async def test_a_delivery_that_comes_while_the_work_is_being_stopped_waits_for_its_end(attempt: Attempt) -> None:
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
    attempt: Attempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    first.successor_within = 0
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert attempt.was_stopped
    assert len(checkpoints(git, origin)) == 1


async def test_another_command_for_the_attempt_ends_what_the_earlier_one_began(attempt: Attempt) -> None:
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
    attempt: Attempt, origin: Path, git: GitCommand
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


@pytest.mark.rule("6.8")
async def test_what_ends_by_itself_meanwhile_waits_for_its_delivery_and_is_published_by_it(
    attempt: Attempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    await lost(running)
    attempt.go()
    await until(lambda: "refs/makima/finished" in _refs_of_caches(attempt, git))
    assert branches(git, origin) == ["main"], "nothing is published without the fresh check"
    second, running = await attempt.delivered()
    outcome = await running
    assert (outcome.status, outcome.delivery) == (OutcomeStatus.COMPLETED, first.name)
    assert (first.confirmed, len(attempt.pids)) == (0, 1)
    assert second.confirmed
    assert git(origin, "show", "makima/step:second") == attempt.pids[0]


@pytest.mark.rule("6.8")
async def test_what_ended_by_itself_is_published_without_an_agent_by_a_delivery_that_comes_too_late(
    attempt: Attempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    await lost(running)
    attempt.go()
    await until(lambda: "refs/makima/finished" in _refs_of_caches(attempt, git))
    first.has_successor = False
    await until(lambda: not attempt.one.runner.running)
    assert branches(git, origin) == ["main"]
    _, running = await attempt.delivered()
    outcome = await running
    assert (outcome.status, outcome.delivery) == (OutcomeStatus.COMPLETED, first.name)
    assert len(attempt.pids) == 1
    assert git(origin, "show", "makima/step:second") == attempt.pids[0]


def _refs_of_caches(attempt: Attempt, git: GitCommand) -> str:
    caches = [head.parent for head in attempt.folder.rglob("HEAD") if (head.parent / "objects").is_dir()]
    return "\n".join(git(cache, "for-each-ref") for cache in caches)


@pytest.mark.rule("8.3")
async def test_a_question_asked_meanwhile_reaches_people_by_the_next_delivery_and_its_answer_the_agent(
    attempt: Attempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare(end="makima directive ask 'Which colour?' > colour")
    first, running = await attempt.begun()
    await lost(running)
    attempt.go()
    second, running = await attempt.delivered()
    second.replies["Which colour?"] = "blue"
    outcome = await running
    assert outcome.status is OutcomeStatus.COMPLETED, outcome.failure
    assert ([question.text for question in second.asked], first.asked) == (["Which colour?"], [])
    assert git(origin, "show", "makima/step:colour") == "blue"
    assert len(attempt.pids) == 1


@pytest.mark.rule("5.3")
async def test_what_has_come_to_wait_for_an_answer_meanwhile_waits_for_it(attempt: Attempt) -> None:
    attempt.prepare(end="makima directive ask 'Which colour?' --wait-seconds 0 || exit 0")
    _, running = await attempt.begun()
    await lost(running)
    attempt.go()
    await until(lambda: not attempt.one.runner.running)
    _, running = await attempt.delivered()
    outcome = await running
    assert outcome.status is OutcomeStatus.WAITING
    assert [question.text for question in outcome.questions] == ["Which colour?"]
    assert len(attempt.pids) == 1


@pytest.mark.rule("5.6")
async def test_an_account_that_is_used_up_meanwhile_is_waited_for(attempt: Attempt) -> None:
    attempt.prepare()
    served = attempt.one.runner.machine.agents["scripted"]
    script = served.argv[-1] + "\nexit 75"  # type: ignore[union-attr]
    signs = {"limit": {"exit_codes": [75]}}
    attempt.one.more["agents"] = {
        "scripted": CommandAgent.model_validate({"kind": "command", "argv": ("sh", "-ec", script), **signs})
    }
    attempt.one.starts_with("")
    _, running = await attempt.begun()
    await lost(running)
    attempt.go()
    await until(lambda: not attempt.one.runner.running)
    _, running = await attempt.delivered()
    outcome = await running
    assert outcome.status is OutcomeStatus.WAITING and outcome.wait_until
    assert len(attempt.pids) == 1


@pytest.mark.rule("5.7")
async def test_the_time_limit_counts_through_all_deliveries(attempt: Attempt) -> None:
    limit = timedelta(seconds=5)
    attempt.prepare(limits=Limits(time=limit))
    _, running = await attempt.begun()
    await asyncio.sleep(3)  # most of its time
    await lost(running)
    _, running = await attempt.delivered()
    taken_over = time.time()
    outcome = await running
    assert outcome.failure
    assert outcome.failure.category is FailureCategory.TIME_LIMIT
    stopped = (attempt.folder / "stopped").stat().st_mtime
    assert stopped - taken_over < limit.total_seconds(), "it has got no new clock"
    assert len(attempt.pids) == 1


@pytest.mark.rule("6.5")
async def test_rounds_of_verification_go_on_meanwhile(attempt: Attempt, origin: Path, git: GitCommand) -> None:
    # The first run leaves what verify refuses; the second one is the same agent's next round.
    attempt.prepare(end=f"test $(wc -l < {attempt.folder}/pids) = 1 || echo fit > fit", verify=("test -e fit",))
    _, running = await attempt.begun()
    await lost(running)
    attempt.go()
    await until(lambda: len(attempt.pids) == 2)
    _, running = await attempt.delivered()
    outcome = await running
    assert outcome.status is OutcomeStatus.COMPLETED, outcome.failure
    assert outcome.work and outcome.work.verified == ("test -e fit",)
    assert len(attempt.pids) == 2
    assert git(origin, "show", "makima/step:fit") == "fit"
