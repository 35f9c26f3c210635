"""Whole deliveries with an agent that speaks the Agent Client Protocol, played by a stand-in, well and badly."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.agents.acp.acp import AcpAgent
from daemon.git.repositories import Repositories
from daemon.session.session_folder import SESSIONS
from domain.directive_settings import AgentChoice, Limits
from domain.errors import CannotServe
from domain.failures import FailureCategory
from domain.spawn_task import Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.agents.acp_stand_in import SESSION, Scene, Start
from tests.agents.installed_stand_in import install, starts
from tests.integration.deliveries import OneDaemon, until

WORK = "echo hi > hello.txt"
TOOL = {"sessionUpdate": "tool_call", "toolCallId": "1", "kind": "execute", "rawInput": {"command": WORK}}
COST = {"sessionUpdate": "usage_update", "cost": {"amount": 0.25, "currency": "USD"}}
SAYS = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "All done."}}
USAGE = {"inputTokens": 1000, "outputTokens": 50, "totalTokens": 1050}
OK = Scene(script=WORK, updates=(TOOL, COST, SAYS), stop={"stopReason": "end_turn", "usage": USAGE})


class OneAgent:
    """A daemon with an agent that plays scenes; each task is a step."""

    def __init__(self, daemon: OneDaemon, folder: Path) -> None:
        self.daemon = daemon
        self.folder = folder
        self.profile: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}

    async def does(self, *scenes: Scene, **fields: Any) -> Outcome:
        """The outcome of a delivery, each to a daemon that was started again."""
        program = install(self.folder, *scenes)
        profile = {"command": [str(program), "acp"], **self.profile}
        agent = AcpAgent.model_validate({"kind": "acp", "profile": profile, "permissions": "allow", **self.settings})
        self.daemon.more["agents"] = {"mine": agent}
        given: dict[str, Any] = {
            "task": uuid4(),
            "name": "A house: walls",
            "step": uuid4(),
            "step_name": "walls",
            "base_commit": await self.daemon.base(),
            "target_branch": "makima/walls",
            "agent": AgentChoice(name="mine"),
            "prompt": "Build the walls.",
            "limits": Limits(time=timedelta(minutes=2)),
        }
        return await self.daemon.does("", TaskKind.STEP, **{**given, **fields})

    @property
    def starts(self) -> list[Start]:
        return starts(self.folder, Start)

    def log(self) -> str:
        files = sorted(self.daemon.tasks.glob("*/task/log.txt"), key=lambda file: file.stat().st_mtime)
        return "".join(file.read_text() for file in files)


def has_phase(agent: OneAgent, end: str) -> bool:
    return any(beat.phase.endswith(end) for beat in agent.daemon.delivery.beats)


@pytest.fixture
def agent(tmp_path: Path, repositories: Repositories, origin: Path) -> OneAgent:
    return OneAgent(OneDaemon(tmp_path / "home", repositories, origin), tmp_path / "stand-in")


@pytest.mark.rule("6.9")
async def test_a_step_is_done_logged_and_accounted_for(agent: OneAgent) -> None:
    agent.settings = {"arguments": ["--quiet"], "env": {"COLOUR": "red"}}
    agent.profile = {"env": {"ITS_HOME": "{state}/its"}}
    done = await agent.does(OK)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.work and done.work.files_changed == 1
    assert (done.usage.cost_usd, done.usage.tokens) == (0.25, 1050)
    (start,) = agent.starts
    assert start.argv == ["acp", "--quiet"]
    assert start.methods == ["initialize", "session/new", "session/prompt"]
    (server,) = start.params("session/new")["mcpServers"]
    assert (server["name"], server["args"]) == ("makima", ["mcp"])
    assert start.params("session/prompt")["prompt"] == [{"type": "text", "text": "Build the walls."}]
    assert start.env["COLOUR"] == "red"
    assert Path(start.env["ITS_HOME"]).is_relative_to(agent.daemon.tasks.parent / SESSIONS)
    assert start.has_read_all, "it ended by the end of its stdin, not by a signal"
    assert agent.log().splitlines()[-2:] == [f"→ execute: {WORK}", "All done."]


@pytest.mark.rule("6.11")
async def test_the_plan_and_the_tools_that_it_tells_are_its_phase(agent: OneAgent, tmp_path: Path) -> None:
    go = tmp_path / "go"
    entries = [{"content": "look", "status": "completed"}, {"content": "paint it", "status": "in_progress"}]
    plan = {"sessionUpdate": "plan", "entries": entries}
    works = f"{WORK}; while test ! -e {go}; do sleep 0.1; done"
    for update, phase in ((plan, ": paint it"), (TOOL, ": execute")):
        running = asyncio.create_task(
            agent.does(Scene(updates=(update,), script=works), pulse=timedelta(milliseconds=100))
        )
        await until(partial(has_phase, agent, phase))
        go.touch()
        assert (await running).status is OutcomeStatus.COMPLETED
        go.unlink()
    assert "▸ paint it" in agent.log()


@pytest.mark.rule("6.9")
@pytest.mark.parametrize("allowed", [True, False])
async def test_what_is_not_on_the_list_is_refused_without_a_sandbox(agent: OneAgent, allowed: bool) -> None:
    agent.settings = {"permissions": "allow" if allowed else "deny"}
    done = await agent.does(Scene(leave={"kind": "execute", "rawInput": {"command": WORK}}, script=WORK))
    assert (done.status is OutcomeStatus.COMPLETED) is allowed
    if not allowed:
        assert done.failure and f"denied: execute: {WORK}" in done.warnings


@pytest.mark.rule("5.6")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 429, "message": "Too many requests"}, "limit is reached"),
        ({"code": -32603, "message": "Selected model is at capacity"}, "limit is reached"),
    ],
)
async def test_a_limit_is_waited_for_and_parks_the_account(agent: OneAgent, error: Any, reason: str) -> None:
    waits = await agent.does(Scene(errors={"session/prompt": error}))
    assert (waits.status, waits.failure) == (OutcomeStatus.WAITING, None)
    assert waits.wait_until
    with pytest.raises(CannotServe, match=reason):
        await agent.does(OK)
    assert len(agent.starts) == 1, "nothing was started for the second task"


@pytest.mark.rule("5.6")
@pytest.mark.parametrize("method", ["session/new", "session/prompt"])
async def test_a_refused_login_is_one_question_with_its_remedy(agent: OneAgent, method: str) -> None:
    agent.profile = {"log_in": "ITS_HOME={login} agent login"}
    refused = {"code": -32000, "message": "Authentication required"}
    waits = await agent.does(Scene(errors={method: refused}))
    assert waits.status is OutcomeStatus.WAITING
    (question,) = waits.questions
    assert f"ITS_HOME={agent.daemon.tasks.parent}/logins/acp-agent-default agent login" in question.text
    assert "Authentication required" in question.text


@pytest.mark.rule("5.6")
async def test_silence_while_the_model_is_waited_for_is_a_limit(agent: OneAgent) -> None:
    agent.settings["silence_seconds"] = 1
    waits = await agent.does(Scene(silent_at="session/prompt", stays=True))
    assert (waits.status, waits.failure) == (OutcomeStatus.WAITING, None)
    assert waits.wait_until and "its model has not answered for 1 s" in waits.summary
    (parked,) = agent.daemon.runner.parking.now_parked()
    assert "limit is reached" in parked


@pytest.mark.rule("5.3")
async def test_a_session_is_gone_on_with_by_the_next_delivery(agent: OneAgent) -> None:
    limited = Scene(updates=(TOOL, COST), errors={"session/prompt": {"code": 429, "message": "Too many requests"}})
    task = uuid4()
    waits = await agent.does(limited, task=task)
    assert waits.status is OutcomeStatus.WAITING and waits.resume and waits.resume.session == SESSION
    agent.daemon.runner.parking.clear()
    more = Scene(script=WORK, updates=({**COST, "cost": {"amount": 0.4, "currency": "USD"}},))
    done = await agent.does(limited, more, task=task, resume=waits.resume)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.usage.cost_usd == 0.4, "what its session has cost, once"
    _, second = agent.starts
    assert second.methods == ["initialize", "session/resume", "session/prompt"]


async def test_one_that_dies_within_its_turn_is_resumed_once(agent: OneAgent) -> None:
    done = await agent.does(Scene(dies="session/prompt"), OK)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    first, second = agent.starts
    assert first.methods == ["initialize", "session/new", "session/prompt"]
    assert second.methods == ["initialize", "session/resume", "session/prompt"]
    assert second.params("session/resume")["sessionId"] == SESSION
    assert "You were interrupted" in second.params("session/prompt")["prompt"][0]["text"]


async def test_a_session_that_can_not_be_loaded_is_followed_by_a_new_one(agent: OneAgent) -> None:
    gone = Scene(resumes=False, errors={"session/load": {"code": -32002, "message": "Resource not found"}})
    done = await agent.does(Scene(dies="session/prompt"), gone, OK)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    _, second, third = agent.starts
    assert second.methods == ["initialize", "session/load"]
    assert third.methods == ["initialize", "session/new", "session/prompt"]
    prompt = third.params("session/prompt")["prompt"][0]["text"]
    assert prompt.startswith("## You take over") and prompt.endswith("Build the walls.")


@pytest.mark.rule("6.10")
async def test_a_turn_is_cancelled_by_the_protocol_before_any_signal(agent: OneAgent) -> None:
    agent.settings["silence_seconds"] = 3600
    running = asyncio.create_task(agent.does(Scene(silent_at="session/prompt"), limits=Limits(time=timedelta(hours=1))))
    await until(lambda: bool(agent.starts) and "session/prompt" in agent.starts[0].methods)
    running.cancel()
    await asyncio.wait({running})
    (start,) = agent.starts
    assert start.methods[-1] == "session/cancel"
    assert start.received[-1]["params"] == {"sessionId": SESSION}


@pytest.mark.rule("5.4")
@pytest.mark.parametrize(
    ("scene", "seconds", "reason"),
    [
        (Scene(dies="initialize"), 600, "exit code 3 before it had opened a session: it is broken"),
        (Scene(dies="session/new"), 600, "exit code 3 before it had opened a session: it is broken"),
        (Scene(version=2), 600, "it speaks version 2 of the Agent Client Protocol, and Makima version 1"),
        (Scene(silent_at="initialize", stays=True), 1, "nothing came in answer to initialize within 1 s"),
        (Scene(first="no such option", silent_at="initialize"), 1, "nothing came in answer to initialize"),
        (Scene(errors={"session/new": {"code": -32603, "message": "no\ngood"}}), 600, "refuses session/new: no good"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_one_that_can_not_be_talked_to_uses_no_attempt_and_hangs_nothing(
    agent: OneAgent, scene: Scene, seconds: float, reason: str
) -> None:
    agent.profile = {"answer_seconds": seconds}
    async with asyncio.timeout(120):
        with pytest.raises(CannotServe) as refused:
            await agent.does(scene)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not agent.daemon.runner.running


async def test_a_hundred_megabytes_in_one_frame_are_passed_over(agent: OneAgent) -> None:
    done = await agent.does(Scene(noise=100_000_000, script=WORK))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert "[a line of 100000001 characters]" in agent.log()


async def test_the_end_of_a_turn_is_no_success_without_work(agent: OneAgent) -> None:
    done = await agent.does(Scene(updates=(SAYS,)))
    assert done.status is OutcomeStatus.FAILED
    assert done.failure and done.failure.category is not FailureCategory.CRASHED


async def test_a_limit_of_cost_is_kept_by_what_it_tells(agent: OneAgent) -> None:
    agent.profile = {"tells_cost": True}
    done = await agent.does(
        Scene(updates=({**COST, "cost": {"amount": 2, "currency": "USD"}},), silent_at="nothing", script="sleep 60"),
        limits=Limits(time=timedelta(minutes=2), cost_usd=1),
    )
    assert done.failure and done.failure.category is FailureCategory.BUDGET
    assert "it has cost 2.00 of 1.00 USD" in done.failure.report


async def test_what_it_costs_is_said_to_be_unknown_where_nobody_knows_it(agent: OneAgent) -> None:
    silent, counted = Scene(script=WORK, updates=(TOOL,)), {"stopReason": "end_turn", "usage": USAGE}
    done = await agent.does(silent)
    (warning,) = done.warnings
    assert warning.startswith("what it costs is not known: no price")
    assert (done.usage.cost_usd, done.usage.cost_unknown) == (0, True)
    tells = await agent.does(Scene(script=WORK, updates=(TOOL,), stop=counted))
    assert (tells.usage.tokens, tells.usage.cost_unknown) == (1050, True)
    agent.profile = {"tells_cost": True}
    done = await agent.does(silent)
    assert done.usage.cost_unknown, "its profile says that it tells, and it has not"
    done = await agent.does(OK)
    assert (done.usage.cost_usd, done.usage.cost_unknown, done.warnings) == (0.25, False, ())
    agent.profile, agent.settings["prices"] = {}, {"any": {"input": 1, "output": 2}}
    done = await agent.does(Scene(script=WORK, updates=(TOOL,), stop=counted))
    assert (done.usage.cost_usd > 0, done.usage.cost_unknown, done.warnings) == (True, False, ())


async def test_a_limit_of_cost_that_nobody_can_keep_is_refused_before_anything_is_spent(agent: OneAgent) -> None:
    with pytest.raises(CannotServe, match="--max-cost can't be kept: no price is known for its model"):
        await agent.does(OK, limits=Limits(time=timedelta(minutes=2), cost_usd=1))
    assert not agent.starts
