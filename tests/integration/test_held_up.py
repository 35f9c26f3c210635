"""What a task tries again while a forge, a remote or a daemon fails is seen by people (rule 9.2)."""

from __future__ import annotations

import pytest

from domain.spawn_task import Outcome, SpawnTask
from tests.fixtures_desk import Desk
from tests.workflows.scripted import planned, until

pytestmark = pytest.mark.rule("9.2")
AWAY = "the forge answers 503"


async def test_what_a_daemon_tries_again_is_said_until_it_works(idle_desk: Desk) -> None:
    desk = idle_desk
    desk.daemon.plans = [planned(("floor", []))]
    desk.daemon.held_up["floor"] = f"{AWAY}\x1b[2J\n{'x' * 300}"
    held = desk.daemon.hold("floor")

    async def is_said() -> bool:
        return AWAY in await desk.does("status", directive) and AWAY in await desk.does("why", directive, "floor")

    async def is_gone() -> bool:
        return AWAY not in await desk.does("status", directive)

    async with desk.worker(), desk.daemons():
        directive = await desk.start()
        await until(is_said)
        [(name, why)] = (await desk.json("status", directive))["held_up"].items()
        assert name == "House: floor"
        assert "\x1b" not in why and len(why) <= 200, "what comes from outside is cleaned, and bounded"
        assert [AWAY in each for each in (await desk.json("list"))["directives"][0]["held_up"].values()] == [True]
        held.set()
        await until(is_gone)


async def test_what_temporal_tries_again_is_said_with_the_failure(idle_desk: Desk) -> None:
    desk = idle_desk
    desk.daemon.plans = [planned(("floor", []))]
    works = False

    async def fails(command: SpawnTask) -> Outcome:
        if not works:
            raise RuntimeError("nobody knew")
        return desk.daemon.done(command)

    async def is_said() -> bool:
        return "nobody knew; it is tried again" in await desk.does("status", directive)

    async def is_gone() -> bool:
        return "nobody knew" not in await desk.does("status", directive)

    async def is_idle() -> bool:
        return bool((await desk.json("status", directive))["status"] == "idle")

    desk.daemon.endings["floor"] = fails
    async with desk.worker(), desk.daemons():
        directive = await desk.start()
        await until(is_said)
        held = desk.daemon.hold("floor")
        works = True
        await until(is_gone)
        assert desk.daemon.ended == ["planning"], "what failed before is no news while it runs"
        held.set()
        await until(is_idle)
        assert (await desk.json("status", directive))["held_up"] == {}
