"""The Python client (docs/python.md) does what the commands do, over a real Temporal and a real Postgres."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.errors import NotReachable, Refused
from domain.requests import Archive, SetMemory
from ledger.pool import open_pool
from ledger.reader import Record
from steering.client import Client
from steering.new_directive import StartOptions
from tests.fixtures_desk import URL, Desk
from tests.fixtures_stack import temporal_environment
from tests.workflows.scripted import planned, until

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def house(**given: Any) -> StartOptions:
    usual: dict[str, Any] = {"title": "House", "goal": "A house", "repo": URL, "planner": "planner", "agent": "shell"}
    # The scripted daemon reports itself to nobody.
    return StartOptions(**{**usual, "timings": "fast", "wait_for_daemon": True, **given})


async def reaches(client: Client, directive: str, *wanted: str) -> None:
    async def reached() -> bool:
        with suppress(NotReachable):  # it has started, and a slow machine has recorded nothing of it yet
            return (await client.status(directive)).status in wanted
        return False

    await until(reached)


async def proposes(client: Client, directive: str, step: str) -> str:
    """The name of the plan."""

    async def proposed() -> bool:
        with suppress(NotReachable):
            proposal = (await client.status(directive)).proposal
            return proposal is not None and proposal.steps == (step,)
        return False

    await until(proposed)
    return (await client.plan(directive)).name


@pytest.mark.rule("8.2")
async def test_a_directive_is_steered_from_its_start_to_its_end(desk: Desk) -> None:
    client = Client(desk)
    desk.daemon.plans = [planned(("cellar", [])), planned(("floor", [])), planned(("roof", []))]
    started = await client.start(house(require_approval=True))
    directive = str(started.id)
    cellar = await proposes(client, directive, "cellar")
    await client.reject(directive, "no cellar", plan=cellar)
    floor = await proposes(client, directive, "floor")
    with pytest.raises(Refused, match=f"but another one, {floor}"):
        await client.approve(directive, cellar)
    plan = await client.plan(directive, diff=True)
    assert ([step.name for step in plan.steps], plan.waits_for_approval) == (["floor"], True)
    paused = await client.pause(directive)
    assert (paused.status, paused.recorded) == ("paused", True)
    assert (await client.resume(directive)).status in ("planning", "active")
    desk.daemon.holds["floor"].clear()
    await client.approve(directive, floor)
    await desk.daemon.arrived["floor"].wait()
    why = await client.why(directive, "floor")
    assert why.steps[0].name == "floor"
    desk.daemon.holds["floor"].set()
    await reaches(client, directive, "idle")
    await client.goal(directive, "A house with a roof")
    await client.approve(directive, await proposes(client, directive, "roof"))
    await reaches(client, directive, "idle")
    assert [each.id for each in (await client.list()).directives] == [started.id]
    assert [each.id for each in (await client.costs(directive)).directives] == [started.id]
    assert [task.name for task in (await client.logs(directive, "roof")).tasks] == ["House: roof"]
    assert (await client.questions()).questions == ()
    assert (await client.ask(directive, Archive)).status == "archived"


@pytest.mark.rule("9.3")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda client, directive: client.goal(directive, ""), "goal: it may not be empty"),
        (lambda client, directive: client.answer(directive, "91", "yes"), "question: at least 4 characters are needed"),
        (lambda client, directive: client.answer(directive, "91c0", "yes"), "'91c0' means 0 questions"),
        (lambda client, directive: client.approve(directive, ""), "no plan waits for approval"),
        (lambda client, directive: client.why(directive, "attic"), "attic"),
        (lambda client, directive: client.status(str(uuid4())), "there is no directive"),
        (lambda client, directive: client.start(house(repo="")), "repo"),
        (lambda client, directive: client.start(house(planner=None)), "--planner NAME"),
    ],
)
async def test_what_the_commands_refuse_is_refused_with_the_same_line(desk: Desk, asked: Any, said: str) -> None:
    client = Client(desk)
    directive = await desk.start()
    with pytest.raises(Refused) as refused:
        await asked(client, directive)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.rule("8.2")
async def test_under_one_request_id_one_directive_is_started_whether_it_runs_or_has_ended(desk: Desk) -> None:
    client = Client(desk)
    options = house(once=True)
    desk.daemon.plans = [planned(("floor", []))]
    first = await client.start(options, request_id="monday")
    again = await asyncio.gather(*(client.start(options, request_id="monday") for _ in range(3)))
    assert {(each.id, each.workflow_id) for each in again} == {(first.id, first.workflow_id)}
    await reaches(client, str(first.id), "completed", "failed")
    assert (await client.start(options, request_id="monday")).id == first.id
    assert (await desk.json("start", *TYPED, "--request-id", "monday"))["id"] == str(first.id)
    desk.daemon.plans = [planned(("floor", []))]
    tuesday = await client.start(options, request_id="tuesday")
    assert tuesday.id != first.id
    await reaches(client, str(tuesday.id), "completed", "failed")
    assert len((await client.list()).directives) == 2


TYPED = (
    "--title",
    "House",
    "--goal",
    "A house",
    "--repo",
    URL,
    "--planner",
    "planner",
    "--timings",
    "fast",
    "--wait-for-daemon",
)


@pytest.mark.rule("8.2")
async def test_while_the_record_is_away_no_request_id_starts_anything(idle_desk: Desk, database: str) -> None:
    """It alone knows what was started under this one long ago, or under another title."""
    known, away = idle_desk.reading, await open_pool(database)
    await away.close()
    idle_desk.reading = Record(away)
    with pytest.raises(NotReachable):
        await Client(idle_desk).start(house(), request_id="monday")
    idle_desk.reading = known
    # With a worker all that was started is recorded: had it been, the second one would be another directive's words.
    async with idle_desk.worker(), idle_desk.daemons():
        idle_desk.daemon.plans = [planned(("cellar", []))]
        started = await Client(idle_desk).start(house(title="Another house"), request_id="monday")
        await reaches(Client(idle_desk), str(started.id), "idle")
        assert [each.title for each in (await Client(idle_desk).list()).directives] == ["Another house"]


@pytest.mark.rule("8.2")
async def test_one_that_ended_unrecorded_is_not_started_again_under_its_name(idle_desk: Desk) -> None:
    """The record may not know it yet: Temporal does."""
    client = Client(idle_desk)
    with pytest.raises(NotReachable):  # no worker runs: nothing records it
        await client.status(str((await client.start(house(), request_id="once")).id))
    started = await client.start(house(), request_id="once")
    await idle_desk.world.client.get_workflow_handle(started.workflow_id).terminate()
    assert (await client.start(house(), request_id="once")).id == started.id


async def test_the_example_of_the_page_runs(desk: Desk, database: str, tmp_path: Path) -> None:
    desk.daemon.plans = [planned(("floor", []))]
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path / "example.py"
    # The scripted daemon reports itself to nobody.
    file.write_text(example.replace("require_approval=True,", "require_approval=True, wait_for_daemon=True,"))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MAKIMA_DATABASE_URL": database,
        "MAKIMA_OWNER": desk.owner,
        **temporal_environment(desk.world.client),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, file, URL, "planner"),
        env=environment,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (out.decode(), process.returncode) == ("['floor']\nidle ['floor']\n", 0), err.decode()


async def test_a_memory_is_set_by_a_request_of_ones_own(desk: Desk) -> None:
    directive = await desk.start("--memory")
    await Client(desk).ask(directive, lambda: SetMemory(key="test", value="make test"), "once")
    assert (await desk.json("memory", directive))["memories"][0]["value"] == "make test"
