"""The operator's commands as they are typed, against a real Temporal and a real Postgres."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain import names
from domain.daemon_messages import Artifact, DaemonReport, UsageReport
from domain.errors import MakimaError, NotReachable
from domain.failures import FailureCategory
from domain.models import Question
from domain.protocol import DaemonFeature
from domain.questions import question_id
from domain.requests import Pause
from domain.spawn_task import Outcome, SpawnTask, failed
from domain.statuses import DirectiveStatus, TaskKind
from domain.usage import Usage
from ledger.reader import Record
from steering.directives import Directives
from tests.fixtures_desk import URL, Desk
from tests.fixtures_stack import server_of_its_own, temporal_environment
from tests.workflows.scripted import Surroundings, planned, until
from workflows.directive import DirectiveWorkflow

RUNNING_ROOF = ["completed", "running"]


async def blunt(command: SpawnTask) -> Outcome:
    return failed(command, FailureCategory.AGENT, "the saw is blunt")


# A directive's life


@pytest.mark.rule("2.1")
@pytest.mark.rule("8.2")
async def test_a_draft_waits_for_begin_which_is_granted_once(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    told = await desk.json(
        *("create", "--title", "House", "--goal", "A house", "--repo", URL, "--planner", "planner", "--timings", "fast")
    )
    directive = told["id"]
    await desk.until(directive, "draft")
    assert "begin it first" in await desk.refused("pause", directive)
    assert await desk.does("begin", directive) == "planning, generation 1"
    await desk.until(directive, "idle")
    said = await desk.refused("begin", directive)
    assert said.strip() == "Directive must be in 'draft' status to start, current status: 'idle'"


@pytest.mark.rule("2.4")
async def test_a_proposed_plan_is_shown_rejected_and_approved(desk: Desk) -> None:
    desk.daemon.plans = [planned(("cellar", [])), planned(("floor", []))]
    directive = await desk.start("--require-approval")

    async def proposes(step: str) -> bool:
        proposal = (await desk.json("status", directive))["proposal"]
        return bool(proposal) and proposal["steps"] == [step]

    await until(lambda: proposes("cellar"))
    await desk.does("reject", directive, "--comment", "no cellar")
    await until(lambda: proposes("floor"))
    plan = (await desk.json("status", directive))["proposal"]["name"]
    assert f"by --plan {plan}" in await desk.refused("approve", directive), "nobody is there to be shown it"
    assert f"another one, {plan}" in await desk.refused("approve", directive, "--plan", "0123abcd")
    assert f"another one, {plan}" in await desk.refused("reject", directive, "--comment", "x", "--plan", "0123abcd")
    assert "    + floor" in await desk.does("status", directive)
    told = await desk.does("watch", directive, "--until", "attention")
    waits = f"waits for approval: `starter.py approve {directive[:8]} --plan {plan}`"
    assert told.count(waits) == 2, "when it came, and at the end"
    assert (await desk.json("approve", directive, "--plan", plan))["status"] in ("planning", "active")
    await desk.until(directive, "idle")
    assert "floor" in desk.daemon.ended
    assert "cellar" not in desk.daemon.started


async def test_watch_of_all_waits_for_one_that_was_started_a_moment_ago(idle_desk: Desk) -> None:
    assert await idle_desk.does("watch") == "no directive is at work"
    about = ("--title", "House", "--goal", "A house", "--repo", URL, "--planner", "planner")
    await idle_desk.does("start", *about, "--wait-for-daemon")
    watching = asyncio.create_task(idle_desk.does("watch", "--until", "attention"))
    idle_desk.daemon.plans = [planned(("floor", []))]
    async with idle_desk.worker(), idle_desk.daemons():
        assert "House: idle" in await watching


@pytest.mark.rule("8.2")
@pytest.mark.rule("4.5")
async def test_steps_are_added_edited_ordered_and_removed(desk: Desk) -> None:
    held = desk.daemon.hold("floor")
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.daemon.arrived["floor"].wait()
    roof = await desk.does("add-step", directive, "roof", "--task-plan", "build it", "--depends-on", "floor")
    shed = await desk.does("add-step", directive, "shed", "--task-plan", "build it", "--depends-on", "floor,roof")
    assert UUID(roof).version == 4
    assert "'shed' depends on 'roof'" in await desk.refused("remove-step", directive, "roof")
    await desk.does("set-deps", directive, "shed", "--on", "floor")
    await desk.does("edit-step", directive, shed, "--task-plan", "build it small")
    await desk.does("remove-step", directive, "roof")
    held.set()
    await desk.until(directive, "idle")
    plans = {command.step_name: command.script for command in desk.daemon.commands}
    assert "build it small" in plans["shed"]
    assert "roof" not in plans


@pytest.mark.rule("4.2")
@pytest.mark.rule("8.2")
async def test_steps_are_failed_retried_skipped_cancelled_and_completed_by_hand(desk: Desk) -> None:
    desk.daemon.hold("wall")
    desk.daemon.plans = [planned(("floor", []), ("wall", []), ("roof", ["wall"]), ("garden", ["wall"]))]
    desk.daemon.endings["floor"] = blunt
    directive = await desk.start("--max-attempts", "1")
    await desk.daemon.arrived["wall"].wait()

    async def statuses() -> dict[str, str]:
        return {step["name"]: step["status"] for step in (await desk.json("status", directive))["steps"]}

    await until(lambda: _holds(statuses, floor="failed", wall="running"))
    del desk.daemon.endings["floor"]
    await desk.does("retry-step", directive, "floor")
    await desk.does("cancel-step", directive, "wall")
    await until(lambda: _holds(statuses, floor="completed", wall="cancelled", roof="blocked"))
    assert "(blocked by wall)" in await desk.does("status", directive)
    await desk.does("skip-step", directive, "garden")
    await desk.does("complete-step", directive, "wall", "--commit", "c" * 40)
    await until(lambda: _holds(statuses, wall="completed", roof="completed", garden="skipped"))
    assert "can't be failed by hand" in await desk.refused("fail-step", directive, "roof", "--reason", "crooked")
    assert "there is no step 'tower'" in await desk.refused("skip-step", directive, "tower")


@pytest.mark.rule("4.5")
async def test_finished_steps_are_done_again_skipped_and_removed_once_the_operator_agrees(desk: Desk) -> None:
    held = desk.daemon.hold("garden")
    desk.daemon.plans = [planned(("floor", []), ("wall", ["floor"]), ("shed", []), ("door", ["shed"]), ("garden", []))]
    directive = await desk.start()

    async def statuses() -> dict[str, str]:
        return {step["name"]: step["status"] for step in (await desk.json("status", directive))["steps"]}

    await until(lambda: _holds(statuses, wall="completed", door="completed"))
    said = await desk.refused("retry-step", directive, "floor", "--reason", "crooked")
    assert said.strip() == "what was built on step 'floor' would be done again, too: 'wall'; agree to it with --yes"
    await desk.does("retry-step", directive, "floor", "--reason", "crooked", "--yes")
    assert "would be removed, too: 'door'" in await desk.refused("remove-step", directive, "shed")
    await desk.does("remove-step", directive, "shed", "--yes")
    await until(lambda: _holds(statuses, wall="completed", shed="cancelled", door="cancelled"))
    await desk.does("skip-step", directive, "wall")
    held.set()
    await desk.until(directive, "idle")
    tries = [(each.step_name, each.attempt) for each in desk.daemon.commands if each.step_name in ("floor", "wall")]
    assert sorted(tries) == [("floor", 1), ("floor", 2), ("wall", 1), ("wall", 2)]
    assert "crooked" in next(each.prompt for each in desk.daemon.commands if each.attempt == 2)
    (completion,) = [each for each in desk.daemon.commands if each.kind is TaskKind.COMPLETION]
    assert {one.name for one in completion.merge} == {"floor", "garden"}
    assert "add a step that changes what it did" in await desk.refused("retry-step", directive, "floor")
    await desk.until_recorded(directive, "idle")
    assert "(crooked)" in await desk.does("history", directive)


async def _holds(read: Any, **wanted: str) -> bool:
    there = await read()
    return all(there.get(name) == status for name, status in wanted.items())


@pytest.mark.rule("8.1")
@pytest.mark.rule("8.2")
async def test_pause_goal_resume_replan_and_archive(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.until(directive, "idle")
    assert await desk.does("pause", directive) == "paused, generation 1"
    assert "paused already" in await desk.refused("pause", directive)
    assert await desk.does("goal", directive, "A castle") == "paused, generation 2"
    await desk.does("resume", directive)
    await desk.until(directive, "idle")
    assert await desk.does("replan", directive[:8], "--comment", "higher") == "idle, generation 3"
    await desk.until(directive, "idle")
    await desk.does("set-pr", directive, "https://git.invalid/pulls/1")
    assert "https://git.invalid/pulls/1" in await desk.does("status", directive)
    assert "add --yes" in await desk.refused("archive", directive)
    await desk.does("archive", directive, "--yes")
    await desk.until(directive, "archived")
    assert "archived" in await desk.does("status", directive)
    history = await desk.does("history", directive)
    assert "goal changed (A castle)" in history
    assert "re-plan asked for (higher)" in history


@pytest.mark.rule("8.2")
async def test_a_refused_request_leaves_no_trace(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.until(directive, "idle")
    assert "only a paused directive" in await desk.refused("resume", directive)
    assert await desk.update_events(directive) == 0
    await desk.does("pause", directive)
    assert await desk.update_events(directive) == 2  # accepted, completed


@pytest.mark.rule("8.2")
async def test_the_same_request_id_twice_has_one_effect(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.until(directive, "idle")
    add = ("add-step", directive, "shed", "--task-plan", "build it", "--request-id", "script-17")
    first, second = await desk.json(*add), await desk.json(*add)
    assert first["step"] == second["step"]
    assert first["request_id"] == second["request_id"] == "script-17"
    await desk.until(directive, "idle")
    goals = [await desk.does("goal", directive, "A castle", "--request-id", "g-1") for _ in range(2)]
    assert goals[0] == goals[1]
    shown = await desk.until(directive, "idle")
    assert [step["name"] for step in shown["steps"]] == ["floor", "shed"]
    assert shown["generation"] == 2


# What agents keep and ask


@pytest.mark.rule("1")
async def test_memories_are_set_shown_and_deleted(desk: Desk) -> None:
    directive = await desk.start("--memory")
    await desk.does("memory-set", directive, "test-command", "make test", "--category", "build")
    await desk.does("memory-set", directive, "colour", "red")
    assert await desk.does("memory", directive) == "colour: red\ntest-command [build]: make test"
    assert await desk.does("memory", directive, "colour") == "red"
    await desk.does("memory-delete", directive, "colour")
    assert [one["key"] for one in (await desk.json("memory", directive))["memories"]] == ["test-command"]
    assert "no memory 'colour'" in await desk.refused("memory-delete", directive, "colour")
    assert "no memory 'colour'" in await desk.refused("memory", directive, "colour")
    assert (await desk.json("status", directive))["memories"] == 1


@pytest.mark.rule("8.3")
async def test_a_question_is_listed_and_answered(desk: Desk) -> None:
    desk.daemon.hold("floor")
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.daemon.arrived["floor"].wait()
    task = next(command.task for command in desk.daemon.commands if command.kind is TaskKind.STEP)
    asked = Question(id=question_id(task, "Oak?"), task=task, text="Oak?", choices=("yes", "no"))
    workflow = names.workflow_id("House", UUID(directive))
    handle = desk.world.client.get_workflow_handle_for(DirectiveWorkflow.run, workflow)
    await handle.signal(DirectiveWorkflow.question_asked, asked)

    async def is_recorded() -> bool:
        return "Oak?" in await desk.does("questions", directive)

    await until(is_recorded)

    async def recorded() -> bool:
        return bool((await desk.json("questions"))["questions"])

    await until(recorded)
    assert (await desk.json("questions"))["questions"][0]["directive"] == directive
    assert "one of: yes, no" in await desk.refused("answer", directive, asked.id.hex[:6], "perhaps")
    await desk.does("answer", directive, asked.id.hex[:6], "yes")
    assert await desk.does("questions", directive) == ""
    assert "answered by operator: yes" in await desk.refused("answer", directive, asked.id.hex[:6], "no")


@pytest.mark.rule("1")
async def test_artifacts_are_listed_and_printed(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    state = await desk.until_recorded(directive, "idle")
    task = next(iter(state.tasks))
    report = Artifact(directive=UUID(directive), task=task, attempt=1, name="report.md", content="# Floor\nlaid")
    await desk.ledger.put_artifact(report)
    assert (await desk.does("artifacts", directive)).startswith("report.md  12 bytes")
    assert await desk.does("artifacts", directive, "report.md") == "# Floor\nlaid"
    assert (await desk.json("artifacts", directive, "report.md"))["content"] == "# Floor\nlaid"
    assert "no artifact 'plan'" in await desk.refused("artifacts", directive, "plan")


@pytest.mark.rule("4.4")
async def test_daemons_are_listed_and_explain_what_waits(idle_desk: Desk) -> None:
    report = DaemonReport(
        owner=idle_desk.owner,
        name="box",
        version="1",
        agents=("shell",),
        capacity=4,
        running=(uuid4(),),
        features=tuple(DaemonFeature),
    )
    await idle_desk.ledger.report_daemon(report)
    assert re.match(r"box  3 of 4 slots free, 1 running, last contact \d+ s ago", await idle_desk.does("daemons"))
    assert (await idle_desk.json("daemons"))["daemons"][0]["free"] == 3
    async with idle_desk.worker():
        directive = await idle_desk.start()

        async def planning() -> bool:
            return bool((await idle_desk.json("status", directive))["tasks"])

        await until(planning)
        waiting = (await idle_desk.json("status", directive))["waiting"]
    queue = names.daemons_queue(idle_desk.owner, names.AUTHENTICATED)
    assert waiting == f"waits on queue {queue}; daemons that have reported lately: box (3 of 4 slots free)"


# Losing Temporal's side


@pytest.mark.rule("9.1")
@pytest.mark.rule("9.2")
async def test_a_terminated_directive_is_recovered_and_no_finished_step_runs_again(desk: Desk) -> None:
    held = desk.daemon.hold("roof")
    desk.daemon.plans = [planned(("floor", []), ("roof", ["floor"]), ("garden", ["roof"]))]
    directive = await desk.start()
    assert "is running" in await desk.refused("recover", directive)
    await desk.daemon.arrived["roof"].wait()

    async def roof_is_recorded() -> bool:
        steps = (await desk.recorded(directive)).ordered_steps()
        return [step.status.value for step in steps] == ["completed", "running", "pending"]

    await until(roof_is_recorded)
    await desk.terminate(directive)

    async def said_to_be_lost() -> bool:
        lost: str = (await desk.json("list"))["directives"][0]["lost"]
        return lost == "terminated"

    await until(said_to_be_lost)
    assert "(lost: terminated; recover goes on)" in await desk.does("list")
    assert "(lost: terminated; recover goes on)" in await desk.does("status", directive)
    assert f"starter.py recover {directive[:8]}" in await desk.refused("pause", directive)
    assert (await desk.type("watch", directive)).code == 1

    printed = await desk.json("recover", directive)
    assert [(one["recovered"], one["why"]) for one in printed["directives"]] == [(True, "goes on as active")]
    assert "is running" in await desk.refused("recover", directive)
    held.set()
    await desk.until_recorded(directive, "idle")
    assert desk.daemon.started.count("floor") == 1
    assert desk.daemon.started.count("planning") == 1
    assert "lost" not in await desk.does("list")
    attempts = [command.attempt for command in desk.daemon.commands if command.step_name == "roof"]
    assert attempts == [1, 1]


@pytest.mark.rule("2.10")
async def test_what_an_attempt_had_used_that_ran_when_its_run_was_lost_counts_against_the_budget(desk: Desk) -> None:
    desk.daemon.hold("roof")
    desk.daemon.plans = [planned(("roof", []))]
    directive = await desk.start("--budget", "10usd")
    await desk.daemon.arrived["roof"].wait()

    async def runs() -> bool:
        return any(each.runs and each.step for each in await desk.reading.attempts(UUID(directive)))

    await until(runs)
    (roof,) = [each for each in await desk.reading.attempts(UUID(directive)) if each.step]
    used = Usage(seconds=60, cost_usd=9.999, tokens=1000)
    report = {"directive": directive, "task": roof.task, "attempt": 1, "usage": used}
    await desk.ledger.note_usage(UsageReport.model_validate(report))
    await desk.terminate(directive)
    await desk.does("recover", directive)
    await desk.until(directive, "paused")
    assert (await desk.json("status", directive))["usage"]["cost_usd"] == pytest.approx(9.999)
    assert (await desk.json("costs", directive))["total"]["cost_usd"] == pytest.approx(9.999)
    assert desk.daemon.started.count("roof") == 1, "nothing begins without a budget"

    async def goes_on() -> bool:
        return desk.daemon.started.count("roof") == 2

    await desk.does("edit", directive, "--budget", "20usd")
    await until(goes_on)
    again = desk.daemon.commands[-1]
    assert (again.step_name, again.attempt, again.resume and again.resume.usage) == ("roof", 1, used)


@pytest.mark.rule("9.1")
async def test_a_directive_whose_secret_the_record_has_lost_is_recovered_with_another(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []), ("roof", ["floor"]))]
    desk.daemon.hold("roof")
    directive = await desk.start()
    await desk.daemon.arrived["roof"].wait()
    await desk.terminate(directive)
    await desk.pool.execute("delete from directive_secrets where directive_id = $1", UUID(directive))
    desk.daemon.holds["roof"].set()
    await desk.does("recover", directive)
    await desk.until_recorded(directive, "idle")
    assert "secret renewed" in await desk.does("history", directive)
    assert len({command.secret for command in desk.daemon.commands}) == 2


@pytest.mark.rule("9.1")
async def test_recover_all_takes_up_what_is_lost_and_leaves_the_rest_alone(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", [])), planned(("floor", []))]
    lost, running, closed = await desk.start("--title", "Lost"), await desk.start("--title", "Runs"), ""
    closed = await desk.start("--title", "Closed")
    draft = (
        await desk.json(
            *("create", "--title", "Draft", "--goal", "g", "--repo", URL, "--planner", "planner", "--timings", "fast")
        )
    )["id"]
    for directive in (lost, running, closed):
        await desk.until_recorded(directive, "idle", "paused")
    await desk.until_recorded(draft, "draft")
    await desk.does("archive", closed, "--yes")
    await desk.until_recorded(closed, "archived")
    await desk.terminate(lost)
    await desk.terminate(draft)

    async def both_are_lost() -> bool:
        return [str(one["lost"]) for one in (await desk.json("list"))["directives"]].count("terminated") == 2

    await until(both_are_lost)
    done = {one["title"]: (one["recovered"], one["why"]) for one in (await desk.json("recover", "--all"))["directives"]}
    assert done["Runs"] == (False, "it is running")
    assert done["Draft"] == (True, "goes on as draft")
    assert done["Lost"][0]
    assert done.keys() == {"Runs", "Draft", "Lost"}
    assert "is archived: that is final" in await desk.refused("recover", closed)
    assert await desk.does("begin", draft) == "planning, generation 1"


@pytest.mark.rule("9.1")
async def test_a_directive_goes_on_where_temporal_has_lost_all_its_data(desk: Desk) -> None:
    plan = planned(("floor", []), ("roof", ["floor"]))
    async with AsyncExitStack() as gone:
        server = await server_of_its_own(data_converter=desk.world.client.data_converter)
        before = Desk(Surroundings((await gone.enter_async_context(server)).client), desk.pool, desk.cache)
        before.owner = before.world.owner = desk.owner
        before.daemon.plans = [plan]
        before.daemon.hold("roof")
        await gone.enter_async_context(before.worker())
        await gone.enter_async_context(before.daemons())
        directive = await before.start()
        await before.daemon.arrived["roof"].wait()

        async def roof_is_recorded() -> bool:
            state = await desk.reading.state(UUID(directive))
            return state is not None and [step.status.value for step in state.ordered_steps()] == RUNNING_ROOF

        await until(roof_is_recorded)

    async def said_to_be_lost() -> bool:
        return "lost: unknown to Temporal" in await desk.does("list")

    await until(said_to_be_lost)
    assert "lost: unknown to Temporal" in await desk.does("status", directive)
    await desk.does("recover", "--all")
    state = await desk.until_recorded(directive, "idle")
    assert all(step.shipped for step in state.steps.values())
    assert desk.daemon.started == ["roof", "completion"]


# Nobody there


@pytest.mark.rule("9.3")
async def test_without_a_worker_the_record_is_shown_and_a_request_says_how_to_repeat_it(idle_desk: Desk) -> None:
    async with idle_desk.worker(), idle_desk.daemons():
        idle_desk.daemon.plans = [planned(("floor", []))]
        directive = await idle_desk.start()
        await idle_desk.until_recorded(directive, "idle")
    shown = await idle_desk.json("status", directive)  # its worker is gone
    assert (shown["live"], shown["lost"], shown["status"]) == (False, "", "idle")
    impatient = Directives(
        idle_desk.world.client, idle_desk.reading, idle_desk.owner, grant_within=timedelta(milliseconds=300)
    )
    with pytest.raises(NotReachable, match="repeat it safely add --request-id again"):
        await impatient.ask(directive, DirectiveWorkflow.pause, Pause(), "again")
    async with idle_desk.worker():
        assert await idle_desk.does("pause", directive, "--request-id", "again") == "paused, generation 1"


class GoneOnceAsked(Record):
    """Postgres is lost after a request was accepted."""

    async def is_answered(self, directive: UUID, request_id: str) -> bool:
        raise NotReachable("Postgres does not answer")


@pytest.mark.rule("8.2")
async def test_what_was_accepted_is_no_error_where_the_record_is_lost_meanwhile(desk: Desk) -> None:
    """Who reads of an error sends it again."""
    directive = await desk.start()
    desk.reading = GoneOnceAsked(desk.pool)
    printed = await desk.type("archive", directive, "--yes", "--json")
    assert (printed.code, printed.json["status"], printed.json["recorded"]) == (0, "archived", False)
    assert printed.err == "accepted; the record does not hold it yet: what you read next may be from before\n"


@pytest.mark.rule("9.3")
async def test_a_directive_is_found_as_soon_as_it_was_started_also_where_no_worker_runs(idle_desk: Desk) -> None:
    new = ("create", "--title", "House", "--goal", "A house", "--repo", URL, "--planner", "planner")
    directive = (await idle_desk.json(*new))["id"]
    printed = await idle_desk.type("status", directive)
    assert printed.code == 3
    assert "no worker answers yet" in printed.err
    await idle_desk.world.client.get_workflow_handle(names.workflow_id("House", UUID(directive))).terminate()


@pytest.mark.rule("9.3")
async def test_starter_exits_with_the_documented_codes(desk: Desk, database: str) -> None:
    here = {**temporal_environment(desk.world.client), "MAKIMA_DATABASE_URL": database, "MAKIMA_OWNER": desk.owner}
    env = {**os.environ, **here}
    for code, args, changed in (
        (0, ["list"], {}),
        (2, ["status", "3f2a"], {}),
        (2, ["pause"], {}),
        (3, ["status", "3f2a"], {"TEMPORAL_ADDRESS": "127.0.0.1:1"}),
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "starter", *args), env={**env, **changed}, stderr=asyncio.subprocess.PIPE
        )
        _, err = await process.communicate()
        assert process.returncode == code, err.decode()


READS = {
    **{"list": 440, "costs ID": 440, "daemons": 455, "history ID": 455, "logs ID": 460, "questions ID": 495},
    **{"status ID": 490, "plan ID": 500, "why ID": 500, "graph ID": 550},
}
"""Command → how many modules it may import; Temporal's client alone brings as many again as all others together."""


