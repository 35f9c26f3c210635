"""The base branch is deleted, replaced, or named wrongly, while there is work on it: nothing is lost (rule 7.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.houses import House, Street, forge_of, is_idle, statuses
from tests.acceptance.stack import Servers, Site
from tests.acceptance.test_moving_base import Harbour, opened

pytestmark = pytest.mark.rule("7.3")
WHICH = "Which branch shall the work start from"
SHED = "#!/bin/sh\necho shed > shed.txt\n# the end"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def harbour(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harbour]:
    with Site(servers, tmp_path_factory.mktemp("lost"), "lost") as site:
        site.worker()
        yield Harbour(site, await Street.at(site, forge_of(servers)))


@pytest_asyncio.fixture(autouse=True)
async def left(harbour: Harbour) -> AsyncIterator[None]:
    yield
    await harbour.street.leave()


async def delete(house: House, branch: str) -> None:
    await house.ann.git("push", "--quiet", "origin", f":refs/heads/{branch}")


async def replace(house: House, branch: str) -> str:
    """Another history in its place; where it was."""
    await house.ann.git("fetch", "--quiet", "--prune", "origin")
    before = await house.ann.git("rev-parse", f"origin/{branch}")
    made = await house.ann.git("commit-tree", f"{before}^{{tree}}", "-m", "another beginning")
    await house.ann.git("push", "--quiet", "--force", "origin", f"{made}:refs/heads/{branch}")
    return before


async def refused(harbour: Harbour, *command: str) -> str:
    ran = await harbour.street.starter(*command)
    assert (ran.code, ran.out) == (2, ""), ran
    assert ran.err.count("\n") == 1, ran
    return ran.err


async def test_it_is_deleted_while_an_agent_runs_and_the_work_goes_where_the_answer_says(harbour: Harbour) -> None:
    held = await asyncio.to_thread(harbour.holds, "# House unbased: Hut")
    house = await harbour.house("unbased", "--base-branch", "release")
    async with house.told_where_it_fails():
        await house.until(lambda shown: statuses(shown).get("Hut") == "running", "the hut")
        await delete(house, "release")
        await asyncio.to_thread(held.unlink)
        asked = await house.question(WHICH)
        shown = await house.shown()
        assert (statuses(shown), shown.status) == ({"Hut": "completed"}, "paused")
        assert "has no branch 'release'; it has main" in asked.text
        (ours,) = [ref for ref in await house.refs() if ref.startswith("refs/heads/makima/")]
        own = ours.removeprefix("refs/heads/")
        assert "the directive pushes to" in await refused(harbour, "answer", house.id, str(asked.id), own)
        await house.says("answer", str(asked.id), "nowhere")
        await house.until(lambda shown: [each for each in shown.questions if each.id != asked.id], "another question")
        asked = await house.question("has no branch 'nowhere'")
        await house.says("answer", str(asked.id), "main")
        pull = await house.pull(1)
        assert (pull["base"]["ref"], await house.files(1)) == ("main", {"hut.txt", "release.txt"})
        await house.history("release → nowhere", "nowhere → main")
        await house.until(lambda shown: is_idle(shown) and not shown.questions, "rest")


async def test_it_is_deleted_under_an_open_pull_request_while_an_agent_runs(harbour: Harbour) -> None:
    house = await harbour.house("undone", "--base-branch", "release")
    async with house.told_where_it_fails():
        await opened(house)
        held = await asyncio.to_thread(harbour.holds, "# House undone: Shed")
        await house.says("add-step", "Shed", "--task-plan", SHED)
        await house.until(lambda shown: statuses(shown).get("Shed") == "running", "the shed")
        await delete(house, "release")
        asked = await house.question("closed without being merged")
        await house.says("answer", str(asked.id), "open a new one")
        await asyncio.to_thread(held.unlink)
        asked = await house.question(WHICH)
        await house.says("answer", str(asked.id), "main")
        second = await house.pull(2)
        assert (second["base"]["ref"], second["state"]) == ("main", "open")
        await house.until(lambda shown: is_idle(shown) and not shown.questions, "rest")
        assert await house.files(2) == {"hut.txt", "release.txt", "shed.txt"}


async def test_one_that_an_operator_misnames_and_one_whose_history_people_replace_hold_it_up_until_they_are_put_right(
    harbour: Harbour,
) -> None:
    house = await harbour.house("misnamed")
    async with house.told_where_it_fails():
        await opened(house)
        own = (await house.pull(1))["head"]["ref"]
        assert "the directive pushes to" in await refused(harbour, "edit", house.id, "--base-branch", own)
        await house.says("edit", "--base-branch", "nowhere")
        asked = await house.question("does not take 'nowhere' as the base branch of pull request #1")
        assert "choose another one with `edit --base-branch`" in asked.text
        await house.says("edit", "--base-branch", "release")
        await house.until(lambda shown: is_idle(shown) and not shown.questions, "rest")
        await house.until_pull(1, lambda pull: pull["base"]["ref"] == "release", "its new base")

        before = await replace(house, "release")
        await house.says("add-step", "Shed", "--task-plan", SHED)
        paused = await house.until(lambda shown: shown.status == "paused", "the pause")
        assert "the base branch 'release' has no commit in common with" in paused.reason
        assert statuses(paused)["Shed"] == "completed"
        await house.ann.git("push", "--quiet", "--force", "origin", f"{before}:refs/heads/release")
        await house.says("resume")
        # The shed was begun at what lay there meanwhile; the advice is what brings it over.
        paused = await house.until(
            lambda shown: "the work of 'Shed' has no commit in" in shown.reason, "the other pause"
        )
        assert f"`starter.py retry-step {house.id[:8]} STEP --yes`" in paused.reason
        await house.says("retry-step", "Shed", "--yes")
        await house.says("resume")
        await house.until_pull(1, lambda pull: pull["commits"] > 1, "the shed")
        await house.until(lambda shown: is_idle(shown) and not shown.questions, "rest")
        assert await house.files(1) == {"hut.txt", "shed.txt"}
        assert len(await house.get("/pulls?state=all")) == 1


async def test_the_commit_that_a_step_was_to_begin_at_is_gone_and_it_begins_where_the_branch_is(
    harbour: Harbour,
) -> None:
    held = await asyncio.to_thread(harbour.holds, "# House gone: Hut")
    house = await harbour.house("gone")
    async with house.told_where_it_fails():
        await house.until(lambda shown: statuses(shown).get("Hut") == "running", "the hut")
        await delete(house, "release")
        before = await replace(house, "main")
        repository = harbour.street.forge.folder / "repositories" / f"{house.name}.git"
        await house.ann.git("-C", str(repository), "prune", "--expire=now")
        await asyncio.to_thread(harbour.daemon.kill)
        await asyncio.to_thread(held.unlink)
        harbour.daemon = harbour.start_daemon("another")
        shown = await house.until(lambda shown: statuses(shown)["Hut"] == "failed", "the failure")
        (hut,) = shown.steps
        assert f"the commit {before} that 'Hut' was to begin at is gone from 'main'" in hut.failure
        assert "`retry-step` begins it there" in hut.failure
        await house.says("retry-step", "Hut")
        await house.pull(1)
        assert await house.files(1) == {"hut.txt"}
