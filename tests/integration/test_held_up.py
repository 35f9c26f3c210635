"""What a task tries again while a forge, a remote or a daemon fails is seen by people (rule 9.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import ForgeUnreachable
from domain.spawn_task import Outcome, SpawnTask
from tests.fixtures_desk import Desk
from tests.workflows.scripted import planned, until

pytestmark = pytest.mark.rule("9.2")
AWAY = "the forge answers 503"


async def test_what_a_daemon_tries_again_is_said_until_it_works(idle_desk: Desk) -> None:
    desk = idle_desk
    desk.daemon.plans = [planned(("floor", []))]
    desk.daemon.held_up["floor"] = f"{AWAY}\x1b[2J\n{'x' * 300}"
    desk.daemon.again["floor"] = later = datetime.now(UTC) + timedelta(hours=1)
    held = desk.daemon.hold("floor")

    async def is_said() -> bool:
        return AWAY in await desk.does("status", directive) and AWAY in await desk.does("why", directive, "floor")

    async def is_undated() -> bool:
        return f"held up     House: floor: {AWAY}" in await desk.does("status", directive)

    async def is_gone() -> bool:
        return AWAY not in await desk.does("status", directive)

    async with desk.worker(), desk.daemons():
        directive = await desk.start()
        await until(is_said)
        [(name, why)] = (await desk.json("status", directive))["held_up"].items()
        assert name == "House: floor"
        assert "\x1b" not in why and len(why) <= 200, "what comes from outside is cleaned, and bounded"
        assert [AWAY in each for each in (await desk.json("list"))["directives"][0]["held_up"].values()] == [True]
        assert f"next        {later:%Y-%m-%d %H:%M:%S} UTC: House: floor is tried again ({AWAY}" in await desk.does(
            "status", directive
        )
        assert f"is tried again at {later:%H:%M:%S} UTC: {AWAY}" in await desk.does("why", directive, "floor")
        assert f"next: {later:%Y-%m-%d %H:%M:%S} UTC: House: floor" in await desk.does("why", directive)
        desk.daemon.again["floor"] = datetime.now(UTC) - timedelta(seconds=1)
        await until(is_undated)
        held.set()
        await until(is_gone)
        assert (await desk.json("status", directive))["timers"] == []


async def test_a_forge_that_asks_to_wait_is_said_with_the_time(idle_desk: Desk) -> None:
    desk = idle_desk
    desk.daemon.plans = [planned(("floor", []))]
    desk.daemon.opens_pull_requests = True
    later = datetime.now(UTC) + timedelta(hours=2)
    desk.world.forge.answer = ForgeUnreachable("GitHub limits this token", later)

    async def is_said() -> bool:
        timers = (await desk.json("status", directive))["timers"]
        return any("GitHub limits" in each["why"] for each in timers)

    async def is_quiet() -> bool:
        timers = (await desk.json("status", directive))["timers"]
        return [each["why"] for each in timers if each["at"] and "the look at the pull request" in each["what"]] == [""]

    async with desk.worker(), desk.daemons(), desk.world.light_worker():
        directive = await desk.start()
        await until(is_said)
        said, line = await desk.json("status", directive), await desk.does("status", directive)
        at = datetime.fromisoformat(said["timers"][0]["at"])
        assert abs(at - later) < timedelta(minutes=1)
        told = f"{at:%Y-%m-%d %H:%M:%S} UTC: the look at the pull request is tried again (GitHub limits this token)"
        assert f"next        {told}" in line and f"next: {told}" in await desk.does("why", directive)
        assert said["held_up"] == {"the look at the pull request": "GitHub limits this token"}
        desk.world.forge.answer = None
        await desk.does("poke", directive)
        await until(is_quiet)


async def test_what_temporal_tries_again_is_said_with_the_failure(idle_desk: Desk) -> None:
    desk = idle_desk
    desk.daemon.plans = [planned(("floor", []))]
    works = False

    async def fails(command: SpawnTask) -> Outcome:
        if not works:
            raise RuntimeError("nobody knew")
        return desk.daemon.done(command)

    async def is_said() -> bool:
        timers = (await desk.json("status", directive))["timers"]
        return ("House: floor is tried again", "nobody knew") in [(each["what"], each["why"]) for each in timers]

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