@pytest.mark.rule("9.3")
async def test_what_only_reads_works_without_temporal_and_imports_little(desk: Desk, database: str) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.until_recorded(directive, "idle")
    here = {"MAKIMA_DATABASE_URL": database, "MAKIMA_OWNER": desk.owner, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    for command, most in READS.items():
        typed = command.replace("ID", directive).split()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "importtime", "-m", "starter", *typed),
            env=os.environ | here,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, err = await process.communicate()
        assert process.returncode == 0, err.decode()[-500:]
        assert printed or typed[0] in ("logs", "questions", "daemons"), command
        modules = [line.rpartition("|")[2].strip() for line in err.decode().splitlines() if "import time:" in line]
        assert not [each for each in modules if each.startswith(("temporalio", "workflows"))], command
        assert len(modules) < most, (command, len(modules))


@pytest.mark.rule("9.3")
async def test_a_directive_is_meant_by_its_title_where_no_other_one_has_it(desk: Desk) -> None:
    once, twice = await desk.start("--title", "A barn"), await desk.start("--title", "House")
    for directive in (once, twice):
        await desk.until_recorded(directive, "paused")
    assert (await desk.json("status", "a BARN"))["id"] == once
    assert await desk.does("archive", "A barn", "--yes") == "archived, generation 1"
    await desk.until_recorded(once, "archived")
    await desk.until_recorded(await desk.start(), "paused")
    assert "means more than one directive" in await desk.refused("pause", "House")
    assert (await desk.recorded(twice)).status is DirectiveStatus.PAUSED
    other = Directives(desk.world.client, desk.reading, "somebody-else")
    with pytest.raises(MakimaError, match="there is no directive"):
        await other.find("House")


@pytest.mark.rule("1")
async def test_another_owners_directive_is_not_found(desk: Desk) -> None:
    directive = await desk.start()
    await desk.until_recorded(directive, "paused")
    other = Directives(desk.world.client, desk.reading, "somebody-else")
    with pytest.raises(MakimaError, match="there is no directive"):
        await other.find(directive)
    assert (await desk.recorded(directive)).status is DirectiveStatus.PAUSED
