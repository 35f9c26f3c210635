"""Every reason for a pause names the commands that help, and they help: typed as they stand, the directive goes on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable, Mapping

import pytest

from domain.failures import FailureCategory, RepositoryTrouble
from domain.pausing import OF_CATEGORY, PauseReason
from domain.spawn_task import Outcome, SpawnTask, failed
from domain.statuses import DirectiveStatus
from domain.usage import Usage
from tests.fixtures_desk import Desk
from tests.workflows.scripted import planned, until

pytestmark = pytest.mark.rule("8.2")
Ending = Callable[[SpawnTask], Awaitable[Outcome]]
PUT_IN = {"NAME": "another", "STEP": "floor", "COMMAND": "true", "USD": "5", "N": "50", "BUDGET": "20usd"}
PUT_IN |= {"…": "smaller steps"}
"""What an operator puts in the place of words in capitals."""
PLANNERS = (PauseReason.NO_STEPS, PauseReason.PLAN, PauseReason.AUTH, PauseReason.AGENT, PauseReason.REPOSITORY)
"""Reasons that a planning task has; the others are a completion's."""


def fails(desk: Desk, of_task: str, category: FailureCategory, trouble: RepositoryTrouble | None = None) -> None:
    """The task fails until its directive was paused for it, and then is done."""

    async def ending(command: SpawnTask) -> Outcome:
        return failed(command, category, "it is not as it should be").model_copy(update={"trouble": trouble})

    desk.daemon.endings[of_task] = ending


async def paused_for(desk: Desk, reason: PauseReason) -> str:
    """A directive that pauses for this reason, and whose trouble is over as soon as somebody has looked at it."""
    desk.daemon.plans = [planned(("floor", []))] * 3
    of_task = "planning" if reason in PLANNERS else "completion"
    match reason:
        case PauseReason.OPERATOR:
            desk.daemon.hold("floor")
            directive = await desk.start()
            await desk.daemon.arrived["floor"].wait()
            await desk.does("pause", directive)
            desk.daemon.holds["floor"].set()
        case PauseReason.NO_STEPS:
            desk.daemon.plans.insert(0, [])
            directive = await desk.start()
        case PauseReason.SPENT:
            desk.daemon.uses = {"planning": Usage(cost_usd=2, tokens=1000, seconds=1)}
            directive = await desk.start("--budget", "1usd")
        case PauseReason.BASE_BRANCH:
            fails(desk, of_task, FailureCategory.REPOSITORY, RepositoryTrouble.BASE_BRANCH)
            directive = await desk.start()
        case PauseReason.UNRELATED:
            fails(desk, of_task, FailureCategory.REPOSITORY, RepositoryTrouble.UNRELATED)
            directive = await desk.start()
        case _:
            category = next(each for each, leads_to in OF_CATEGORY.items() if leads_to is reason)
            fails(desk, of_task, category)
            directive = await desk.start()
    await desk.until(directive, "paused")
    desk.daemon.endings.pop(of_task, None)
    return directive


async def follow(desk: Desk, directive: str, reason: str) -> list[str]:
    """Type every command that the reason names, in its order; their names."""
    typed = []
    for line in re.findall(r"`starter\.py ([^`]+)`", reason):
        words = [PUT_IN.get(word, word) for word in shlex.split(line)]
        await desk.does(*words)
        typed.append(words[0])
    return typed


@pytest.mark.parametrize("reason", PauseReason)
async def test_the_advice_of_every_pause_lets_the_directive_go_on(desk: Desk, reason: PauseReason) -> None:
    directive = await paused_for(desk, reason)
    told = str((await desk.json("status", directive))["reason"])
    typed = await follow(desk, directive, told)
    assert typed, f"{told!r} names no command"
    await desk.until(directive, "idle")
    assert "floor" in desk.daemon.ended
    state = await desk.until_recorded(directive, "idle")
    assert state.pull_request


async def test_the_question_about_a_missing_base_branch_takes_the_name_of_another(desk: Desk) -> None:
    directive = await paused_for(desk, PauseReason.BASE_BRANCH)
    (question,) = (await desk.json("status", directive))["questions"]
    assert "is not a branch's name" in await desk.refused("answer", directive, question["id"], "a b")
    await desk.does("answer", directive, question["id"], "trunk")
    shown = await desk.until(directive, "idle")
    assert shown["base_branch"] == "trunk"
    assert desk.daemon.commands[-1].base_branch == "trunk"


async def test_a_paused_directive_that_was_recovered_still_says_what_helps(desk: Desk) -> None:
    directive = await paused_for(desk, PauseReason.VERIFY)
    await desk.until_recorded(directive, "paused")
    await desk.terminate(directive)
    assert "recovered" in await desk.does("recover", directive)
    told = str((await desk.until(directive, "paused"))["reason"])
    assert await follow(desk, directive, told) == ["edit", "retry-step", "resume"]
    await desk.until(directive, "idle")


async def test_what_is_edited_holds_from_the_next_task_on_and_what_runs_is_named(desk: Desk) -> None:
    held = desk.daemon.hold("floor")
    desk.daemon.plans = [planned(("floor", []), ("roof", ["floor"]))]
    directive = await desk.start("--verify", "true")
    await desk.daemon.arrived["floor"].wait()

    async def runs() -> bool:
        return any(step["status"] == "running" for step in (await desk.json("status", directive))["steps"])

    await until(runs)
    said = await desk.does("edit", directive, "--agent", "claude", "--verify", "make a", "--verify", "make b")
    assert said == "active, generation 1; from the next task on: House: floor keep what they have"
    assert "nothing would be another than it is" in await desk.refused("edit", directive, "--agent", "claude")
    assert "nothing to edit" in await desk.refused("edit", directive)
    held.set()
    await desk.until(directive, "idle")
    commands: Mapping[str, SpawnTask] = {each.step_name or each.kind.value: each for each in desk.daemon.commands}
    assert (commands["floor"].agent, commands["floor"].verify) != (commands["roof"].agent, commands["roof"].verify)
    for name in ("roof", "completion"):
        agent = commands[name].agent
        assert agent
        assert (agent.name, commands[name].verify) == ("claude", ("make a", "make b"))
    await desk.until_recorded(directive, "idle")
    told = await desk.does("history", directive)
    assert "agent: shell → claude; verify: true → make a, make b" in told
    assert DirectiveStatus.PAUSED not in told
