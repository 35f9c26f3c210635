"""Real agents that speak the Agent Client Protocol, against the fake model server (rules 5.6, 6.9, 6.10)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
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
from tests.agents.conftest import ACP, Hand, claude_env
from tests.integration.deliveries import OneDaemon, until
from tests.model_server import ModelServer, error, shell, turn
from tests.needs import need

GitCommand = Callable[..., str]
DONE = turn("It is painted.")
WRITE = "echo red > house.txt"


def settings(name: str, url: str) -> dict[str, Any]:
    """What points the agent of this profile at the server."""
    if name == "claude-agent-acp":
        return {"env": claude_env(url)}
    if name == "codex-acp":
        provider = {"name": "fake", "base_url": f"{url}/v1", "env_key": "OPENAI_API_KEY", "wire_api": "responses"}
        tries = {"request_max_retries": 1, "stream_max_retries": 1}
        config = {
            "allow_login_shell": False,
            "model": "fake-model",
            "model_provider": "fake",
            "model_providers": {"fake": {**provider, **tries}},
        }
        return {"env": {"OPENAI_API_KEY": "of-no-use", "CODEX_CONFIG": json.dumps(config)}}
    model = {"name": "fake", "cost": {"input": 3, "output": 15}, "limit": {"context": 200_000, "output": 8192}}
    options = {"baseURL": f"{url}/v1", "apiKey": "of-no-use"}
    provider_of = {"npm": "@ai-sdk/anthropic", "name": "fake", "options": options, "models": {"fake-model": model}}
    config = {"provider": {"fake": provider_of}, "model": "fake/fake-model", "small_model": "fake/fake-model"}
    return {"env": {"OPENCODE_CONFIG_CONTENT": json.dumps(config)}}


@dataclass
class AcpHand(Hand):
    """The same as a Hand, for an agent of kind `acp`; `name` is its profile."""

    def agent(self) -> ConfiguredAgent:
        given = settings(self.name, self.models.url)
        given["env"] = {**given["env"], **self.env}
        return AcpAgent.model_validate(
            {
                "kind": "acp",
                "profile": self.name,
                "program": self.program,
                "permissions": "allow",
                **given,
                **self.fields,
            }
        )

    def shell(self, command: str) -> dict[str, Any]:
        """A call of its shell: opencode's is another one than the server knows."""
        if self.name != "opencode":
            return shell(command)
        return {"call": "tool", "name": "bash", "input": {"command": command, "description": "it"}}


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


async def test_a_plan_is_handed_over_in_the_agents_shell(hand: AcpHand) -> None:
    steps = [{"name": "Walls", "description": "four", "taskPlan": "Build walls"}]
    add = f"makima directive batch-add-steps --json '{json.dumps(steps)}'"
    outcome = await hand.does([turn("", hand.shell(add)), DONE], TaskKind.PLANNING)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert outcome.plan is not None
    assert [step.name for step in outcome.plan.add] == ["Walls"]


TOOL = {"claude-agent-acp": "mcp__makima__add_step", "opencode": "makima_add_step"}
"""As the agent calls it to its model."""
WAITS = turn("", {"call": "tool", "name": "WaitForMcpServers", "input": {}})
"""Claude Code begins before the servers of its tools are there, and its model may wait for them by this tool."""


@pytest.mark.rule("3.1")
@pytest.mark.parametrize("hand", TOOL, indirect=True)
async def test_a_plan_is_handed_over_by_tools(hand: AcpHand) -> None:
    add = {"call": "tool", "name": TOOL[hand.name], "input": {"name": "Walls", "task_plan": "Build walls"}}
    turns = [WAITS] if hand.name == "claude-agent-acp" else []
    outcome = await hand.does([*turns, turn("", add), DONE], TaskKind.PLANNING)
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert outcome.plan is not None
    (step,) = outcome.plan.add
    assert (step.name, step.task_plan) == ("Walls", "Build walls")
    assert str(step.id) in hand.received[-1].asked.results[-1]


@pytest.mark.rule("6.9")
async def test_a_step_is_done_and_counted(hand: AcpHand, git: GitCommand, origin: Path) -> None:
    outcome = await hand.does([turn("I look", hand.shell("ls")), turn("", hand.shell(WRITE)), DONE])
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert git(origin, "show", f"{outcome.work.head}:house.txt") == "red" if outcome.work else False
    assert outcome.usage.tokens >= 1050
    assert (outcome.usage.cost_usd > 0) is (hand.name != "codex-acp")
    log = "".join(file.read_text() for file in hand.daemon.tasks.glob("*/task/log.txt"))
    # What it says on stderr, at its end, too, stands between these lines or after them.
    told = [line for line in log.splitlines() if line in (f"→ execute: {WRITE}", "It is painted.")]
    assert told == [f"→ execute: {WRITE}", "It is painted."]


@pytest.mark.rule("5.6")
async def test_a_refused_key_is_a_question_to_a_person(hand: AcpHand) -> None:
    outcome = await hand.does([error("unauthorized", times=9)])
    assert outcome.status is OutcomeStatus.WAITING, outcome
    assert outcome.questions


@pytest.mark.rule("5.6")
@pytest.mark.parametrize("trouble", [{"retry_after": 7200}, {}])
async def test_a_limit_is_waited_for_whether_it_is_told_or_hidden(hand: AcpHand, trouble: dict[str, int]) -> None:
    hand.fields["silence_seconds"] = 20
    outcome = await hand.does([error("rate_limit", times=30, **trouble)])
    assert outcome.status is OutcomeStatus.WAITING, outcome
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
    first = turn("", hand.shell(f"touch {began}; sleep 600"))
    running = asyncio.create_task(hand.does([first, turn("", hand.shell(WRITE)), DONE]))
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
    by_tool = [WAITS, turn("", {"call": "tool", "name": "mcp__makima__status", "input": {}})]
    turns = by_tool if hand.name == "claude-agent-acp" else []
    outcome = await hand.does([turn("", hand.shell(f"{WRITE}; touch {outside}")), *turns, DONE])
    assert outcome.status is OutcomeStatus.COMPLETED, outcome
    assert git(origin, "show", f"{outcome.work.head}:house.txt") == "red" if outcome.work else False
    assert not await asyncio.to_thread(outside.exists)
    assert not turns or '"generation": ' in hand.received[-1].asked.results[-1], "its tools are in there with it"


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
