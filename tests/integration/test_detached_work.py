"""What work comes to while no delivery holds it (issue 13, 10): it waits for the next one, and goes out by that."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.agents.claude.claude import ClaudeAgent
from daemon.agents.command import CommandAgent
from domain.directive_settings import AgentChoice, Limits
from domain.failures import FailureCategory
from domain.spawn_task import OutcomeStatus
from tests.agents.installed_stand_in import install
from tests.agents.stand_in import Scene
from tests.integration.deliveries import until
from tests.integration.losable_attempt import GitCommand, LosableAttempt, attempt, branches, lost

__all__ = ["attempt"]  # a fixture

pytestmark = [pytest.mark.rule("5.4"), pytest.mark.timeout(600)]


@pytest.mark.rule("6.8")
async def test_what_ends_by_itself_meanwhile_waits_for_its_delivery_and_is_published_by_it(
    attempt: LosableAttempt, origin: Path, git: GitCommand
) -> None:
    attempt.prepare()
    first, running = await attempt.begun()
    await lost(running)
    attempt.go()
    await until(lambda: "refs/makima/finished" in _refs_of_caches(attempt, git))
    looks = first.looks
    await until(lambda: first.looks > looks + 2)  # some seconds, in which it could have published
    assert branches(git, origin) == ["main"], "nothing is published without the fresh check"
    second, running = await attempt.delivered()
    outcome = await running
    assert (outcome.status, outcome.delivery) == (OutcomeStatus.COMPLETED, first.name)
    assert (first.confirmed, len(attempt.pids)) == (0, 1)
    assert second.confirmed
    assert git(origin, "show", "makima/step:second") == attempt.pids[0]


@pytest.mark.rule("6.8")
async def test_what_ended_by_itself_is_published_without_an_agent_by_a_delivery_that_comes_too_late(
    attempt: LosableAttempt, origin: Path, git: GitCommand
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


def _refs_of_caches(attempt: LosableAttempt, git: GitCommand) -> str:
    return "\n".join(git(cache, "for-each-ref") for cache in (attempt.folder / "daemon" / "caches").glob("*.git"))


@pytest.mark.rule("8.3")
async def test_a_question_asked_meanwhile_reaches_people_by_the_next_delivery_and_its_answer_the_agent(
    attempt: LosableAttempt, origin: Path, git: GitCommand
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
async def test_what_has_come_to_wait_for_an_answer_meanwhile_waits_for_it(attempt: LosableAttempt) -> None:
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
async def test_an_account_that_is_used_up_meanwhile_is_waited_for(attempt: LosableAttempt) -> None:
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
async def test_a_budget_that_is_used_up_meanwhile_fails_the_attempt(attempt: LosableAttempt) -> None:
    waiting = f"echo $$ >> {attempt.folder}/pids; until test -e {attempt.folder}/go; do sleep 0.02; done"
    program = install(attempt.folder / "stand-in", Scene(waiting, "claude_max_budget.jsonl", exit_code=1))
    claude = ClaudeAgent.model_validate({"kind": "claude", "program": str(program)})
    attempt.one.more["agents"] = {"claude": claude}
    attempt.prepare(agent=AgentChoice(name="claude"), limits=Limits(time=timedelta(minutes=2), cost_usd=0.02))
    _, running = await attempt.begun()
    await lost(running)
    attempt.go()
    second, running = await attempt.delivered()
    outcome = await running
    assert outcome.failure
    assert outcome.failure.category is FailureCategory.BUDGET
    assert second.confirmed, "it is published after the fresh check"
    assert len(attempt.pids) == 1


@pytest.mark.rule("5.7")
async def test_the_time_limit_counts_through_all_deliveries(attempt: LosableAttempt) -> None:
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
async def test_rounds_of_verification_go_on_meanwhile(attempt: LosableAttempt, origin: Path, git: GitCommand) -> None:
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
