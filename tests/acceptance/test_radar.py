"""Two steps on two machines change the same line: people see it before either is done (rule 6.14). Their agents are
programs without a session, which are not told; one that is: tests/agents/test_radar.py.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.view import DirectiveView
from tests.acceptance import mender
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings, is_idle, statuses
from tests.acceptance.stack import Site

STEPS = ("Attic", "Hall")


def script(gates: Path, name: str) -> str:
    """It changes the line, then does what it finds at the first gate of its own, and waits for the second one."""
    own, wait = name.lower(), "until test -e {}; do sleep 0.1; done\n"
    return (
        f"#!/bin/sh\nset -e\necho run >> {gates / name}.runs\nsed -i s/cellar/{own}/ rooms.txt\n"
        f"{wait.format(gates / name)}. {gates / name}\n{wait.format(gates / f'{name}.end')}# the end"
    )


def running(shown: DirectiveView) -> list[str]:
    return [step.name for step in shown.steps if step.status == "running"]


async def status(house: House) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await house.says("status", "--json"))
    return found


@pytest.mark.rule("6.14")
@pytest.mark.timeout(900)
async def test_two_steps_that_clash_are_seen_while_both_run_and_no_more_once_one_makes_way(site: Site) -> None:
    forge, gates = forge_of(site.servers), site.folder / "gates"
    street = await Street.at(site, forge)
    gates.mkdir()
    plan = site.folder / "plan.json"
    steps = [{"name": name, "task_plan": script(gates, name)} for name in STEPS]
    await asyncio.to_thread(plan.write_text, json.dumps({"steps": steps}))
    argv = json.dumps([sys.executable, str(Path(mender.__file__))])
    further = f'capacity = 1\n{forge_settings(forge)}[agents.mender]\nkind = "command"\nargv = {argv}\n'
    site.worker()
    site.daemon("one", further=further, also=("mender",))
    house = await street.house("radar", "--plan", str(plan), "--agent", "mender", "--no-shepherd")
    async with house.told_where_it_fails():
        (first,) = running(await house.until(running, "the first step"))
        (later,) = set(STEPS) - {first}
        site.daemon("two", further=further, also=("mender",))

        async def clash() -> dict[str, Any] | None:
            found = (each for each in (await status(house))["running"] if each["clashes"])
            return next(found, None)

        seen = await eventually(clash, "the clash")
        (of_it,) = seen["clashes"]
        assert (of_it["name"], of_it["paths"], of_it["told"]) == (first, ["rooms.txt"], False)
        said = await house.says("status")
        assert f"  clash       {later} and {first} change the same: rooms.txt\n" in said

        own = later.lower()
        makes_way = f"sed -i s/{own}/cellar/ rooms.txt\necho {own} > {own}.txt\n"
        await asyncio.to_thread((gates / later).write_text, makes_way)

        async def is_gone() -> bool | None:
            log = await house.says("logs", later)
            return f"clashes no more with the step {first}" in log and await clash() is None

        await eventually(is_gone, "the end of the clash")
        assert set(running(await house.shown())) == set(STEPS), "both run"
        (gates / first).touch()
        for name in STEPS:
            (gates / f"{name}.end").touch()
        shown = await house.until(is_idle, "the end")
        assert statuses(shown) == dict.fromkeys(STEPS, "completed")
        assert {step.attempt for step in shown.steps} == {1}
        assert {name: (gates / f"{name}.runs").read_text() for name in STEPS} == dict.fromkeys(STEPS, "run\n")
        assert await house.files(1) == {"rooms.txt", f"{later.lower()}.txt"}
        assert await house.rooms(1) == ["-Rooms: cellar", f"+Rooms: {first.lower()}"]
