"""A directive's whole life at a forge: starter → worker → daemon → fake forge, merged there in all three ways (rule 7).

The three lives go on side by side, on one stack, one worker and one daemon; each test waits for one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.coder import ROOMS
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings, is_idle, statuses, step_of
from tests.acceptance.stack import SharedServers, Site

METHODS = ("merge", "squash", "rebase")
VERIFY = f"test -s {ROOMS}"
FIRST_FILES = {"walls.txt", "roof.txt", "door.txt", ROOMS}

Lives = dict[str, asyncio.Task[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lives(servers: SharedServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lives]:
    """Method of merging → the life that ends so."""
    forge = forge_of(servers)
    with Site(servers, tmp_path_factory.mktemp("lives"), "lives") as site:
        site.worker()
        site.daemon(further=f"capacity = 4\n{forge_settings(forge)}", planner="coder.py")
        street = await Street.at(site, forge)
        running = {method: asyncio.create_task(life(street, method)) for method in METHODS}
        yield running
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)


@pytest.mark.rule("7.1")
@pytest.mark.rule("7.2")
@pytest.mark.rule("7.3")
@pytest.mark.rule("7.4")
@pytest.mark.rule("7.5")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", METHODS)
async def test_a_directive_lives_from_its_plan_to_its_second_pull_request(lives: Lives, method: str) -> None:
    await lives[method]


async def life(street: Street, method: str) -> None:
    house = await street.house(method, "--verify", VERIFY)
    async with house.told_where_it_fails():
        await opened_as_a_draft(house)
        await ready_with_all_its_steps(house)
        await a_failed_check_is_fixed(house)
        await a_reviewer_is_answered(house)
        await merged(house, method)
        await a_new_goal_gets_a_pull_request_of_its_own(house)


async def opened_as_a_draft(house: House) -> None:
    """Three steps of four; two of them clash, and what both have added is there."""
    pull = await house.pull(1)
    assert (pull["draft"], pull["title"], pull["base"]["ref"]) == (True, house.title, "main")
    assert await house.files(1) == FIRST_FILES
    assert await house.rooms(1) == ["-Rooms: cellar", "+Rooms: cellar, roof, walls"]
    assert "## Not in here" in pull["body"] and "There are no seeds &lt;yet" not in pull["body"]
    for said in ("> A house", "| Walls |", "| Door |", "**Garden**", r"no seeds \<yet\>", r"test \-s rooms\.txt"):
        assert said in pull["body"], pull["body"]


async def ready_with_all_its_steps(house: House) -> None:
    await asyncio.to_thread(house.seeds.touch)
    shown = await house.until(is_idle, "rest")
    assert statuses(shown) == {"Walls": "completed", "Roof": "completed", "Door": "completed", "Garden": "failed"}
    await house.says("retry-step", str(step_of(shown, "Garden").id))
    pull = await house.until_pull(1, lambda pull: not pull["draft"], "ready")
    assert await house.files(1) == {*FIRST_FILES, "garden.txt"}
    assert "| Garden |" in pull["body"] and "Not in here" not in pull["body"]


async def a_failed_check_is_fixed(house: House) -> None:
    """Its log says what is missing; what a person has pushed meanwhile is kept."""
    branch = (await house.pull(1))["head"]["ref"]
    ann = await house.ann.commit(branch, {"ann.txt": "mine\n"})
    await house.forge.set_check(house.name, ref=branch, name="tests", conclusion="failure", log="missing: checked.txt")
    await house.until_pull(1, lambda pull: pull["head"]["sha"] != ann, "a push after the failed check")
    assert {"ann.txt", "checked.txt"} <= await house.files(1)
    assert ann in [each["sha"] for each in await house.get("/pulls/1/commits")]
    shown = await house.until(is_idle, "rest")
    assert step_of(shown, "Fix failed checks: tests").is_fix


async def a_reviewer_is_answered(house: House) -> None:
    comment = {"path": ROOMS, "line": 1, "body": "missing: windows.txt"}
    await house.forge.review(house.name, 1, user="ann", state="CHANGES_REQUESTED", comments=[comment])
    await house.until_pull(1, lambda pull: pull["comments"] + pull["review_comments"] > 1, "an answer")
    asked, answer = await house.get("/pulls/1/comments")
    head = (await house.pull(1))["head"]["sha"]
    assert answer["in_reply_to_id"] == asked["id"]
    assert answer["body"].startswith("Done in "), answer["body"]
    assert "windows.txt" in await house.files(1)
    shown = await house.until(lambda shown: is_idle(shown) and shown.pr and shown.pr.head == head, "rest")
    assert set(statuses(shown).values()) == {"completed"}
    assert not shown.questions, shown.questions


async def merged(house: House, method: str) -> None:
    await house.merge(1, method)
    shown = await house.until(lambda shown: shown.pr and shown.pr.state == "merged", "the merge")
    assert set(statuses(shown).values()) == {"merged"}, shown.steps
    await eventually(lambda: tidy(house), "the end of all branches and refs of ours")
    await house.ann.git("fetch", "--quiet", "origin", "main")
    held = await house.ann.git("ls-tree", "--name-only", "FETCH_HEAD")
    assert {"garden.txt", "checked.txt", "windows.txt", "ann.txt"} <= set(held.split())


async def tidy(house: House) -> bool:
    return await house.refs() == {"refs/heads/main"}


async def a_new_goal_gets_a_pull_request_of_its_own(house: House) -> None:
    """It builds on what was merged, and shows nothing of it again."""
    first = await house.pull(1)
    await house.says("goal", "A house with a chimney")
    second = await house.pull(2)
    assert second["head"]["ref"] == f"{first['head']['ref']}-v2"
    assert await house.files(2) == {"chimney.txt", ROOMS}
    assert await house.rooms(2) == ["-Rooms: cellar, roof, walls", "+Rooms: cellar, roof, walls, chimney"]
    assert "| Chimney |" in second["body"] and "Walls" not in second["body"]
    subjects = [each["commit"]["message"].partition("\n")[0] for each in await house.get("/pulls/2/commits")]
    assert subjects == ["Chimney"]
