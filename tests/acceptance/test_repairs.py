"""What a person repairs while a directive is under way, with a real daemon at a real forge (docs/repairs.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from domain.view import DirectiveView
from tests.acceptance.coder import step
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings, is_idle, statuses
from tests.acceptance.stack import Servers, Site
from tests.acceptance.yard import Yard

pytestmark = pytest.mark.rule("8.2")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Yard]:
    forge = forge_of(servers)
    with Site(servers, tmp_path_factory.mktemp("repairs"), "repairs") as site:
        site.worker()
        script = (
            'cat > prompt; sh -eu -c "$(sed -n "/^#!/,/^# the end/p" prompt)"; rm prompt; touch second-was-here.txt'
        )
        second = f'[agents.second]\nkind = "command"\nargv = ["sh", "-euc", {json.dumps(script)}]\n'
        mends = "sed -n 's/^missing: //p' | xargs touch mender-was-here.txt"
        mender = f'[agents.mender]\nkind = "command"\nargv = ["sh", "-euc", {json.dumps(mends)}]\n'
        further = f"capacity = 6\n{forge_settings(forge)}"
        site.daemon(further=f"{further}{mender}", planner="coder.py", also=["mender"])
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


@pytest.mark.rule("7.5")
async def test_how_a_pull_request_is_looked_after_is_edited_while_it_is_open(yard: Yard) -> None:
    """Whether, by whom, how often, and what of it stays: beside one that is merged later, and tidied up after."""
    house = await yard.house("open", [step("Hut")], "--no-shepherd", "--shepherd-rounds", "0")
    other = await yard.house("usual", [step("Shed")])
    async with house.told_where_it_fails():
        branch = (await house.pull(1))["head"]["ref"]
        await house.until(is_idle, "rest")
        refused = await asyncio.to_thread(yard.site.starter, "poke", house.id)
        assert (refused.code, refused.out) == (2, "")
        assert "`starter.py edit ID --shepherd` lets it be looked after" in refused.err

        async def fails(log: str) -> None:
            await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="failure", log=log)

        await fails("missing: first.txt")
        await house.says("edit", "--shepherd")
        await house.question("0 rounds of fixes were not enough")
        await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="success")
        await house.until(lambda shown: not shown.questions, "the question's own end")
        await house.says("edit", "--shepherd-rounds", "1", "--fixer", "mender", "--keep-branches")
        await fails("missing: second.txt")
        await house.until_pull(1, lambda pull: pull["commits"] > 1, "a fix")
        await house.until(is_idle, "rest")
        assert await house.files(1) == {"hut.txt", "second.txt", "mender-was-here.txt"}
        await fails("missing: third.txt")
        await house.question("1 rounds of fixes were not enough")
        ours = {ref for ref in await house.refs() if ref.startswith("refs/heads/makima/")}
        await house.merge(1, "merge")
        await house.until(lambda shown: set(statuses(shown).values()) == {"merged"}, "the merge")
        await other.pull(1)
        await other.until(lambda shown: shown.pr and shown.pr.watched, "its watch")
        await other.merge(1, "merge")

        async def tidy() -> bool:
            return await other.refs() == {"refs/heads/main"}

        await eventually(tidy, "the end of what the other one has left")
        assert ours and ours <= await house.refs()
