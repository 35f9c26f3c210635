"""What a person repairs while a directive is under way, with a real daemon at a real forge (docs/repairs.md)."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shlex
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from domain.view import DirectiveView
from tests.acceptance.coder import step
from tests.acceptance.houses import House, Street, forge_of, forge_settings, is_idle, statuses, step_of
from tests.acceptance.stack import STARTER, Servers, Site, environment

pytestmark = pytest.mark.rule("8.2")


class Yard:
    """One owner's processes; `second` is an agent that signs what it does, on a daemon with a label."""

    def __init__(self, site: Site, street: Street) -> None:
        self.site = site
        self.street = street

    def gate(self, name: str) -> Path:
        return self.site.folder / f"gate-{name}"

    def held(self, name: str, *lines: str, after: tuple[str, ...] = ()) -> dict[str, object]:
        """A step that says that it runs, and waits for its gate."""
        gate = self.gate(name)
        return step(name, f"touch {gate}-reached; while ! test -e {gate}; do sleep 0.1; done", *lines, after=after)

    async def house(self, name: str, plan: list[dict[str, object]], *options: str) -> House:
        file = self.site.folder / f"plan-{name}.json"
        await asyncio.to_thread(file.write_text, json.dumps({"steps": plan}))
        return await self.street.house(name, "--plan", str(file), *options)

    def types(self, answer: str, *args: str) -> str:
        """What a command of starter.py prints at a terminal whose user types `answer`."""
        ours, theirs = pty.openpty()
        env = environment(MAKIMA_DATA_DIR=self.site.servers.data, MAKIMA_OWNER=self.site.owner, TERM="dumb")
        argv = [*STARTER, *args]
        running = subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        out, _ = running.communicate(timeout=90)
        os.close(ours)
        return out.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Yard]:
    forge = forge_of(servers)
    with Site(servers, tmp_path_factory.mktemp("repairs"), "repairs") as site:
        site.worker()
        script = (
            'cat > prompt; sh -eu -c "$(sed -n "/^#!/,/^# the end/p" prompt)"; rm prompt; touch second-was-here.txt'
        )
        second = f'[agents.second]\nkind = "command"\nargv = ["sh", "-euc", {json.dumps(script)}]\n'
        further = f"capacity = 6\n{forge_settings(forge)}"
        site.daemon(further=further, planner="coder.py")
        site.daemon("two", ["orchard"], further=f"{further}{second}", planner="coder.py", also=["second"])
        yield Yard(site, await Street.at(site, forge))


async def all_but(house: House, *running: str) -> None:
    """Wait until all steps are completed, but for those that run."""

    def holds(shown: DirectiveView) -> bool:
        found = statuses(shown)
        return all((status == "completed") != (name in running) for name, status in found.items()) and len(found) > 1

    await house.until(holds, "the other steps")


@pytest.mark.rule("4.5")
async def test_finished_work_that_is_not_shipped_is_taken_back_and_what_was_built_on_it_follows(yard: Yard) -> None:
    better = yard.gate("better")
    floor = step("Floor", f"if test -e {better}; then echo oak > floor.txt; else echo pine > floor.txt; fi")
    plan = [
        floor,
        step("Wall", "cat floor.txt > wall.txt", after=("Floor",)),
        step("Well"),
        step("Barn"),
        step("Loft", after=("Barn",)),
        yard.held("Gate"),
    ]
    house = await yard.house("taken-back", plan)
    async with house.told_where_it_fails():
        await all_but(house, "Gate")
        refused = await asyncio.to_thread(yard.site.starter, "retry-step", house.id, "Floor")
        assert (refused.code, refused.out) == (2, "")
        assert "'Floor' would be done again, too: 'Wall'; agree to it with --yes" in refused.err
        said = await asyncio.to_thread(yard.types, "n", "retry-step", house.id, "Floor")
        assert "Done again, too, since they were built on 'Floor':" in said
        assert "nothing was changed" in said
        assert statuses(await house.shown())["Floor"] == "completed"
        await asyncio.to_thread(better.touch)
        await asyncio.to_thread(yard.types, "y", "retry-step", house.id, "Floor", "--reason", "Pine creaks")
        await house.says("skip-step", "Well")
        refused = await asyncio.to_thread(yard.site.starter, "remove-step", house.id, "Barn")
        assert refused.code == 2
        assert "'Loft'" in refused.err
        await house.says("remove-step", "Barn", "--yes")

        def again(shown: DirectiveView) -> bool:
            found = statuses(shown)
            return (found.get("Floor"), found.get("Wall"), found.get("Well")) == ("completed", "completed", "skipped")

        await house.until(again, "the floor and the wall")
        await asyncio.to_thread(yard.gate("Gate").touch)
        await house.pull(1)
        await house.until(is_idle, "rest")
        assert await house.files(1) == {"floor.txt", "wall.txt", "gate.txt"}
        await house.ann.git("fetch", "--quiet", "origin", "+refs/pull/1/head:pull")
        for name in ("floor", "wall"):
            assert await house.ann.git("show", f"pull:{name}.txt") == "oak"
        assert "pine" not in await house.ann.git("log", "--patch", "pull"), "the first floor is in no commit of it"
        told = await house.says("history")
        assert "Pine creaks" in told or "Floor was taken back" in told
        refused = await asyncio.to_thread(yard.site.starter, "retry-step", house.id, "Floor", "--yes")
        assert refused.code == 2
        assert "holds step 'Floor' already" in refused.err


