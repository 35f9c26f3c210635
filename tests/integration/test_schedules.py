"""`schedule` (rule 2.16), typed as in a shell, over a real Temporal and a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)

from domain.schedules import directive_of, schedules_of
from steering.client import Client
from steering.new_directive import StartOptions
from steering.schedules import Schedules
from tests.fixtures_desk import URL, Desk
from tests.workflows.scripted import planned, until

WEEKLY = ("--cron", "0 3 * * 1")
HOUSE = (
    *("--title", "House", "--goal", "A house", "--repo", URL, "--planner", "planner", "--agent", "shell"),
    *("--timings", "fast", "--wait-for-daemon"),
)


@pytest_asyncio.fixture
async def desk(desk: Desk) -> AsyncIterator[Desk]:
    """What it has scheduled is removed, and what that has started ended."""
    yield desk
    await cleared(desk)


async def cleared(desk: Desk) -> None:
    client = desk.world.client
    prefix = schedules_of(desk.owner)
    async for each in await client.list_schedules():
        if each.id.startswith(prefix):
            await client.get_schedule_handle(each.id).delete()
    async for run in client.list_workflows(f"WorkflowId STARTS_WITH '{prefix}' AND ExecutionStatus = 'Running'"):
        await client.get_workflow_handle(run.id).terminate()


async def listed(desk: Desk, *name: str) -> Any:
    (one,) = (await desk.json("schedule", "list", *name))["schedules"]
    return one


async def until_over(desk: Desk, name: str = "weekly") -> Any:
    """What is listed once its last firing is."""
    found: dict[str, Any] = {}

    async def over() -> bool:
        found.update(await listed(desk, name))
        # The schedule itself learns of an end a moment later, and would skip what is triggered until then.
        return found["last"] is not None and found["last"]["firing"] not in ("", "running") and not found["running"]

    await until(over)
    return found


async def fired(desk: Desk, name: str = "weekly") -> str:
    """Trigger it; the id of the directive that it has started."""
    told = await desk.json("schedule", "trigger", name)
    assert told["outcome"] == "fired", told

    async def recorded() -> bool:
        return await desk.reading.state(UUID(told["directive"])) is not None

    await until(recorded)
    return str(told["directive"])


@pytest.mark.rule("2.16")
async def test_each_firing_starts_a_directive_of_its_own_and_lasts_as_long_as_it(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", [])), planned(("floor", []))]
    assert "next " in await desk.does("schedule", "add", "weekly", *WEEKLY, "--time-zone", "Europe/Berlin", *HOUSE)
    added = await listed(desk)
    assert (added["name"], added["crons"], added["time_zone"]) == ("weekly", ["0 3 * * 1"], "Europe/Berlin")
    assert (added["overlap"], added["catchup_window"], added["last"]) == ("skip", "P7D", None)

    free = desk.daemon.hold("floor")
    first = await fired(desk)
    await desk.daemon.arrived["floor"].wait()
    assert (await desk.json("schedule", "trigger", "weekly"))["outcome"] == "skipped"
    running = await listed(desk)
    assert (running["fired"], running["skipped"], running["running"]) == (1, 1, 1)
    assert running["last"]["directive"] == first and running["last"]["firing"] == "running"
    assert f"directive {first[:8]} active; running" in await desk.does("schedule", "list")

    free.set()
    ended = await until_over(desk)
    assert (ended["last"]["firing"], ended["last"]["status"]) == ("completed", "idle")
    second = await fired(desk)
    assert second != first
    await until_over(desk)
    directives = (await desk.json("list"))["directives"]
    assert {each["id"] for each in directives} == {first, second}
    plans = [await desk.recorded(each) for each in (first, second)]
    assert plans[0].directive.text == plans[1].directive.text


@pytest.mark.rule("2.16")
async def test_what_is_like_another_directive_is_copied_when_it_is_added(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", [])), planned(("floor", []))]
    liked = await desk.start("--verify", "make test", "--once")
    await desk.until_recorded(liked, "completed")
    await desk.does("schedule", "add", "weekly", *WEEKLY, "--like", liked, "--title", "Again", "--wait-for-daemon")
    again = await desk.recorded(await fired(desk))
    assert (again.directive.text.title, again.directive.text.goal) == ("Again", "A house")
    assert (again.directive.settings.verify, again.directive.settings.once) == (("make test",), True)
    assert again.directive.settings.timings == (await desk.recorded(liked)).directive.settings.timings
    ended = await until_over(desk)
    assert (ended["last"]["firing"], ended["last"]["status"]) == ("completed", "completed")


@pytest.mark.rule("2.16")
async def test_a_plan_that_was_given_is_done_by_each_firing_in_steps_of_its_own(desk: Desk, tmp_path: Any) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(
        '{"steps": [{"name": "floor", "task_plan": "x"}, {"name": "roof", "task_plan": "y", "depends_on": ["floor"]}]}'
    )
    given = [each for each in HOUSE if each not in ("--planner", "planner")]
    await desk.does("schedule", "add", "weekly", *WEEKLY, *given, "--plan", str(plan))
    found = []
    for _ in range(2):
        directive = await fired(desk)
        await until_over(desk)
        found.append((await desk.recorded(directive)).ordered_steps())
    first, second = found
    assert [each.name for each in first] == [each.name for each in second] == ["floor", "roof"]
    assert {each.id for each in first}.isdisjoint(each.id for each in second)
    assert [each.depends_on for each in second] == [(), (second[0].id,)]
    assert {each.status.value for each in (*first, *second)} == {"completed"}


@pytest.mark.rule("2.16")
async def test_paused_it_fires_by_trigger_alone_and_says_why_until_it_is_resumed(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    await desk.does("schedule", "add", "often", "--cron", "* * * * * * *", "--overlap", "allow_all", *HOUSE)
    await desk.does("schedule", "pause", "often", "--note", "freeze until Monday")
    paused = await listed(desk, "often")
    assert (paused["paused"], paused["note"]) == (True, "freeze until Monday")
    text = await desk.does("schedule", "list")
    assert "paused: freeze until Monday" in text and "once it is resumed" in text
    count = (await listed(desk, "often"))["fired"]
    await desk.json("schedule", "trigger", "often")

    async def one_more() -> bool:
        return bool((await listed(desk, "often"))["fired"] == count + 1)

    await until(one_more)
    await desk.does("schedule", "resume", "often")

    async def goes_on() -> bool:
        return bool((await listed(desk, "often"))["fired"] > count + 2)

    await until(goes_on)
    assert (await listed(desk, "often"))["paused"] is False


@pytest.mark.rule("2.16")
async def test_a_directive_that_pauses_by_itself_has_failed_its_firing_and_holds_up_no_later_one(desk: Desk) -> None:
    desk.daemon.plans = [[], planned(("floor", []))]
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE)
    first = await fired(desk)
    failed = await until_over(desk)
    assert (failed["last"]["firing"], failed["last"]["status"]) == ("failed", "paused")
    assert failed["last"]["failure"].startswith("paused: ")
    handle = desk.world.client.get_workflow_handle(failed["last"]["workflow_id"])
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert f"directive {first[:8]} paused; failed: paused: " in await desk.does("schedule", "list")
    assert await fired(desk) != first
    assert (await until_over(desk))["last"]["firing"] == "completed"


@pytest.mark.rule("2.16")
async def test_a_pause_by_hand_is_waited_for(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    free = desk.daemon.hold("floor")
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE)
    directive = await fired(desk)
    await desk.daemon.arrived["floor"].wait()
    await desk.does("pause", directive)
    free.set()

    async def looked_again() -> bool:
        told = await desk.world.client.get_workflow_handle((await listed(desk))["last"]["workflow_id"]).describe()
        return any(each.attempt > 3 for each in told.raw_description.pending_activities)

    await until(looked_again)
    assert (await desk.json("schedule", "trigger", "weekly"))["outcome"] == "skipped"
    await desk.does("resume", directive)
    assert (await until_over(desk))["last"]["firing"] == "completed"


@pytest.mark.rule("2.16")
async def test_with_cancel_other_the_directive_before_is_archived_first(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", [])), planned(("roof", []))]
    desk.daemon.hold("floor")
    await desk.does("schedule", "add", "weekly", *WEEKLY, "--overlap", "cancel_other", *HOUSE)
    first = await fired(desk)
    await desk.daemon.arrived["floor"].wait()
    before = (await listed(desk))["last"]["workflow_id"]
    await desk.json("schedule", "trigger", "weekly")

    async def next_one() -> bool:
        return bool((await listed(desk))["last"]["directive"] != first)

    await until(next_one)
    assert (await desk.recorded(first)).status.value == "archived"
    told = await desk.world.client.get_workflow_handle(before).describe()
    assert told.status is WorkflowExecutionStatus.CANCELED


@pytest.mark.rule("2.16")
async def test_a_schedule_that_is_removed_leaves_what_it_has_started(desk: Desk) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    free = desk.daemon.hold("floor")
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE)
    directive = await fired(desk)
    await desk.daemon.arrived["floor"].wait()
    assert await desk.does("schedule", "remove", "weekly") == "removed weekly: what it has started goes on"
    assert (await desk.json("schedule", "list"))["schedules"] == []
    assert "no schedule: " in await desk.does("schedule", "list")
    assert "there is no schedule weekly" in await desk.refused("schedule", "remove", "weekly")
    free.set()
    await desk.until_recorded(directive, "idle")
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE)


@pytest.mark.rule("2.16")
async def test_schedules_of_others_are_neither_listed_nor_touched(desk: Desk) -> None:
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE)
    mine, desk.owner = desk.owner, f"{desk.owner}-2"
    assert (await desk.json("schedule", "list"))["schedules"] == []
    for action in ("pause", "resume", "trigger", "remove", "list"):
        assert "there is no schedule weekly" in await desk.refused("schedule", action, "weekly")
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE, "--title", "Theirs")
    assert (await listed(desk))["title"] == "Theirs"
    await cleared(desk)
    desk.owner = mine
    assert (await listed(desk))["title"] == "House"


@pytest.mark.rule("2.16")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("add", "weekly", *HOUSE), "a schedule needs --cron"),
        (("add", "weekly", "--cron", "bogus", *HOUSE), "CronString does not have 5-7 fields"),
        (("add", "weekly", "--cron", "99 3 * * 1", *HOUSE), "Minute is not in range"),
        (("add", "weekly", "--cron", "0 0 30 2 *", *HOUSE), "names no time that ever comes"),
        (("add", "weekly", "--cron", "0" * 201, *HOUSE), "at most 200 characters"),
        (("add", "weekly", *WEEKLY * 21, *HOUSE), "at most 20 times"),
        (("add", "weekly", *WEEKLY, "--time-zone", "Mars/Base", *HOUSE), "unknown time zone Mars/Base"),
        (("add", "weekly", *WEEKLY, "--catchup-window", "-5h", *HOUSE), "--catchup-window takes 10s to 365d"),
        (("add", "weekly", *WEEKLY, "--catchup-window", "soon", *HOUSE), "--catchup-window takes 10s to 365d"),
        (("add", "Weekly Ünion/..\x1b[2J", *WEEKLY, *HOUSE), "is no schedule's name"),
        (("add", "a.b", *WEEKLY, *HOUSE), "is no schedule's name"),
        (("add", "weekly", *WEEKLY, "--like", "0123abcd"), "there is no directive '0123abcd'"),
        (("add", "weekly", *WEEKLY), "a directive needs --title"),
        (("add", "weekly", *WEEKLY, *HOUSE, "--repo", "https://ann:secret@example.invalid/a"), "keeps no password"),
        (("add", "weekly", *WEEKLY, *HOUSE[:-1]), "no daemon that lives serves"),
        (("add",), "needs the schedule's name"),
        (("remove",), "needs the schedule's name"),
        (("remove", "weekly"), "there is no schedule weekly"),
        (("trigger", "weekly"), "there is no schedule weekly"),
        (("pause", "weekly"), "there is no schedule weekly"),
        (("resume", "weekly"), "there is no schedule weekly"),
        (("list", "weekly"), "there is no schedule weekly"),
        (("list", "../x"), "is no schedule's name"),
        (("pause", "weekly", *WEEKLY), "--cron is for `schedule add`"),
        (("trigger", "weekly", "--goal", "Another"), "takes no options of `start`"),
        (("resume", "weekly", "--note", "why"), "--note says why a schedule is paused"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_one_line(desk: Desk, typed: tuple[str, ...], said: str) -> None:
    told = await desk.refused("schedule", *typed)
    assert said in told and len(told.splitlines()) == 1 and "secret" not in told
    assert (await desk.json("schedule", "list"))["schedules"] == []


@pytest.mark.rule("2.16")
async def test_a_name_that_is_taken_is_refused_and_its_schedule_stays(desk: Desk) -> None:
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE)
    told = await desk.refused("schedule", "add", "weekly", "--cron", "0 4 * * 2", *HOUSE)
    assert "there is a schedule weekly" in told
    assert (await listed(desk))["crons"] == ["0 3 * * 1"]


async def test_what_is_none_of_ours_under_such_an_id_hides_nothing_and_can_be_removed(desk: Desk) -> None:
    await desk.does("schedule", "add", "weekly", *WEEKLY, *HOUSE)
    strange = ScheduleActionStartWorkflow("Other", "\x1b[2J", id="x", task_queue="nowhere")
    spec = ScheduleSpec(cron_expressions=["0 3 * * 1"])
    await desk.world.client.create_schedule(f"{schedules_of(desk.owner)}odd", Schedule(action=strange, spec=spec))

    async def both() -> bool:
        return bool((await desk.json("schedule", "list"))["unreadable"] == ["odd"])

    await until(both)
    assert (await listed(desk))["name"] == "weekly"
    assert "odd  is no schedule of Makima's" in await desk.does("schedule", "list")
    assert "none of ours" in await desk.refused("schedule", "trigger", "odd")
    await desk.does("schedule", "remove", "odd")


async def test_the_python_client_does_the_same(desk: Desk) -> None:
    schedules = Schedules(Client(desk))
    options = StartOptions(
        title="House", goal="A house", repo=URL, planner="planner", timings="fast", wait_for_daemon=True, once=True
    )
    desk.daemon.plans = [planned(("floor", []))]
    added = await schedules.add("weekly", ["0 3 * * 1"], options, catchup_window=timedelta(hours=6))
    assert (added.name, added.catchup_window, added.last) == ("weekly", timedelta(hours=6), None)
    told = await schedules.trigger("weekly")
    (one,) = (await schedules.list("weekly")).schedules
    assert one.last and one.last.directive == told.directive
    workflow = one.last.workflow_id
    await asyncio.wait_for(desk.world.client.get_workflow_handle(workflow).result(), 120)
    (schedule,) = [each async for each in await desk.world.client.list_schedules() if each.id.endswith("weekly")]
    assert directive_of(UUID(int=0), workflow) != told.directive and schedule.id == f"{schedules_of(desk.owner)}weekly"
