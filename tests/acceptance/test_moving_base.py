"""The base branch moves under a pull request, by people at the forge: the directive follows (rule 7.3)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.coder import HOLD, ROOMS, step
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings, is_idle, statuses
from tests.acceptance.stack import Running, Servers, Site

pytestmark = pytest.mark.rule("7.3")
OLD = "only-main.txt"
"""What the old base branch got after the work had begun: no part of a pull request into another one."""


class Harbour:
    """One owner's processes; the daemon may be killed."""

    def __init__(self, site: Site, street: Street) -> None:
        self.site = site
        self.street = street
        self.daemon = self.start_daemon()

    def start_daemon(self, name: str = "one") -> Running:
        further = f"capacity = 4\n{forge_settings(self.street.forge)}"
        return self.site.daemon(name, further=further, planner="coder.py")

    async def house(self, name: str, *options: str, rooms: str = "") -> House:
        """Of one step, with a pull request into `main`; `release` is where `main` was."""
        plan = self.site.folder / f"plan-{name}.json"
        lines = (f"sed -i 's/$/, {rooms}/' {ROOMS}",) if rooms else ()
        await asyncio.to_thread(plan.write_text, json.dumps({"steps": [step("Hut", *lines)]}))
        return await self.street.house(name, "--plan", str(plan), *options, branch="release")

    def holds(self, text: str) -> Path:
        """Agents whose prompt holds `text` wait until the file that is returned is gone."""
        file = self.site.folder / HOLD
        file.write_text(text)
        return file


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def harbour(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harbour]:
    with Site(servers, tmp_path_factory.mktemp("moving"), "moving") as site:
        site.worker()
        yield Harbour(site, await Street.at(site, forge_of(servers)))


@pytest_asyncio.fixture(autouse=True)
async def left(harbour: Harbour) -> AsyncIterator[None]:
    yield
    await harbour.street.leave()


async def opened(house: House) -> None:
    await house.pull(1)
    await house.until(lambda shown: shown.pr and shown.pr.watched, "its watch")


async def followed(house: House, base: str, number: int = 1) -> None:
    """The directive says where its pull request goes now, and that it has followed; nobody is asked anything."""
    shown = await house.until(lambda shown: shown.base_branch == base, f"the base branch {base}")
    assert not shown.questions
    url = (await house.pull(number))["html_url"]
    await house.history(f"→ {base}: {url} is merged into that now")


async def holds_none_of(house: House, commit: str, number: int = 1) -> None:
    await house.ann.git("fetch", "--quiet", "origin", f"+refs/pull/{number}/head:pull")
    code, _, _ = await house.ann.try_git("merge-base", "--is-ancestor", commit, "pull")
    assert code == 1, "the old base branch was merged in"


async def adds(house: House, name: str) -> None:
    """Another step, done and pushed."""
    plan = f"#!/bin/sh\necho {name} > {name}.txt\n# the end"
    await house.says("add-step", name, "--task-plan", plan)
    await house.until(lambda shown: statuses(shown).get(name) == "completed" and is_idle(shown), f"the step {name}")


async def test_it_is_retargeted_while_the_next_step_runs(harbour: Harbour) -> None:
    house = await harbour.house("retargeted")
    async with house.told_where_it_fails():
        await opened(house)
        moved = await house.ann.commit("main", {OLD: "m\n"})
        held = await asyncio.to_thread(harbour.holds, "# House retargeted: Shed")
        await house.says("add-step", "Shed", "--task-plan", "#!/bin/sh\necho shed > shed.txt\n# the end")
        await house.until(lambda shown: statuses(shown).get("Shed") == "running", "the shed")
        await house.retarget(1, "release")
        await followed(house, "release")
        await asyncio.to_thread(held.unlink)
        await house.until_pull(1, lambda pull: pull["commits"] > 1, "the shed")
        await house.until(is_idle, "rest")
        assert await house.files(1) == {"hut.txt", "shed.txt"}
        await holds_none_of(house, moved)
        await adds(house, "well")
        assert (await house.pull(1))["base"]["ref"] == "release"
        assert len(await house.get("/pulls?state=all")) == 1


async def test_it_is_retargeted_between_a_completion_and_a_fix(harbour: Harbour) -> None:
    house = await harbour.house("between")
    async with house.told_where_it_fails():
        await opened(house)
        branch = (await house.pull(1))["head"]["ref"]
        moved = await house.ann.commit("main", {OLD: "m\n"})
        log = "missing: checked.txt"
        await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="failure", log=log)
        await house.retarget(1, "release")
        await house.until_pull(1, lambda pull: pull["commits"] > 1, "the fix")
        await followed(house, "release")
        assert await house.files(1) == {"hut.txt", "checked.txt"}
        await holds_none_of(house, moved)