async def test_what_is_edited_is_what_the_next_task_is_done_with(yard: Yard) -> None:
    """Base branch, agent, label, checks and limits, while a step runs that keeps what it has."""
    house = await yard.house(
        "edited", [yard.held("First"), step("Next", after=("First",))], "--verify", "test -e first.txt"
    )
    async with house.told_where_it_fails():
        await house.ann.commit("release", {"release.txt": "r\n"}, onto="main")
        await house.until(lambda shown: statuses(shown).get("First") == "running", "the first step")
        edits = ("--base-branch", "release", "--agent", "second", "--label", "orchard", "--max-cost", "3")
        more = ("--max-attempts", "1", "--max-parallel", "1", "--verify", "test -e second-was-here.txt")
        said = await house.says("edit", *edits, *more)
        assert "First keep what they have" in said
        await house.says("add-step", "Orchard", "--task-plan", "#!/bin/sh\necho o > orchard.txt\n# the end")
        await asyncio.to_thread(yard.gate("First").touch)
        pull = await house.pull(1)
        shown = await house.until(is_idle, "rest")
        assert pull["base"]["ref"] == "release"
        assert await house.files(1) == {"first.txt", "next.txt", "orchard.txt", "second-was-here.txt"}
        by = {each.name: each.daemon for each in shown.steps}
        assert (by["Next"], by["Orchard"]) == ("two", "two")
        await house.history("agent: planner → second", "main → release")
        assert set(statuses(shown).values()) == {"completed"}


PUT_IN = {"NAME": "planner", "COMMAND": "true"}
"""What a person puts in the place of words in capitals; the steps are those that the reason, or the person, names."""


async def follow(house: House, *steps: str) -> list[str]:
    """Type every command that the reason for the pause names, in its order; their names."""
    reason = (await house.until(lambda shown: shown.status == "paused", "the pause")).reason
    typed = []
    for line in re.findall(r"`starter\.py ([^`]+)`", reason):
        command, _, *words = shlex.split(line)
        for each in steps if "STEP" in words else ("",):
            await house.says(command, *(PUT_IN.get(word, each if word == "STEP" else word) for word in words))
        typed.append(command)
    return typed


async def test_checks_that_the_merged_work_fails_are_changed_and_it_goes_on(yard: Yard) -> None:
    verify = ("--verify", "test ! -e hut.txt || test ! -e shed.txt")
    house = await yard.house("unfit", [step("Hut"), step("Shed")], *verify)
    async with house.told_where_it_fails():
        assert await follow(house, "Shed") == ["edit", "retry-step", "resume"]
        await house.pull(1)
        shown = await house.until(is_idle, "rest")
        assert await house.files(1) == {"hut.txt", "shed.txt"}
        assert step_of(shown, "Shed").attempt == 2


async def test_a_conflict_that_nobody_resolves_is_given_to_another_agent(yard: Yard) -> None:
    plan = [step("Hut", "echo hut > rooms.txt"), step("Shed", "echo shed > rooms.txt")]
    house = await yard.house("torn", plan, "--agent", "shell")
    async with house.told_where_it_fails():
        assert await follow(house, "Shed") == ["edit", "retry-step", "resume"]
        await house.pull(1)
        await house.until(is_idle, "rest")
        assert await house.files(1) == {"hut.txt", "shed.txt", "rooms.txt"}
        assert sorted(await house.rooms(1)) == ["+hut", "+shed", "-Rooms: cellar"]


async def test_work_on_another_history_than_the_base_branchs_is_done_again_on_it(yard: Yard) -> None:
    house = await yard.house("replaced", [step("Hut"), yard.held("Mill")])
    async with house.told_where_it_fails():
        await all_but(house, "Mill")
        await house.ann.commit("fresh", {"README.md": "# Anew\n", "fresh.txt": "f\n"})
        await house.ann.git("push", "--quiet", "--force", "origin", "HEAD:refs/heads/main")
        await asyncio.to_thread(yard.gate("Mill").touch)
        assert await follow(house, "Hut", "Mill") == ["retry-step", "resume"]
        await house.pull(1)
        await house.until(is_idle, "rest")
        assert await house.files(1) == {"hut.txt", "mill.txt"}
        await house.ann.git("fetch", "--quiet", "origin", "+refs/pull/1/head:pull")
        assert await house.ann.git("show", "pull:fresh.txt") == "f"
