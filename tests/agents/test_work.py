"""What real agents do with a plan, a step, a question and a denied tool (rules 3.1, 5.8, 6.9, 8.3)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.process.limits import LINGER_SECONDS
from daemon.sandbox.sandbox import Bubblewrap, Opening
from domain.directive_settings import Limits
from domain.failures import FailureCategory
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.agents.conftest import Hand
from tests.model_server import shell, turn, write
from tests.needs import need

GitCommand = Callable[..., str]

COMMIT = "git add --all && git commit --quiet --message 'Paint it red'"
DONE = turn("It is painted.")


def subjects(git: GitCommand, origin: Path, outcome: Outcome) -> list[str]:
    """What the branch's own commits say, the latest first."""
    assert outcome.work is not None, outcome
    return git(origin, "log", "--format=%s", f"main..{outcome.work.branch}").splitlines()


@pytest.mark.rule("3.1")
async def test_a_plan_is_handed_over_in_the_agents_shell(hand: Hand) -> None:
    steps = [
        {"name": "Walls", "description": "four", "taskPlan": "Build walls"},
        {"name": "Roof", "description": "one", "taskPlan": "Build a roof", "dependsOn": ["Walls"]},
    ]
    add = f"makima directive batch-add-steps --json '{json.dumps(steps)}'"
    outcome = await hand.does([turn("I look", shell("ls")), turn("", shell(add)), DONE], TaskKind.PLANNING)
    assert outcome.status is OutcomeStatus.COMPLETED
    assert outcome.plan is not None
    walls, roof = outcome.plan.add
    assert (walls.name, roof.name, roof.depends_on) == ("Walls", "Roof", (walls.id,))
    (printed,) = (each.asked.results[-1] for each in hand.received[2:3])
    assert str(roof.id) in printed


@pytest.mark.rule("6.9")
async def test_a_step_that_edits_and_commits(hand: Hand, git: GitCommand, origin: Path) -> None:
    edit = {"call": "edit", "path": "README", "old": "hello", "new": "hello, red house"}
    reading = {"call": "read", "path": "README"}
    outcome = await hand.does([turn("", reading), turn("", edit), turn("", shell(COMMIT)), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED
    assert subjects(git, origin, outcome) == ["Paint it red"]
    assert outcome.work is not None
    assert git(origin, "show", f"{outcome.work.head}:README") == "hello, red house"
    assert outcome.usage.tokens > 4000
    assert (outcome.usage.cost_usd > 0) is (hand.name == "claude")


@pytest.mark.rule("6.9")
async def test_a_step_that_forgets_to_commit(hand: Hand, git: GitCommand, origin: Path) -> None:
    outcome = await hand.does([turn("", write("house.txt", "red\n")), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED
    assert subjects(git, origin, outcome) == ["paint"]
    assert git(origin, "show", f"{outcome.work.head}:house.txt") == "red" if outcome.work else False


@pytest.mark.rule("6.9")
@pytest.mark.parametrize("hand", ["claude"], indirect=True)
async def test_a_turn_that_begins_by_itself_when_a_tool_in_the_background_has_ended_counts(
    hand: Hand, git: GitCommand, origin: Path
) -> None:
    behind = {"command": "sleep 1", "description": "wait", "run_in_background": True}
    waits = turn("", {"call": "tool", "name": "Bash", "input": behind})
    outcome = await hand.does([waits, turn("I wait."), turn("", write("house.txt", "red\n")), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED
    assert git(origin, "show", f"{outcome.work.head}:house.txt") == "red" if outcome.work else False
    assert outcome.usage.tokens == 4 * 1550


@pytest.mark.rule("6.9")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("hand", ["claude"], indirect=True)
async def test_a_server_that_it_has_left_in_its_background_does_not_hold_the_step(hand: Hand) -> None:
    serve = {"command": f"{sys.executable} -m http.server 0", "description": "serve", "run_in_background": True}
    serves = turn("", {"call": "tool", "name": "Bash", "input": serve})
    began = time.monotonic()
    outcome = await hand.does([serves, turn("", write("house.txt", "red\n")), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert time.monotonic() - began >= LINGER_SECONDS
    (log,) = hand.daemon.tasks.glob("*/task/log.txt")
    assert "listens for connections and did not end by itself" in log.read_text()


@pytest.mark.rule("6.9")
async def test_words_alone_are_no_result(hand: Hand) -> None:
    outcome = await hand.does([DONE])
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.failure is not None
    assert outcome.failure.category is FailureCategory.NO_RESULT


@pytest.mark.rule("6.9")
async def test_a_denied_tool_is_a_failure_where_it_leaves_nothing(hand: Hand, outside: Path) -> None:
    outcome = await hand.does([turn("", shell(f"touch {outside}")), turn("I may not.")])
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.failure is not None
    # Codex tells nobody that its sandbox has refused something: to it, the command has failed.
    expected = FailureCategory.DENIED if hand.name == "claude" else FailureCategory.NO_RESULT
    assert outcome.failure.category is expected


@pytest.mark.rule("6.9")
async def test_a_denied_tool_is_a_warning_where_there_is_work(hand: Hand, outside: Path) -> None:
    outcome = await hand.does([turn("", shell(f"touch {outside}")), turn("", write("house.txt", "red\n")), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED
    assert bool(outcome.warnings) is (hand.name == "claude")


@pytest.mark.rule("8.3")
async def test_a_question_is_asked_and_answered_in_the_agents_shell(hand: Hand) -> None:
    hand.daemon.delivery.replies["Which red?"] = "dark"
    ask = shell("makima directive ask 'Which red?' --timeout 1h")
    outcome = await hand.does([turn("", ask), turn("", write("house.txt", "dark red\n")), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED
    assert "dark" in hand.received[1].asked.results[-1]


@pytest.mark.rule("6.6")
async def test_the_prompt_is_in_no_process_list_and_the_key_is_the_settings(hand: Hand) -> None:
    look = shell("ps -eo args | grep -c '[P]aint it' ; echo looked; exit 0")
    key = "ANTHROPIC_API_KEY" if hand.name == "claude" else "OPENAI_API_KEY"
    hand.env[key] = "key-of-the-settings"
    outcome = await hand.does([turn("", look), turn("", write("house.txt", "red\n")), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED
    assert "0\nlooked" in hand.received[1].asked.results[-1]
    assert {each.asked.credential for each in hand.received} == {"key-of-the-settings"}


@pytest.mark.rule("6.2")
async def test_everything_is_allowed_in_a_sandbox(hand: Hand, git: GitCommand, origin: Path, tmp_path: Path) -> None:
    hand.fields["permissions"] = "auto"
    opening = Opening(parts=lambda: hand.agent().parts())
    hand.daemon.more["sandbox"] = Bubblewrap(need("bwrap", "bubblewrap"), opening, os.environ)
    outside = tmp_path / "outside.txt"
    outcome = await hand.does([turn("", shell(f"date > house.txt; touch {outside}")), turn("", shell(COMMIT)), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert subjects(git, origin, outcome) == ["Paint it red"]
    assert not await asyncio.to_thread(outside.exists)


@pytest.mark.rule("5.7")
async def test_a_step_ends_at_its_limit_of_turns(hand: Hand) -> None:
    limits = Limits(time=timedelta(minutes=2), turns=2)
    outcome = await hand.does([turn("", shell(f"echo {number}")) for number in range(6)], limits=limits)
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.failure is not None
    assert outcome.failure.category is FailureCategory.BUDGET
    assert len(hand.received) <= 3
