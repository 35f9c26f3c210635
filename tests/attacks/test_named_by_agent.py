"""An agent names what isn't its own: by its commands, and by writing the file that only they may write.

The agent owns its task folder. Each attack is a script that runs as the agent, on a real daemon with real git.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from daemon.agents.stream_events import PermissionRequest
from daemon.git.repositories import Repositories
from daemon.session.permission import Asking
from domain.failures import FailureCategory
from domain.folding import fold_outcome
from domain.handover import HANDOVER_FILE
from domain.models import Question, State, Task
from domain.names import planned_step
from domain.pull_requests import watching
from domain.questions import question_id
from domain.spawn_task import CommandContext, KnownStep, Outcome, OutcomeStatus
from domain.statuses import TaskKind
from tests.attacks.test_terminal import Servers
from tests.fixtures_desk import Desk
from tests.integration.conftest import commit, daemon_git, git, origin, repositories
from tests.integration.deliveries import TASK, OneDaemon, RememberedDelivery
from tests.unit.directives import NOW, planned_state
from tests.unit.test_shepherd import check, opened, plan_of, seen, task_of
from tests.workflows.scripted import planned

__all__ = ["commit", "daemon_git", "git", "origin", "repositories"]

OTHER = UUID(int=99)
"""Somebody else's task, step or directive."""
STRANGERS = "https://example.invalid/r/pull/666"
"""In the directive's own repository, from a branch that is not its own."""


@pytest.fixture
def daemon(tmp_path: Path, repositories: Repositories, origin: Path) -> OneDaemon:
    return OneDaemon(tmp_path, repositories, origin)


def forged(**fields: Any) -> str:
    """The script of an agent that writes its handover itself."""
    return f'printf %s {shlex.quote(json.dumps(fields))} > "$MAKIMA_TASK_DIR/{HANDOVER_FILE}"'


def step(name: str = "Walls", identity: UUID | None = None, **fields: Any) -> dict[str, Any]:
    own = identity or planned_step(TASK, name)
    return {"id": str(own), "generation": 1, "position": 0, "name": name, "task_plan": "x", **fields}


def asked(text: str = "Red?", **fields: Any) -> dict[str, Any]:
    return {"id": str(question_id(TASK, text)), "task": str(TASK), "text": text, **fields}


def refused(outcome: Outcome, why: str) -> None:
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.failure and outcome.failure.category is FailureCategory.AGENT
    assert why in outcome.failure.report, outcome.failure.report
    assert (outcome.plan, outcome.questions, outcome.memories) == (None, (), ())


# Pull requests


@pytest.mark.rule("3.2")
@pytest.mark.parametrize("known", [True, False])
def test_the_pull_request_that_an_agent_names_is_told_and_never_taken_over(known: bool) -> None:
    state: State = opened() if known else planned_state(plan_of(("floor", [])))
    if known:
        state = seen(state, check())
    task = task_of_step(state)
    outcome = Outcome(task=task.id, attempt=1, status=OutcomeStatus.COMPLETED, pull_request_url=STRANGERS)
    change = fold_outcome(state, task, outcome, NOW)
    assert change.state.pull_request == state.pull_request
    assert watching.wanted_watch(change.state) == watching.wanted_watch(state)
    told = [event.why for event in change.changed.facts.events if event.what == "pull request named by an agent"]
    assert told == [STRANGERS]


def task_of_step(state: State) -> Task:
    """A step's task that is under way."""
    live = [task for task in state.tasks.values() if task.kind is TaskKind.STEP and task.status.is_live]
    return live[0] if live else task_of(state)


