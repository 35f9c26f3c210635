"""Whole deliveries with agents that have an account, played by a stand-in that prints what the real ones printed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from daemon.agents.claude.claude import ClaudeAgent
from daemon.agents.codex.codex import CodexAgent
from daemon.git.repositories import Repositories
from daemon.session.parking import parking_of
from daemon.session.session_folder import SESSIONS
from domain.directive_settings import AgentChoice, Limits
from domain.errors import CannotServe
from domain.failures import FailureCategory
from domain.models import Question
from domain.questions import question_id
from domain.spawn_task import CommandContext, Outcome, OutcomeStatus, SpawnTask
from domain.statuses import TaskKind
from tests.agents.installed_stand_in import install, starts
from tests.agents.stand_in import Scene, Start
from tests.integration.deliveries import OneDaemon, RememberedDelivery, until

OK = Scene(script="echo hi > hello.txt", stream="claude_ok.jsonl")
SESSION = "20a3091d-52a9-4f7f-ab69-cd2230b61781"
RESETS = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
LIMIT_REACHED = json.dumps(
    {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": RESETS.timestamp()}}
)


class OneAgent:
    """A daemon with an agent that plays scenes; each task is a step."""

    def __init__(self, daemon: OneDaemon, folder: Path) -> None:
        self.daemon = daemon
        self.folder = folder
        self.settings: dict[str, Any] = {}
        self.kind: type[ClaudeAgent | CodexAgent] = ClaudeAgent

    async def does(self, *scenes: Scene, again: bool = False, **fields: Any) -> Outcome:
        """The outcome of a delivery; `again`: by the same daemon process as the one before."""
        program = install(self.folder, *scenes)
        kind = "claude" if self.kind is ClaudeAgent else "codex"
        agent = self.kind.model_validate({"kind": kind, "program": str(program), **self.settings})
        self.daemon.more["agents"] = {"claude": agent}
        command = await self.command(**fields)
        if again:
            return await self.daemon.runner.spawn(command, RememberedDelivery())
        return await self.daemon.does("", TaskKind.STEP, **{name: getattr(command, name) for name in _FIELDS})

    async def command(self, **fields: Any) -> SpawnTask:
        base = await self.daemon.base()
        given = {
            "task": uuid4(),
            "name": "A house: walls",
            "step": uuid4(),
            "step_name": "walls",
            "base_commit": base,
            "target_branch": "makima/walls",
            "agent": AgentChoice(name="claude"),
            "prompt": "Build the walls.",
            "limits": Limits(time=timedelta(minutes=2)),
        }
        return self.daemon.command(TaskKind.STEP, **{**given, **fields})

    def frees_its_account(self) -> None:
        """As `python -m daemon parked --clear` does."""
        parking_of("here", self.daemon.tasks).clear()

    @property
    def starts(self) -> list[Start]:
        return starts(self.folder, Start)

    def log(self) -> str:
        """All that the deliveries have written, in the order in which they began."""
        files = sorted(self.daemon.tasks.glob("*/task/log.txt"), key=lambda file: file.stat().st_mtime)
        return "".join(file.read_text() for file in files)


_ABOUT = ("task", "name", "step", "step_name", "base_commit", "target_branch", "agent", "prompt", "limits", "context")
_FIELDS = (*_ABOUT, "attempt", "resume", "verify")


@pytest.fixture
def agent(tmp_path: Path, repositories: Repositories, origin: Path) -> OneAgent:
    return OneAgent(OneDaemon(tmp_path / "home", repositories, origin), tmp_path / "stand-in")


def prompt_of(start: Start) -> str:
    return start.stdin


def argument(start: Start, name: str) -> str | None:
    return start.argv[start.argv.index(name) + 1] if name in start.argv else None


@pytest.mark.rule("6.9")
async def test_a_step_is_done_told_and_accounted_for(agent: OneAgent) -> None:
    done = await agent.does(OK)
    assert done.status is OutcomeStatus.COMPLETED
    assert done.work
    assert done.work.files_changed == 1
    assert (done.usage.cost_usd, done.usage.tokens) == (0.01212, 3100)
    (start,) = agent.starts
    assert prompt_of(start) == "Build the walls."
    assert not any("Build" in argument for argument in start.argv)
    assert agent.log().splitlines()[-3:] == [
        next(line for line in agent.log().splitlines() if line.startswith("→ Bash: echo hi")),
        "± /repo/worktree/hello.txt",
        "All done. hello.txt created.",
    ]
    assert "{" not in agent.log()
    (raw,) = (agent.daemon.tasks.parent / SESSIONS).glob("*/stream.jsonl")
    assert json.loads(raw.read_text().splitlines()[0])["type"] == "system"


@pytest.mark.rule("5.6")
async def test_a_limit_is_waited_for_and_keeps_other_tasks_of_its_account_away(agent: OneAgent) -> None:
    limited = Scene(
        stream="claude_429.jsonl", lines=1, printed=(LIMIT_REACHED, *_end_of("claude_429.jsonl")), exit_code=1
    )
    waits = await agent.does(limited)
    assert (waits.status, waits.wait_until, waits.failure) == (OutcomeStatus.WAITING, RESETS, None)
    assert waits.resume
    assert waits.resume.session
    for again in (True, False):
        with pytest.raises(CannotServe, match=f"no task of claude until {RESETS:%Y-%m-%d %H:%M} UTC") as refused:
            await agent.does(OK, again=again)
        assert refused.value.until == RESETS, f"{again=}: also after a restart of the daemon"
    assert len(agent.starts) == 1, "nothing was started for the second task"
    assert agent.daemon.runner.parking.now_parked() == (
        f"claude until {RESETS:%Y-%m-%d %H:%M} UTC: its account's limit is reached",
    )


@pytest.mark.rule("5.6")
async def test_a_limit_without_an_end_is_tried_again_soon(agent: OneAgent) -> None:
    waits = await agent.does(Scene(stream="claude_529.jsonl", exit_code=1))
    assert waits.wait_until
    assert timedelta(minutes=4) < waits.wait_until - datetime.now(UTC) <= timedelta(minutes=5)


async def test_a_refused_login_is_one_question_and_its_answer_frees_the_account(agent: OneAgent) -> None:
    refused = Scene(stream="claude_401.jsonl", exit_code=1)
    command = await agent.command()
    first = await agent.does(refused, task=command.task)
    (question,) = first.questions
    assert first.status is OutcomeStatus.WAITING
    assert "claude auth login" not in question.text
    assert f"CLAUDE_CONFIG_DIR={agent.daemon.tasks.parent}/logins/claude-default" in question.text
    with pytest.raises(CannotServe, match="its login is refused"):
        await agent.does(OK, again=True)
    answered = CommandContext(answers=(question.model_copy(update={"answer": "done"}),))
    done = await agent.does(OK, again=True, task=command.task, context=answered)
    assert done.status is OutcomeStatus.COMPLETED
    assert (await agent.does(OK, again=True)).status is OutcomeStatus.COMPLETED


async def test_tasks_that_fail_together_ask_the_same_question(agent: OneAgent) -> None:
    refused = Scene(script="sleep 1", stream="claude_401.jsonl", exit_code=1)
    await agent.does(OK)
    both = await asyncio.gather(*(agent.does(refused, again=True) for _ in range(2)))
    assert both[0].questions[0].id == both[1].questions[0].id


@pytest.mark.rule("6.9")
async def test_a_denied_tool_is_a_warning_where_there_is_work_and_else_a_failure(
    agent: OneAgent,
) -> None:
    denied = Scene(stream="claude_denied.jsonl")
    failed = await agent.does(denied)
    assert failed.failure
    assert failed.failure.category is FailureCategory.DENIED
    assert "Bash: " in failed.failure.report
    done = await agent.does(Scene(script="echo hi > hello.txt", stream="claude_denied.jsonl"))
    assert done.status is OutcomeStatus.COMPLETED
    assert any(warning.startswith("denied: Bash") for warning in done.warnings)


async def test_an_agent_that_crashes_is_resumed_and_then_handed_over_and_then_fails(agent: OneAgent) -> None:
    crashed = Scene(
        script="echo more >> hello.txt", stream="claude_ok.jsonl", lines=3, complaint="panic!\n", exit_code=9
    )
    failed = await agent.does(crashed)
    assert failed.failure
    assert failed.failure.category is FailureCategory.CRASHED
    assert "panic!" in failed.failure.report
    first, resumed, fresh = agent.starts
    assert argument(first, "--resume") is None
    assert argument(resumed, "--resume") == SESSION
    assert "You were interrupted (crashed)" in prompt_of(resumed)
    assert argument(fresh, "--resume") is None
    assert "Another session of you has worked on this task" in prompt_of(fresh)
    assert "Build the walls." in prompt_of(fresh)
    assert "panic!" in prompt_of(fresh), "the end of the log"


async def test_a_context_that_is_too_long_is_handed_over_with_what_was_done(agent: OneAgent) -> None:
    script = "echo mortar >> README; git add -A; git commit -qm mortar"
    done = await agent.does(Scene(script=script, stream="claude_400.jsonl", exit_code=1), OK)
    assert done.status is OutcomeStatus.COMPLETED
    _, fresh = agent.starts
    assert argument(fresh, "--resume") is None
    assert "README | 1 +" in prompt_of(fresh)


@pytest.mark.rule("5.4")
async def test_a_daemon_that_starts_again_resumes_the_session(agent: OneAgent) -> None:
    command = await agent.command()
    cut_off = Scene(script="echo hi > hello.txt", stream="claude_ok.jsonl", lines=3, hang=True)
    dying = asyncio.create_task(agent.does(cut_off, task=command.task))
    await until(lambda: "hello.txt" in agent.log())
    before = agent.starts[0].cwd
    dying.cancel()
    await asyncio.wait({dying})
    # Its own count goes on from what the session had used, as Claude Code's does.
    done = await agent.does(cut_off, Scene(stream="claude_ok.jsonl"), task=command.task)
    assert done.status is OutcomeStatus.COMPLETED
    start = agent.starts[1]
    assert argument(start, "--resume") == SESSION
    assert before != start.cwd
    assert f"it was {before}: use the new path" in prompt_of(start)
    assert start.env["CLAUDE_CONFIG_DIR"] == agent.starts[0].env["CLAUDE_CONFIG_DIR"]


async def test_what_a_session_costs_is_counted_once_over_its_resumes(agent: OneAgent) -> None:
    command = await agent.command()
    cost = _ending(total_cost_usd=0.5, input_tokens=1000)
    waits = await agent.does(
        Scene(script=_ask("Which colour?"), stream="claude_ok.jsonl", lines=1, printed=(cost,)), task=command.task
    )
    assert waits.status is OutcomeStatus.WAITING
    assert waits.usage.cost_usd == 0.5
    answered = CommandContext(answers=(waits.questions[0].model_copy(update={"answer": "blue"}),))
    later = _ending(total_cost_usd=0.8, input_tokens=500)
    done = await agent.does(
        Scene(),
        Scene(script="echo blue > hello.txt", stream="claude_ok.jsonl", lines=1, printed=(later,)),
        task=command.task,
        context=answered,
        resume=waits.resume,
    )
    assert done.status is OutcomeStatus.COMPLETED
    assert (round(done.usage.cost_usd, 6), done.usage.tokens) == (0.8, 1500)
    assert argument(agent.starts[1], "--resume") == SESSION
    assert "Answer: blue" in prompt_of(agent.starts[1])


async def test_what_a_killed_run_used_is_counted_by_what_it_said(agent: OneAgent) -> None:
    agent.settings = {"prices": {"any": {"input": 4, "cached_input": 0.2, "cache_write": 5, "output": 20}}}
    done = await agent.does(Scene(stream="claude_ok.jsonl", lines=4, exit_code=137), OK)
    assert done.status is OutcomeStatus.COMPLETED
    assert argument(agent.starts[1], "--resume") == SESSION
    assert (round(done.usage.cost_usd, 6), done.usage.tokens) == (0.02308, 3042 + 3100)


async def test_a_session_of_another_machine_is_handed_over(agent: OneAgent) -> None:
    waits = await agent.does(Scene(stream="claude_429.jsonl", exit_code=1))
    assert waits.resume
    agent.frees_its_account()
    elsewhere = waits.resume.model_copy(update={"daemon": "far-away"})
    usage = elsewhere.usage.model_copy(update={"cost_usd": 1.0, "tokens": 10, "seconds": 0.0})
    done = await agent.does(OK, OK, task=uuid4(), resume=elsewhere.model_copy(update={"usage": usage}))
    assert "can't go on: it ran on far-away" in prompt_of(agent.starts[1])
    assert (round(done.usage.cost_usd, 5), done.usage.tokens) == (1.01212, 3110)


async def test_an_unknown_session_begins_anew(agent: OneAgent) -> None:
    command = await agent.command()
    await agent.does(Scene(stream="claude_429.jsonl", exit_code=1), task=command.task)
    agent.frees_its_account()
    gone = json.dumps({"type": "result", "subtype": "error_during_execution", "is_error": True, "errors": [_NO_SUCH]})
    done = await agent.does(OK, Scene(printed=(gone,), exit_code=1), OK, task=command.task)
    assert done.status is OutcomeStatus.COMPLETED
    assert [argument(start, "--resume") is not None for start in agent.starts] == [False, True, False]
    assert "Another session of you" in prompt_of(agent.starts[2])


@pytest.mark.rule("6.5")
async def test_a_failed_verification_goes_back_to_the_same_session(agent: OneAgent) -> None:
    done = await agent.does(
        OK, Scene(script="echo ho > hello.txt", stream="claude_ok.jsonl"), verify=("grep ho hello.txt",)
    )
    assert done.status is OutcomeStatus.COMPLETED
    _, again = agent.starts
    assert argument(again, "--resume") == SESSION
    assert "A check of your work fails" in prompt_of(again)
    assert "Build the walls." not in prompt_of(again)


@pytest.mark.rule("5.7")
async def test_a_step_that_costs_too_much_fails_and_is_not_started_again(agent: OneAgent) -> None:
    limits = Limits(time=timedelta(minutes=2), turns=7, cost_usd=0.02)
    failed = await agent.does(Scene(stream="claude_max_budget.jsonl", exit_code=1), limits=limits)
    assert failed.failure
    assert failed.failure.category is FailureCategory.BUDGET
    (start,) = agent.starts
    assert (argument(start, "--max-turns"), argument(start, "--max-budget-usd")) == ("7", "0.0200")


@pytest.mark.rule("6.7")
async def test_work_that_came_to_its_limit_of_turns_is_saved_and_what_follows_is_said(
    agent: OneAgent, git: Callable[..., str], origin: Path
) -> None:
    script = "echo mortar >> README; git commit -qam mortar; echo half > half.txt"
    failed = await agent.does(Scene(script=script, stream="claude_max_turns.jsonl", exit_code=1))
    assert failed.failure
    assert re.search(r"`python -m daemon restore [0-9a-f-]{36}` lays it out", failed.failure.report)
    (saved,) = git(origin, "for-each-ref", "--format=%(refname)", "refs/makima/").splitlines()
    assert git(origin, "show", f"{saved}^:half.txt") == "half"
    assert "mortar" in git(origin, "show", f"{saved}^:README")


async def test_an_agent_that_goes_on_after_its_final_event_is_waited_for(agent: OneAgent) -> None:
    goes_on = (_background(1), _ending(0.1, 10), _background(0), _calls("make test"))
    crashed = Scene(stream="claude_ok.jsonl", lines=1, printed=goes_on, exit_code=9)
    done = await agent.does(crashed, OK)
    assert done.status is OutcomeStatus.COMPLETED
    assert len(agent.starts) == 2, "its first final event was not the last word"
    assert "You were interrupted (crashed)" in prompt_of(agent.starts[1])


async def test_a_program_that_is_being_replaced_uses_no_attempt(agent: OneAgent) -> None:
    with pytest.raises(CannotServe, match="can't be started"):
        await agent.does(Scene(complaint="env: node: No such file or directory\n", exit_code=127))
    gone = Scene(script=f"rm {agent.folder}/agent", exit_code=127)
    with pytest.raises(CannotServe, match="is not installed"):
        await agent.does(gone, gone)


async def test_what_a_killed_agent_had_complained_about_is_not_why_it_ended(agent: OneAgent) -> None:
    noise = "mcp: connection timed out, unauthorized\n"
    failed = await agent.does(Scene(stream="claude_ok.jsonl", lines=2, complaint=noise, exit_code=137))
    assert failed.failure
    assert failed.failure.category is FailureCategory.CRASHED


async def test_lines_of_any_size_and_bytes_of_any_kind_harm_nothing(agent: OneAgent) -> None:
    done = await agent.does(Scene(script="echo hi > hello.txt", noise=10_000_000, stream="claude_ok.jsonl"))
    assert done.status is OutcomeStatus.COMPLETED
    assert done.usage.tokens == 3100
    assert "[a line of 10000" in agent.log()


async def test_a_resumed_session_gets_what_is_left(agent: OneAgent) -> None:
    limits = Limits(time=timedelta(minutes=2), turns=7, cost_usd=0.02)
    crashed = Scene(stream="claude_ok.jsonl", exit_code=9)
    await agent.does(crashed, OK, limits=limits)
    _, resumed = agent.starts
    assert (argument(resumed, "--max-turns"), argument(resumed, "--max-budget-usd")) == ("5", "0.0079")


async def test_leave_that_a_person_gives_in_time_goes_to_the_waiting_agent(agent: OneAgent) -> None:
    agent.settings = {"permissions": "ask"}
    command = await agent.command()
    text = f"May the agent of {command.name!r} use Bash? git push"
    agent.daemon.delivery.replies[text] = "allow"
    done = await agent.does(
        Scene(script="echo hi > hello.txt", printed=(_asks("git push"), *_end_of("claude_ok.jsonl"))), task=command.task
    )
    assert done.status is OutcomeStatus.COMPLETED
    (start,) = agent.starts
    assert json.loads(start.stdin)["message"]["content"] == "Build the walls."
    (answer,) = [json.loads(line) for line in start.answers]
    assert answer["response"]["response"] == {"behavior": "allow", "updatedInput": {"command": "git push"}}
    assert [question.choices for question in agent.daemon.delivery.asked] == [("allow", "deny")]


async def test_leave_that_was_given_before_is_given_again_at_once(agent: OneAgent) -> None:
    agent.settings = {"permissions": "ask"}
    command = await agent.command()
    question = _question(command.task, f"May the agent of {command.name!r} use Bash? git push", answer="deny")
    scene = Scene(script="echo hi > hello.txt", printed=(_asks("git push"), *_end_of("claude_ok.jsonl")))
    await agent.does(scene, task=command.task, context=CommandContext(answers=(question,)))
    (answer,) = [json.loads(line) for line in agent.starts[0].answers]
    assert answer["response"]["response"] == {"behavior": "deny", "message": "A person has answered: deny"}
    assert agent.daemon.delivery.asked == []


async def test_codex_is_resumed_and_counted_by_its_thread(agent: OneAgent) -> None:
    agent.kind = CodexAgent
    done = await agent.does(
        Scene(stream="codex_ok.jsonl", lines=3, exit_code=1),
        Scene(script="echo hi > hello.txt", stream="codex_ok.jsonl"),
    )
    assert done.status is OutcomeStatus.COMPLETED
    assert done.usage.tokens == 2100
    first, second = agent.starts
    assert (first.argv[:2], first.argv[-1]) == (["exec", "--json"], "-")
    assert second.argv[-3:] == ["resume", "01a203fa-0bf0-7b02-98cf-70c27209f66a", "-"]
    home = Path(second.env["CODEX_HOME"])
    login = agent.daemon.tasks.parent / "logins" / "codex-default"
    assert await asyncio.to_thread((home / "auth.json").readlink) == login / "auth.json"


async def test_codex_which_counts_no_turns_is_stopped_after_as_many_tools(agent: OneAgent) -> None:
    agent.kind = CodexAgent
    scene = Scene(stream="codex_ok.jsonl", lines=4, hang=True)
    failed = await agent.does(scene, limits=Limits(time=timedelta(minutes=2), turns=1))
    assert failed.failure
    assert failed.failure.category is FailureCategory.BUDGET


PRICES = {"any": {"input": 4, "cached_input": 0.2, "output": 20}}
ANSWER = 0.00386
"""What one answer of the recorded Codex costs by them, in USD."""


def _thread(answers: int, copies: int = 0) -> str:
    """A script that writes the file of a thread with so many answers, some of them once more in a file of its own."""
    usage = {"input_tokens": 1000, "cached_input_tokens": 300, "output_tokens": 50}
    lines = [
        json.dumps({"type": "token_usage_record", "payload": {"response_id": f"r{number}", "usage": usage}})
        for number in range(answers)
    ]
    whole, copied = "\n".join(lines), "\n".join(lines[:copies])
    folder = 'mkdir -p "$CODEX_HOME/sessions/2026"; cd "$CODEX_HOME/sessions/2026"'
    return f"{folder}; echo '{whole}' >> rollout-a.jsonl; echo '{copied}' > rollout-b.jsonl"


@pytest.mark.rule("5.7")
async def test_codex_which_knows_no_prices_is_stopped_at_its_cost_by_those_of_the_settings(agent: OneAgent) -> None:
    agent.kind, agent.settings = CodexAgent, {"prices": PRICES}
    scene = Scene(script=_thread(3, copies=2), stream="codex_ok.jsonl", lines=4, hang=True)
    failed = await agent.does(scene, limits=Limits(time=timedelta(minutes=2), cost_usd=0.01))
    assert failed.failure
    assert failed.failure.category is FailureCategory.BUDGET
    assert failed.failure.report.startswith("it has cost 0.01 of 0.01 USD\n")
    assert (round(failed.usage.cost_usd, 6), failed.usage.tokens) == (round(3 * ANSWER, 6), 3150)
    assert not failed.warnings
    assert len(agent.starts) == 1


async def test_what_a_killed_run_of_codex_used_is_counted_once(agent: OneAgent) -> None:
    agent.kind, agent.settings = CodexAgent, {"prices": PRICES}
    killed = Scene(script=_thread(2), stream="codex_ok.jsonl", lines=3, exit_code=137)
    done = await agent.does(killed, Scene(script="echo hi > hello.txt; " + _thread(1), stream="codex_ok.jsonl"))
    assert done.status is OutcomeStatus.COMPLETED
    assert done.usage.tokens == 3 * 1050


async def test_a_limit_of_cost_that_nobody_can_keep_is_refused_before_anything_is_spent(agent: OneAgent) -> None:
    agent.kind = CodexAgent
    scene = Scene(script="echo hi > hello.txt", stream="codex_ok.jsonl")
    limits = Limits(time=timedelta(minutes=2), cost_usd=5)
    with pytest.raises(CannotServe, match="--max-cost can't be kept: no price is known for its model"):
        await agent.does(scene, limits=limits)
    assert not agent.starts
    agent.settings = {"prices": PRICES}
    done = await agent.does(scene, limits=limits)
    assert (done.status, done.usage.cost_unknown) == (OutcomeStatus.COMPLETED, False)


@pytest.mark.parametrize(("prices", "known"), [(PRICES, True), ({}, False)])
async def test_what_a_killed_run_cost_is_estimated_or_unknown_and_never_nothing(
    agent: OneAgent, prices: dict[str, Any], known: bool
) -> None:
    agent.settings = {"prices": prices}
    killed = Scene(script="echo hi > hello.txt", stream="claude_ok.jsonl", lines=4, exit_code=137)
    done = await agent.does(killed, OK)
    assert done.status is OutcomeStatus.COMPLETED
    assert done.usage.cost_unknown is not known
    assert done.usage.cost_usd >= 0.01212, "what the second run has told"
    assert done.resume and done.resume.usage.cost_unknown is not known, "and so a later delivery on another machine"


_NO_SUCH = "No conversation found with session ID: 198927ee"


def _end_of(name: str) -> tuple[str, ...]:
    return tuple((Path(__file__).parents[1] / "fixtures" / "agent_streams" / name).read_text().splitlines()[-1:])


def _ending(total_cost_usd: float, input_tokens: int) -> str:
    usage = {"input_tokens": input_tokens}
    return json.dumps({"type": "result", "subtype": "success", "total_cost_usd": total_cost_usd, "usage": usage})


def _background(count: int) -> str:
    return json.dumps({"type": "system", "subtype": "background_tasks_changed", "tasks": [{"task_id": "b"}] * count})


def _calls(command: str) -> str:
    block = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": command}}
    return json.dumps({"type": "assistant", "message": {"id": "m", "content": [block]}})


def _asks(command: str) -> str:
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}}
    return json.dumps({"type": "control_request", "request_id": "r1", "request": request})


def _ask(text: str) -> str:
    return f'makima directive ask "{text}" --wait-seconds 0 || true'


def _question(task: UUID, text: str, **fields: Any) -> Question:
    return Question(id=question_id(task, text), task=task, text=text, **fields)
