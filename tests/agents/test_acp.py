"""Real agents that speak the Agent Client Protocol, against the fake model server (rules 5.6, 6.9, 6.10)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from daemon.agents import ConfiguredAgent
from daemon.agents.acp.acp import AcpAgent
from daemon.git.repositories import Repositories
from daemon.sandbox.sandbox import Bubblewrap, Opening
from domain.failures import FailureCategory
from domain.spawn_task import OutcomeStatus
from domain.statuses import TaskKind
from tests.agents.acp_settings import env_of
from tests.agents.conftest import ACP, WITHOUT_LOGIN, Hand
from tests.integration.deliveries import OneDaemon, until
from tests.model_server import ModelServer, error, shell, turn
from tests.needs import need

GitCommand = Callable[..., str]
DONE = turn("It is painted.")
WRITE = "echo red > house.txt"
TROUBLES: dict[str, dict[str, Any]] = {
    "429 for hours": error("rate_limit", times=99, retry_after=7200),
    "429": error("rate_limit", times=99),
    "capacity": error("overloaded", times=99),
    "hang": {"reply": "hang", "text": "I begin"},
}
TOLD = {
    "claude-agent-acp": (3 * 1550, True),
    "codex-acp": (3 * 1050, False),
    "copilot": (3 * 1050, False),
    "gemini": (3 * 1050, False),
    "kimi": (0, False),
    "opencode": (1550, True),
    "qwen": (3 * 1050, False),
}
"""Profile → the tokens that it tells of three replies, and whether it tells what they cost."""


@dataclass
class AcpHand(Hand):
    """The same as a Hand, for an agent of kind `acp`; `name` is its profile."""

    def agent(self) -> ConfiguredAgent:
        return AcpAgent.model_validate(
            {
                "kind": "acp",
                "profile": self.name,
                "program": self.program,
                "permissions": "allow",
                "env": {**(env_of(self.name, self.models.url) if self.name in ACP else {}), **self.env},
                **self.fields,
            }
        )


@pytest.fixture(params=tuple(ACP))
def hand(
    request: pytest.FixtureRequest,
    acp_programs: dict[str, str],
    models: ModelServer,
    tmp_path: Path,
    repositories: Repositories,
    origin: Path,
) -> AcpHand:
    daemon = OneDaemon(tmp_path / "one", repositories, origin)
    return AcpHand(request.param, acp_programs[request.param], models, daemon)


@pytest.fixture(scope="session", autouse=True)
def newer_node(acp_programs: dict[str, str]) -> Iterator[None]:
    """Some of them want a newer Node.js than Debian's: the daemon has npm's on its PATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(acp_programs["gemini"]).parent), prepend=os.pathsep)
        yield


async def test_a_plan_is_handed_over_in_the_agents_shell(hand: AcpHand) -> None:
    steps = [{"name": "Walls", "description": "four", "taskPlan": "Build walls"}]
    add = f"makima directive batch-add-steps --json '{json.dumps(steps)}'"
    outcome = await hand.does([turn("", shell(add)), DONE], TaskKind.PLANNING)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert outcome.plan is not None
    assert [step.name for step in outcome.plan.add] == ["Walls"]


TOOL = {
    "claude-agent-acp": {"name": "mcp__makima__{}"},
    "codex-acp": {"namespace": "mcp__makima", "name": "{}"},
    "opencode": {"name": "makima_{}"},
}
"""As the agent calls its own of them to its model."""
WAITS = turn("", {"call": "tool", "name": "WaitForMcpServers", "input": {}})
"""Claude Code begins before the servers of its tools are there, and its model may wait for them by this tool."""


def by_tool(hand: AcpHand, tool: str, **given: str) -> list[dict[str, object]]:
    """Turns in which the model calls one of our tools."""
    named = {key: value.format(tool) for key, value in TOOL[hand.name].items()}
    waits = [WAITS] if hand.name == "claude-agent-acp" else []
    return [*waits, turn("", {"call": "tool", **named, "input": given})]


@pytest.mark.rule("3.1")
@pytest.mark.parametrize("hand", TOOL, indirect=True)
async def test_a_plan_is_handed_over_by_tools(hand: AcpHand) -> None:
    turns = by_tool(hand, "add_step", name="Walls", task_plan="Build walls")
    outcome = await hand.does([*turns, DONE], TaskKind.PLANNING)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert outcome.plan is not None
    (step,) = outcome.plan.add
    assert (step.name, step.task_plan) == ("Walls", "Build walls")
    assert str(step.id) in hand.received[-1].asked.results[-1]