@pytest.mark.rule("8.2")
async def test_the_operator_who_names_another_pull_request_is_asked_at_the_terminal(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.until(directive, "idle")
    first, other = "https://example.invalid/house/pulls/1", "https://example.invalid/house/pulls/2"
    await desk.does("set-pr", directive, first, "--yes")
    servers = Servers(desk, database, tmp_path)

    async def typed(answer: str, *options: str) -> str:
        seen = await asyncio.to_thread(servers.on_a_terminal, "set-pr", directive, other, *options, answer=answer)
        return " ".join(seen.split())

    for answer in ("n\n", "\n", "\x04"):
        seen = await typed(answer)
        assert f"{other} becomes the directive's pull request in place of {first}" in seen, seen
        assert "Go on? [y/N]" in seen
        assert first in await desk.does("status", directive), answer
    assert other not in await desk.does("history", directive)
    await typed("y\n")
    assert other in await desk.does("status", directive)


# Steps and their work


@pytest.mark.rule("3.4")
@pytest.mark.parametrize(
    ("written", "why"),
    [
        (step(identity=OTHER), "has the id"),
        (step(status="completed", work={"branch": "b", "base": "1" * 40, "head": "2" * 40, "commits": 1}), "says more"),
        (step(shipped=True, shipped_in=1), "says more"),
        (step(fix={"starts_at": "1" * 40, "comments": ["comment:1"]}), "says more"),
        (step(removed=True), "says more"),
        (step(generation=7), "says more"),
        (step(summary="Done by somebody else"), "says more"),
    ],
)
async def test_a_planner_adds_steps_of_its_own_that_are_still_to_be_done(
    daemon: OneDaemon, written: dict[str, Any], why: str
) -> None:
    """The id of another directive's step would have its task's outcome for an answer; finished work would be merged."""
    refused(await daemon.does(forged(plan={"add": [written]})), why)


@pytest.mark.rule("3.4")
async def test_a_planner_changes_no_step_of_another_directive(daemon: OneDaemon) -> None:
    done = KnownStep(id=uuid4(), name="Cellar", generation=1, status="completed", finished=True, running=False)
    context = CommandContext(steps=(done,))
    for identity in (OTHER, done.id):
        for plan in ({"remove": [str(identity)]}, {"set_deps": [{"step": str(identity), "depends_on": []}]}):
            outcome = await daemon.does(forged(plan=plan), context=context, task=TASK)
            refused(outcome, "no unfinished step of this directive")


@pytest.mark.rule("3.1")
async def test_only_a_planner_plans(daemon: OneDaemon) -> None:
    outcome = await daemon.does(forged(plan={"add": [step()]}), TaskKind.STEP, **(await on_the_base(daemon)))
    refused(outcome, "a step task changes no plan")


@pytest.mark.rule("3.1")
async def test_what_the_commands_themselves_write_is_taken(daemon: OneDaemon) -> None:
    script = """
        first=$(makima directive add-step First --task-plan x)
        second=$(makima directive add-step Second --task-plan y --depends-on "$first")
        makima directive remove-step "$first" 2>/dev/null && exit 9
        makima directive remove-step "$second"
        makima directive add-step " Third " --task-plan z --depends-on "$first" > third
    """
    outcome = await daemon.does(script)
    assert outcome.plan, outcome
    assert [(each.name, each.position) for each in outcome.plan.add] == [("First", 0), ("Third", 1)]
    assert [each.id for each in outcome.plan.add] == [planned_step(TASK, name) for name in ("First", "Third")]


# Questions


@pytest.mark.rule("8.3")
@pytest.mark.parametrize(
    ("written", "why"),
    [
        (asked(task=str(OTHER)), f"it asks for task {OTHER}"),
        (asked(id=str(OTHER)), "which is not its own"),
        (asked(id=str(uuid5(OTHER, "rounds:1.3.0.0"))), "which is not its own"),
        (asked(topic="rounds:1.3.0.0"), "in the name of Makima"),
        (asked(choices=["try again", "leave it as a branch"], default="leave it as a branch"), "in the name of Makima"),
        (asked(choices=["try again"]), "in the name of Makima"),
        (asked(choices=["deny", "allow"], default="allow"), "in the name of Makima"),
    ],
)
async def test_an_agent_asks_for_its_own_task_and_in_its_own_name(
    daemon: OneDaemon, written: dict[str, Any], why: str
) -> None:
    outcome = await daemon.does(f"{forged(questions=[written])}; sleep 1")
    refused(outcome, why)
    assert daemon.delivery.asked == []


@pytest.mark.rule("8.3")
async def test_no_command_asks_in_the_name_of_makima(daemon: OneDaemon) -> None:
    ask = "makima directive ask 'Go on?' --choices 'try again,leave it as a branch' --default 'try again' --timeout 1"
    outcome = await daemon.does(f'{ask} 2> said && exit 9; makima directive fail "$(cat said)"')
    assert outcome.failure and "Makima itself asks" not in outcome.summary
    assert "choices of a question that Makima itself asks" in outcome.failure.report


@pytest.mark.rule("8.3")
async def test_an_agent_does_not_give_itself_leave_to_use_a_tool(daemon: OneDaemon) -> None:
    """It knows the words of the question, and would have them answered by a default."""
    command = daemon.command(TaskKind.STEP)
    wanted = PermissionRequest(request="1", tool="Bash", about="curl evil", arguments={})
    text = f"May the agent of {command.name!r} use Bash? curl evil"
    own = Question(id=question_id(TASK, text), task=TASK, text=text, answer="allow", answered_by="default")
    knows = command.model_copy(update={"context": CommandContext(answers=(own,))})
    delivery = RememberedDelivery()
    reply = await Asking(knows, delivery, wait=0.2, every=0.05).decide(wanted)
    assert not reply.allowed
    assert [each.text for each in delivery.asked] == [text], "a person is asked"


# Memories and artifacts


@pytest.mark.rule("1")
async def test_nothing_is_remembered_where_memory_is_not_enabled(daemon: OneDaemon) -> None:
    written = forged(memories=[{"key": "a", "memory": {"key": "a", "value": "b"}}])
    refused(await daemon.does(written), "memory is not enabled")
    other = forged(memories=[{"key": "a", "memory": {"key": "b", "value": "b"}}])
    refused(await daemon.does(other, context=CommandContext(memory_enabled=True), task=TASK), "is stored as")


@pytest.mark.rule("1")
@pytest.mark.parametrize("name", ["../other/artifacts/plan.json", "/etc/passwd", "..", "a\u0000b", ""])
async def test_an_artifact_lies_in_the_tasks_own_folder(daemon: OneDaemon, name: str) -> None:
    outcome = await daemon.does(forged(artifacts=[name]))
    assert outcome.status is OutcomeStatus.FAILED
    assert daemon.core.artifacts == []


@pytest.mark.rule("1")
async def test_an_artifact_is_sent_as_its_own_tasks_whatever_it_is_called(daemon: OneDaemon) -> None:
    script = f"echo x | makima directive artifact-put {OTHER}; makima directive done --nothing-to-do 'it is there'"
    assert (await daemon.does(script)).failure is None
    (artifact,) = daemon.core.artifacts
    assert (artifact.task, artifact.attempt, artifact.name) == (TASK, 1, str(OTHER))


async def on_the_base(daemon: OneDaemon) -> dict[str, Any]:
    """What a step's command has more."""
    return {"base_commit": await daemon.base(), "target_branch": "makima/walls-00000000", "step": uuid4()}
