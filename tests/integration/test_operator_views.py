"""What the operator sees of a directive from the terminal, on a real Temporal, a real Postgres and real git."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest
from temporalio.client import WorkflowHandle

from cli.operator.changes import Changes
from cli.operator.json_shapes import DiffShown, GraphShown, HistoryShown, PruneShown, TaskProgress
from cli.operator.watch_state import progress_of
from domain import names
from domain.daemon_messages import LogChunk
from domain.errors import NotReachable, Refused
from domain.failures import FailureCategory
from domain.models import Work
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask, failed
from domain.statuses import TaskKind
from domain.usage import Usage
from steering.closer import PlanShown, WhyAllShown, WhyShown
from steering.shapes import CostsShown
from tests.fixtures_desk import Desk
from tests.integration.conftest import Committer, GitCommand
from tests.workflows.scripted import planned, until


async def blunt(command: SpawnTask) -> Outcome:
    return failed(command, FailureCategory.AGENT, "the saw is blunt")


async def paid(command: SpawnTask) -> Outcome:
    work = Work(branch=command.target_branch, base="b" * 40, head="c" * 40, commits=1)
    return Outcome(
        task=command.task,
        attempt=command.attempt,
        status=OutcomeStatus.COMPLETED,
        work=work,
        usage=Usage(seconds=61, cost_usd=0.5, tokens=12_000),
        daemon="scripted",
    )


async def unpriced(command: SpawnTask) -> Outcome:
    return (await paid(command)).model_copy(update={"usage": Usage(seconds=2, cost_unknown=True)})


async def built(desk: Desk) -> str:
    """A directive at rest: floor and wall done, the roof failed, the garden blocked by it."""
    desk.daemon.plans = [planned(("floor", []), ("wall", ["floor"]), ("roof", ["wall"]), ("garden", ["roof"]))]
    desk.daemon.endings = {"floor": paid, "wall": unpriced, "roof": blunt}
    directive = await desk.start("--max-attempts", "1")
    await desk.until(directive, "idle")
    await desk.until_recorded(directive, "idle")
    return directive


# The graph


async def test_the_graph_is_drawn_for_the_terminal_as_mermaid_and_as_a_picture(desk: Desk) -> None:
    directive = await built(desk)
    lines = (await desk.does("graph", directive)).splitlines()
    assert [line.split() for line in lines if line.strip("│ ")] == [
        ["✔", "floor", "completed"],
        ["✔", "wall", "completed"],
        ["✘", "roof", "failed"],
        ["◌", "garden", "blocked"],
    ]
    text = await desk.does("graph", directive, "--format", "mermaid")
    assert text.splitlines()[0] == "flowchart TD"
    assert '{{"✘ roof"}}:::failed' in text
    assert text.count(" --> ") == 3
    picture = ElementTree.fromstring(await desk.does("graph", directive, "--format", "svg"))
    drawn = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"House", "✔ floor", "✔ wall", "✘ roof", "◌ garden"} <= set(drawn)
    GraphShown.model_validate(await desk.json("graph", directive, "--format", "svg"))


# Plans


@pytest.mark.rule("8.1")
async def test_a_new_goals_plan_is_shown_against_the_one_before(desk: Desk) -> None:
    desk.daemon.hold("roof")
    desk.daemon.plans = [planned(("floor", []), ("roof", ["floor"]), ("shed", []))]
    directive = await desk.start()
    await desk.daemon.arrived["roof"].wait()
    desk.daemon.plans = [planned(("tower", ["floor"]))]
    await desk.does("goal", directive, "A castle")
    desk.daemon.holds["roof"].set()
    await desk.until(directive, "idle")
    shown = PlanShown.model_validate(await desk.json("plan", directive, "--diff"))
    assert (shown.generation, shown.against) == (2, 1)
    assert shown.difference is not None
    assert [line.name for line in shown.difference.added] == ["tower"]
    assert "  + tower after floor  (completed)" in await desk.does("plan", directive, "--diff")
    await desk.does("add-step", directive, "flag", "--task-plan", "sew it\nhoist it", "--label", "nobody")
    assert "      sew it\n      hoist it" in await desk.does("plan", directive, "--full")
    assert "sew it" not in await desk.does("plan", directive)
    assert "1 step to do: about" in await desk.does("plan", directive)
    first = await desk.does("plan", directive, "--generation", "1")
    assert "tower" not in first
    assert "  roof after floor  (completed)" in first
    assert "there is no plan of generation 3" in await desk.refused("plan", directive, "--generation", "3")


# Why, history, costs


@pytest.mark.rule("4.2")
@pytest.mark.rule("4.4")
async def test_why_says_in_one_line_what_holds_a_step_up(desk: Desk) -> None:
    directive = await built(desk)
    said = await desk.does("why", directive, "garden")
    assert said == (
        "garden is blocked: it is blocked by roof, which failed (agent: the saw is blunt); "
        f'`retry-step {directive[:8]} "roof"` or `skip-step` frees it'
    )
    told = WhyShown.model_validate(await desk.json("why", directive, "garden"))
    assert (told.name, told.status) == ("garden", "blocked")
    assert "there is nothing left to do" in await desk.does("why", directive, "floor")
    assert "there is no step 'tower'" in await desk.refused("why", directive, "tower")
    lines = (await desk.does("why", directive)).splitlines()
    assert said in lines and any(line.startswith("roof is failed: ") for line in lines)
    assert not any(line.startswith("floor") for line in lines), "it is done"
    all_of_it = WhyAllShown.model_validate(await desk.json("why", directive))
    assert told in all_of_it.steps and len(all_of_it.steps) == len(lines)


@pytest.mark.rule("9.1")
async def test_history_is_filtered_by_step_and_time(desk: Desk) -> None:
    directive = await built(desk)
    everything = HistoryShown.model_validate(await desk.json("history", directive)).events
    roof = next(step for step in (await desk.recorded(directive)).steps.values() if step.name == "roof")
    mine = HistoryShown.model_validate(await desk.json("history", directive, "--step", roof.id.hex[:8])).events
    assert [event.what for event in mine] == ["task started", "attempt failed", "step failed"]
    assert len(everything) > len(mine)
    assert await desk.does("history", directive, "--since", everything[-1].at.isoformat()) != ""
    assert len((await desk.json("history", directive, "--since", "1h"))["events"]) == len(everything)
    later = (everything[-1].at + timedelta(seconds=1)).isoformat()
    assert await desk.does("history", directive, "--since", later) == ""
    assert "--since takes a time" in await desk.refused("history", directive, "--since", "yesterday")


@pytest.mark.rule("5.5")
async def test_costs_are_told_by_directive_task_and_attempt(desk: Desk) -> None:
    directive = await built(desk)
    shown = CostsShown.model_validate(await desk.json("costs", directive))
    assert (shown.total.cost_usd, shown.total.tokens, shown.total.cost_unknown) == (0.5, 12_000, True)
    assert {(each.name, each.status) for each in shown.attempts} >= {
        ("House: floor", "completed"),
        ("House: roof", "failed"),
    }
    lines = (await desk.does("costs", directive)).splitlines()
    assert "  attempt 1: completed on scripted by shell, $0.50, 12,000 tokens, 1 min" in lines
    assert "  attempt 1: completed on scripted by shell, cost unknown, 2 s" in lines
    assert "at least $0.50, 12,000 tokens" in lines[-1]
    assert "  used        at least $0.50, 12,000 tokens, 1 min" in await desk.does("status", directive)
    everything = (await desk.does("costs")).splitlines()
    assert everything[0].startswith(f"{directive[:8]}  idle       House")
    assert everything[-1].split("  ")[0] == "total"


# Watching


@pytest.mark.rule("6.11")
async def test_what_an_agent_does_is_read_from_its_heartbeats(desk: Desk) -> None:
    held = desk.daemon.hold("floor")
    desk.daemon.plans = [planned(("floor", []))]
    directive = await desk.start()
    await desk.daemon.arrived["floor"].wait()
    handle: WorkflowHandle = desk.world.client.get_workflow_handle(names.workflow_id("House", UUID(directive)))  # type: ignore[type-arg]
    found: list[TaskProgress] = []

    async def beats() -> bool:
        found[:] = await progress_of(handle, desk.world.client.data_converter)
        return bool(found)

    await until(beats)
    task = next(command.task for command in desk.daemon.commands if command.kind is TaskKind.STEP)
    assert (found[0].kind, found[0].task, found[0].daemon, found[0].phase) == (
        *("step", names.short(task)),
        *("scripted", "held"),
    )
    assert found[0].limit_seconds == 4 * 3600
    assert found[0].delivery == 1
    held.set()
    await desk.until(directive, "idle")


@pytest.mark.rule("9.3")
async def test_watch_without_a_terminal_prints_a_line_a_change_and_a_summary(desk: Desk) -> None:
    held = desk.daemon.hold("floor")
    desk.daemon.plans = [planned(("floor", []))]
    desk.daemon.endings = {"floor": paid}
    await desk.start()
    await desk.daemon.arrived["floor"].wait()
    watching = asyncio.create_task(desk.type("watch"))
    held.set()
    printed, spoken = await watching, await desk.type("watch", "--json")
    lines = printed.out.splitlines()
    assert printed.code == 0
    assert lines[-1] == "House: idle"
    assert "1 completed; $0.50, 12,000 tokens, 1 min" in lines[-3]
    assert any(re.fullmatch(r"  completed +floor .*", line) for line in lines)
    views = [json.loads(line) for line in spoken.out.splitlines()]
    assert views[-1]["status"] == "idle"
    assert all(each["version"] == 1 for each in views)


# Ids and forgetting


@pytest.mark.rule("9.3")
async def test_steps_are_named_by_the_beginning_of_their_id(desk: Desk) -> None:
    directive = await built(desk)
    ids = {step.name: step.id.hex for step in (await desk.recorded(directive)).steps.values()}
    await desk.does("skip-step", directive[:8], ids["roof"][:8])

    async def skipped() -> bool:
        steps = (await desk.json("status", directive[:8]))["steps"]
        return {"roof": "skipped", "garden": "completed"}.items() <= {s["name"]: s["status"] for s in steps}.items()

    await until(skipped)
    assert "--- House: floor" in await desk.does("logs", directive[:8], ids["floor"][:6])


@pytest.mark.rule("9.1")
async def test_prune_asks_first_and_then_forgets_what_ended_long_ago(desk: Desk) -> None:
    directive = await built(desk)
    await desk.does("archive", directive, "--yes")
    state = await desk.until_recorded(directive, "archived")
    task = next(iter(state.tasks))
    log = LogChunk(directive=UUID(directive), task=task, attempt=1, delivery="a", offset=0, text="hello")
    await desk.ledger.append_log(log)
    assert (await desk.does("prune", "--yes")).startswith("nothing to delete: no directive that ended more than 30")
    await desk.age(directive, timedelta(days=40))
    asked = await desk.type("prune")
    assert asked.code == 2
    assert "add --yes" in asked.err
    assert "attempt failed" in await desk.does("history", directive)
    pruned = PruneShown.model_validate(await desk.json("prune", "--yes"))
    assert [each.id for each in pruned.directives] == [UUID(directive)]
    assert (await desk.does("history", directive)).endswith("record pruned (its events and logs were deleted)")
    assert (await desk.json("costs", directive))["total"]["tokens"] == 12_000


# What a step changed


@pytest.mark.rule("6.4")
async def test_diff_fetches_a_steps_own_change_from_the_repository(
    desk: Desk, origin: Path, commit: Committer, git: GitCommand
) -> None:
    base = git(origin, "rev-parse", "main")
    floor, wall = commit({"floor": "oak\n"}, base), commit({"wall": "brick\n"}, base)
    tree = git(origin, "merge-tree", "--write-tree", floor, wall)
    merged = git(origin, "commit-tree", tree, "-p", floor, "-p", wall, "-m", "Merge wall")
    roof = commit({"floor": "oak\n", "wall": "brick\n", "roof": "slate\n", "<x>": "\u00fc\n"}, merged)
    heads = {"floor": (base, floor), "wall": (base, wall), "roof": (floor, roof)}

    async def done(command: SpawnTask) -> Outcome:
        start, head = heads[command.step_name]
        git(origin, "update-ref", f"refs/heads/{command.target_branch}", head)
        work = Work(branch=command.target_branch, base=start, head=head, commits=1)
        return Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, work=work)

    desk.daemon.base = base
    desk.daemon.plans = [planned(("floor", []), ("wall", []), ("roof", ["floor", "wall"]))]
    desk.daemon.endings = dict.fromkeys(heads, done)
    told = await desk.json(
        *("start", "--title", "House", "--goal", "A house", "--repo", str(origin), "--planner", "planner"),
        *("--agent", "shell"),
        *("--timings", "fast", "--on", "any", "--wait-for-daemon"),
    )
    directive = str(told["id"])
    await desk.until_recorded(directive, "idle")
    shown = DiffShown.model_validate(await desk.json("diff", directive, "roof"))
    assert (shown.base, shown.head) == (merged, roof)
    assert [(file.path, file.added, file.removed) for file in shown.files] == [("<x>", 1, 0), ("roof", 1, 0)]
    assert "+slate" in shown.patch
    assert (await desk.does("diff", directive, "floor", "--stat")).splitlines() == [
        "+1 -0  floor",
        f"1 files, +1 -0, {base[:10]}..{floor[:10]}",
    ]
    (branch,) = [command.target_branch for command in desk.daemon.commands if command.step_name == "roof"]
    git(origin, "update-ref", "-d", f"refs/heads/{branch}")
    assert "+slate" in await desk.does("diff", directive, "roof")  # from the cache


@pytest.mark.rule("6.4")
async def test_a_diff_that_cannot_be_had_is_said_in_one_line(
    origin: Path, commit: Committer, git: GitCommand, tmp_path: Path
) -> None:
    base = git(origin, "rev-parse", "main")
    head = commit({"floor": "oak"}, base, branch="makima/floor")
    work = Work(branch="makima/floor", base=base, head=head, commits=1)
    changes = Changes(str(origin), tmp_path / "cache")
    # A server that gives out nothing but what its branches point to, and then the branch moves on.
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "false")
    assert (await changes.of(work, ())).head == head
    moved = work.model_copy(update={"head": "d" * 40})
    with pytest.raises(Refused, match=r"dddddddddd is no longer on .*: its branch makima/floor has moved on"):
        await changes.of(moved, ())
    with pytest.raises(Refused, match="no commits of its own"):
        await changes.of(work.model_copy(update={"base": ""}), ())
    with pytest.raises(NotReachable, match="git could not read /nowhere: ") as told:
        await Changes("/nowhere", tmp_path / "cache").of(work, ())
    assert "\n" not in str(told.value)


async def test_a_repositorys_own_settings_run_nothing_while_its_changes_are_read(
    origin: Path, commit: Committer, git: GitCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    settings = tmp_path / "gitconfig"
    evil = f'[diff "evil"]\n command = {trap}\n textconv = {trap}\n[diff]\n external = {trap}\n'
    settings.write_text(f"{evil}[core]\n hooksPath = {tmp_path}\n")
    (tmp_path / "reference-transaction").symlink_to(trap)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    base = git(origin, "rev-parse", "main")
    head = commit({".gitattributes": "* diff=evil\n", "floor": "oak\n"}, base, branch="makima/floor")
    changes = Changes(str(origin), tmp_path / "cache")
    change = await changes.of(Work(branch="makima/floor", base=base, head=head, commits=1), ())
    assert "+oak" in await changes.patch(change)
    assert not (tmp_path / "sprung").exists()