@pytest.mark.parametrize("when", ["while it is resolved", "once it is resolved"])
async def test_it_is_retargeted_around_the_fix_of_a_conflict(harbour: Harbour, when: str) -> None:
    name = f"torn-{when.split()[0]}"
    house = await harbour.house(name, rooms="hut")
    async with house.told_where_it_fails():
        await opened(house)
        # Of the fix, or of the completion that would push it: another step's, whose work conflicts with it.
        text = f"{harbour.site.owner}/{name}/pull/1 (branch" if when.startswith("while") else f"# House {name}: Shed"
        held = await asyncio.to_thread(harbour.holds, text)
        if when.startswith("once"):
            await house.says("add-step", "Shed", "--task-plan", "#!/bin/sh\necho shed > shed.txt\n# the end")
        moved = await house.ann.commit("main", {OLD: "m\n", ROOMS: "Rooms: cellar, attic\n"})
        wanted = "running" if when.startswith("while") else "completed"

        def is_there(status: str) -> bool:
            return status == wanted

        await house.until(
            lambda shown: any(each.name.startswith("Merge the base") and is_there(each.status) for each in shown.steps),
            "the fix",
        )
        await house.retarget(1, "release")
        await followed(house, "release")
        await asyncio.to_thread(held.unlink)
        await house.until(is_idle, "rest")
        await house.until_pull(1, lambda pull: pull["mergeable"], "a pull request without a conflict")
        await holds_none_of(house, moved)
        assert OLD not in await house.files(1)
        await house.history("it was to merge a base branch that is none any more")


async def test_its_base_is_renamed(harbour: Harbour) -> None:
    house = await harbour.house("renamed")
    async with house.told_where_it_fails():
        await opened(house)
        await house.ann.commit("main", {OLD: "m\n"})
        await house.rename("main", "trunk")
        await followed(house, "trunk")
        await adds(house, "well")
        assert (await house.pull(1))["base"]["ref"] == "trunk"
        assert await house.files(1) == {"hut.txt", "well.txt"}


async def test_the_parent_of_a_stack_is_merged_and_its_branch_deleted(harbour: Harbour) -> None:
    house = await harbour.house("stack", "--base-branch", "release", "--no-shepherd")
    async with house.told_where_it_fails():
        await house.pull(1)
        await house.until(is_idle, "rest")
        async with house.forge.rest() as client:
            fields = {"title": "Ann's", "head": "release", "base": "main", "body": "The parent."}
            assert (await client.post(f"/repos/{house.name}/pulls", json=fields)).is_success
        await house.merge(2, "squash")
        await house.ann.git("push", "--quiet", "origin", ":refs/heads/release")
        await house.until_pull(1, lambda pull: pull["base"]["ref"] == "main", "the forge's retargeting")
        await adds(house, "well")
        assert (await house.shown()).base_branch == "main"
        pull = await house.pull(1)
        assert (pull["state"], pull["base"]["ref"]) == ("open", "main")
        assert await house.files(1) == {"hut.txt", "well.txt"}


async def test_its_base_is_deleted_and_the_work_goes_into_another_one(harbour: Harbour) -> None:
    house = await harbour.house("deleted", "--base-branch", "release")
    async with house.told_where_it_fails():
        await opened(house)
        await house.ann.git("push", "--quiet", "origin", ":refs/heads/release")
        asked = await house.question("closed without being merged")
        await house.says("answer", str(asked.id), "open a new one")
        asked = await house.question("Which branch shall the work start from")
        await house.says("answer", str(asked.id), "main")
        second = await house.pull(2)
        assert (second["base"]["ref"], second["state"]) == ("main", "open")
        await house.until(lambda shown: is_idle(shown) and not shown.questions, "rest")
        assert await house.files(2) == {"hut.txt", "release.txt"}, "what it was built on is part of it"


@pytest.mark.rule("6.8")
async def test_it_is_retargeted_before_the_daemon_that_opened_it_has_said_so(harbour: Harbour) -> None:
    forge = harbour.street.forge
    await forge.fail("acted_then_silent", method="POST", path=f"{harbour.site.owner}/unsaid/pulls$")
    house = await harbour.house("unsaid")
    async with house.told_where_it_fails():

        async def met() -> bool:
            return not any("unsaid" in str(each) for each in await forge.pending_failures())

        await eventually(met, "the request whose answer doesn't come")
        await asyncio.to_thread(harbour.daemon.kill)
        moved = await house.ann.commit("main", {OLD: "m\n"})
        await house.retarget(1, "release")
        harbour.daemon = harbour.start_daemon()
        await followed(house, "release")
        await house.until(is_idle, "rest")
        assert len(await house.get("/pulls?state=all")) == 1
        assert await house.files(1) == {"hut.txt"}
        await holds_none_of(house, moved)