@pytest.mark.rule("6.9")
async def test_a_step_is_done_and_counted(hand: AcpHand, git: GitCommand, origin: Path) -> None:
    outcome = await hand.does([turn("I look", shell("ls")), turn("", shell(WRITE)), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert git(origin, "show", f"{outcome.work.head}:house.txt") == "red" if outcome.work else False
    tokens, tells_cost = TOLD[hand.name]
    assert outcome.usage.tokens == tokens
    assert (outcome.usage.cost_usd > 0) is tells_cost
    assert outcome.usage.cost_unknown is not tells_cost
    log = "".join(file.read_text() for file in hand.daemon.tasks.glob("*/task/log.txt"))
    # What it says on stderr, at its end, too, stands between these lines or after them.
    told = [line for line in log.splitlines() if line in (f"→ execute: {WRITE}", "It is painted.")]
    assert told == [f"→ execute: {WRITE}", "It is painted."]


@pytest.mark.rule("5.6")
async def test_a_refused_key_is_a_question_to_a_person(hand: AcpHand) -> None:
    outcome = await hand.does([error("unauthorized", times=9)])
    assert outcome.status is OutcomeStatus.WAITING, outcome.failure
    assert outcome.questions


@pytest.mark.rule("5.6")
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_model_that_does_not_serve_is_waited_for_whether_that_is_told_or_hidden(
    hand: AcpHand, trouble: str
) -> None:
    hand.fields["silence_seconds"] = 8
    outcome = await hand.does([TROUBLES[trouble]])
    assert outcome.status is OutcomeStatus.WAITING, outcome.failure
    assert outcome.wait_until is not None and not outcome.questions
    assert len(hand.daemon.runner.parking.now_parked()) == 1


@pytest.mark.rule("6.9")
async def test_words_alone_are_no_result(hand: AcpHand) -> None:
    outcome = await hand.does([DONE])
    assert outcome.failure is not None, outcome
    assert outcome.failure.category is FailureCategory.NO_RESULT


@pytest.mark.rule("6.10")
async def test_a_killed_agent_goes_on_with_its_session(hand: AcpHand, tmp_path: Path) -> None:
    began = tmp_path / "began"
    first = turn("", shell(f"touch {began}; sleep 600"))
    running = asyncio.create_task(hand.does([first, turn("", shell(WRITE)), DONE]))
    # Killed before its session is on the disk it has none to go on with, and is handed over to another one.
    await until(lambda: began.exists() and has_kept(hand, "sleep 600"))
    for process in those_of(hand):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    outcome = await running
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    said = hand.received[-1].asked.said
    assert any("You were interrupted" in text for text in said)
    assert any("Paint it." in text for text in said), "the session's own history"


@pytest.mark.rule("6.9")
async def test_a_denied_tool_is_not_run(hand: AcpHand, outside: Path) -> None:
    # Codex' own sandbox lets it write its worktree, and tells nobody what it refuses.
    is_codex = hand.name == "codex-acp"
    outcome = await hand.does([turn("", shell(f"touch {outside if is_codex else 'house.txt'}")), turn("I may not.")])
    assert outcome.failure is not None, outcome
    expected = FailureCategory.NO_RESULT if is_codex else FailureCategory.DENIED
    assert outcome.failure.category is expected, outcome.failure


@pytest.mark.rule("5.6")
@pytest.mark.parametrize("hand", tuple(WITHOUT_LOGIN), indirect=True)
async def test_without_a_login_a_person_is_asked_for_one(hand: AcpHand) -> None:
    outcome = await hand.does([])
    assert outcome.status is OutcomeStatus.WAITING, outcome.failure
    assert outcome.questions
    assert hand.received == ()


@pytest.mark.rule("6.2")
@pytest.mark.parametrize("hand", ["claude-agent-acp", "codex-acp"], indirect=True)
async def test_everything_is_allowed_in_a_sandbox(hand: AcpHand, git: GitCommand, origin: Path, tmp_path: Path) -> None:
    # Its model is named in its own settings, and so to the door; an older Node.js doesn't find that.
    url = urlsplit(hand.models.url)
    hand.fields |= {"permissions": "auto", "network_local": [f"{url.hostname}:{url.port}"]}
    hand.env["PATH"] = f"{Path(hand.program).parent}:{os.environ['PATH']}"
    opening = Opening(parts=lambda: hand.agent().parts())
    hand.daemon.more["sandbox"] = Bubblewrap(need("bwrap", "bubblewrap"), opening, os.environ)
    outside = tmp_path / "outside.txt"
    outcome = await hand.does([turn("", shell(f"{WRITE}; touch {outside}")), *by_tool(hand, "status"), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert git(origin, "show", f"{outcome.work.head}:house.txt") == "red" if outcome.work else False
    assert not await asyncio.to_thread(outside.exists)
    assert "dependencies_set" in hand.received[-1].asked.results[-1], "its tools are in there with it"


def has_kept(hand: AcpHand, words: str) -> bool:
    """The agent has written this to its own files."""
    for file in hand.daemon.tasks.parent.glob("sessions/**/*"):
        with suppress(OSError):  # a folder, or gone by now
            if file.name != "stream.jsonl" and words.encode() in file.read_bytes():
                return True
    return False


def those_of(hand: AcpHand) -> list[psutil.Process]:
    """The processes of the agent itself, not of its keeper."""
    found = []
    for process in psutil.process_iter():
        try:
            is_its = str(hand.daemon.tasks) in process.environ().get("HOME", "")
            if is_its and not any("keeper" in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found
