"""A directive whose repository, or whoever starts it, wants its pull requests merged by the forge: from the plan to the
merge, at each kind of forge, without a person.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance.coder import FIRST_ROOMS, ROOMS
from tests.acceptance.houses import House, Street, eventually, forge_of, forge_settings, statuses
from tests.acceptance.stack import SharedServers, Site

FILES = {"README.md": "# A house\n", ROOMS: FIRST_ROOMS}
POLICY = {".makima.toml": '[pull_request]\nauto_merge = "squash"\n'}
TYPED = ("--auto-merge", "squash", "--pr-label", "bot")


@pytest.mark.rule("7.5")
@pytest.mark.parametrize(("kind", "typed"), [("github", ()), ("gitlab", ()), ("gitea", ()), ("github", TYPED)], ids=str)
async def test_a_directive_ends_in_the_merge_by_its_forge(
    servers: SharedServers, site: Site, kind: str, typed: tuple[str, ...]
) -> None:
    forge = forge_of(servers)
    site.worker()
    site.daemon(further=f"capacity = 4\n{forge_settings(forge, kind=kind)}", planner="coder.py")
    repository = await forge.make_repository(site.owner, f"{kind}-{len(typed)}")
    await forge.change_repository(repository.full_name, required_checks=["ci"], labels=["bot"])
    house = House(await Street.at(site, forge), repository)
    before = await house.ann.commit("main", FILES if typed else FILES | POLICY)
    house.seeds.touch()
    await house.street.start(house, repository.clone_url, *typed)
    async with house.told_where_it_fails():
        await set_to_merge(house)
        assert [each["name"] for each in (await house.pull(1))["labels"]] == ["bot"] * bool(typed)
        assert (await house.ann.git("ls-remote", "origin", "refs/heads/main")).split()[0] == before
        await forge.set_status(house.name, ref=await branch(house), context="ci", state="success")
        await merged(house)
    await house.street.leave()


async def branch(house: House) -> str:
    return str((await house.pull(1))["head"]["ref"])


async def set_to_merge(house: House) -> None:
    """The check that the base branch requires runs, as CI begins one after each push."""

    async def answer() -> bool:
        await house.forge.set_status(house.name, ref=await branch(house), context="ci", state="pending")
        return (await house.pull(1))["auto_merge"] is not None

    await eventually(answer, "merging by itself to be set")


async def merged(house: House) -> None:
    shown = await house.until(lambda shown: shown.pr and shown.pr.state == "merged", "the merge")
    assert set(statuses(shown).values()) == {"merged"}, shown.steps
    assert not shown.questions, shown.questions
    await eventually(lambda: tidy(house), "the end of all branches and refs of ours")
    await house.ann.git("fetch", "--quiet", "origin", "main")
    held = await asyncio.gather(*(house.ann.git("show", f"FETCH_HEAD:{name}.txt") for name in ("walls", "garden")))
    assert [each.strip() for each in held] == ["Walls", "Garden"]


async def tidy(house: House) -> bool:
    return await house.refs() == {"refs/heads/main"}
