"""A finished pull request that the forge merges by itself, where the base branch wants it (rule 7.5), at each forge."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from daemon.forges.blocks import Block
from daemon.forges.forge_settings import ForgeKind
from daemon.git.repositories import Repositories
from daemon.pull_requests.shepherding import PullRequestShepherd
from domain.opening_choice import MergeMethod, OpeningChoice
from domain.pull_request import PullRequest, PullRequestState, Sighting, Watch
from tests.fixtures_forges import KINDS, Site, any_token

pytestmark = [pytest.mark.rule("7.5"), pytest.mark.parametrize("forge_kind", KINDS)]
GITHUB, GITLAB, GITEA = ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA
MERGE, SQUASH, REBASE = MergeMethod
WANTED = {".makima.toml": '[pull_request]\nauto_merge = "squash"\n'}
SETS = "(graphql|/merge)$"


async def waiting(site: Site) -> PullRequest:
    """An open one, whose required check runs."""
    await site.forge.change_repository(site.name, required_checks=["ci"])
    made = await site.opened()
    await checked(site, "pending")
    return made


async def checked(site: Site, state: str) -> None:
    await site.forge.set_status(site.name, ref="work", context="ci", state=state)


async def pull(site: Site) -> dict[str, Any]:
    async with site.forge.rest() as client:
        told: dict[str, Any] = (await client.get(f"/repos/{site.name}/pulls/1")).json()
    return told


async def is_set(site: Site) -> bool:
    return (await pull(site))["auto_merge"] is not None


async def sets(site: Site) -> int:
    """How often the forge was asked to."""
    if site.kind is GITHUB:
        return len(await site.forge.requests(method="POST", path="graphql"))
    return await site.asked("POST|PUT", "/merge$")


@pytest.mark.shows("merged by the forge itself, once all that the base branch requires is there")
@pytest.mark.parametrize("method", [MERGE, SQUASH, REBASE])
async def test_the_forge_merges_it_once_its_requirements_are_met_by_the_method_that_is_wanted(
    site: Site, method: MergeMethod
) -> None:
    await site.forge.change_repository(site.name, merge_method="rebase" if method is REBASE else "merge")
    made = await waiting(site)
    assert await site.adapter.merge_when_ready(made, method) == ""
    assert await is_set(site)
    assert (await pull(site))["auto_merge"]["merge_method"] == method
    await site.forge.forget_requests()
    assert await site.adapter.merge_when_ready(made, method) == ""
    assert await sets(site) == 0, "it is set already"
    await checked(site, "success")
    assert (await site.adapter.read(made)).state is PullRequestState.MERGED


async def test_only_the_head_that_is_named_is_merged_and_no_draft(site: Site) -> None:
    made = await waiting(site)
    site.commit("work", {"more.py": "1\n"})
    await checked(site, "pending")
    assert await site.adapter.merge_when_ready(made, SQUASH) == ""
    assert not await is_set(site)


async def test_no_draft_is_merged(site: Site) -> None:
    await site.forge.change_repository(site.name, required_checks=["ci"])
    made = await site.opened(draft=True)
    await checked(site, "pending")
    assert await site.adapter.merge_when_ready(made, SQUASH) == ""
    assert not await is_set(site)


@any_token
async def test_one_that_a_person_has_opened_is_left_to_people(site: Site) -> None:
    await site.forge.add_token("token-of-ann", "ann")
    async with site.forge.rest("token-of-ann") as client:
        fields = {"title": "Mine", "head": "work", "base": "main"}
        assert (await client.post(f"/repos/{site.name}/pulls", json=fields)).is_success
    made = await waiting(site)
    assert "somebody else has opened" in await site.adapter.merge_when_ready(made, SQUASH)
    assert not await is_set(site)


@pytest.mark.shows("merging by itself that a person has turned off stays off")
@any_token
async def test_what_a_person_has_turned_off_stays_off(site: Site) -> None:
    made = await waiting(site)
    await site.adapter.merge_when_ready(made, SQUASH)
    await site.forge.turn_off_auto_merge("ann", site.name, made.number)
    assert await site.adapter.merge_when_ready(made, SQUASH) == "ann has turned it off"
    pushed = site.commit("work", {"more.py": "1\n"})
    await checked(site, "pending")
    now = made.model_copy(update={"head": pushed})
    assert await site.adapter.merge_when_ready(now, SQUASH) == "ann has turned it off", "nor for new work"
    assert not await is_set(site)


@any_token
async def test_after_a_push_it_is_set_for_the_new_head(site: Site) -> None:
    made = await waiting(site)
    await site.adapter.merge_when_ready(made, SQUASH)
    pushed = site.commit("work", {"more.py": "1\n"})
    await checked(site, "pending")
    assert await is_set(site) is (site.kind is not GITLAB), "GitLab drops it with a push, and tells that of the pusher"
    assert await site.adapter.merge_when_ready(made.model_copy(update={"head": pushed}), SQUASH) == ""
    assert await is_set(site)


async def test_where_nothing_is_required_nothing_is_merged_and_that_is_told(site: Site) -> None:
    made = await site.opened()
    told = {
        GITHUB: "nothing that the base branch requires is missing",
        GITLAB: "it takes what has a pipeline",
        GITEA: "the base branch requires nothing",
    }
    assert told[site.kind] in await site.adapter.merge_when_ready(made, SQUASH)
    assert (await site.adapter.read(made)).state is PullRequestState.OPEN


async def test_an_answer_that_is_lost_makes_no_trouble(site: Site) -> None:
    made = await waiting(site)
    await site.forge.fail("acted_then_cut", method="POST|PUT", path=SETS)
    assert await site.adapter.merge_when_ready(made, SQUASH) == ""
    assert await is_set(site) and await site.forge.pending_failures() == []


async def test_a_refusal_is_told_in_the_forges_words(site: Site) -> None:
    made = await waiting(site)
    await site.forge.change_repository(site.name, auto_merge_allowed=False)
    if site.kind is not GITHUB:
        await site.forge.fail("status", status=403, message="You may not.", method="POST|PUT", path="/merge$")
    said = await site.adapter.merge_when_ready(made, SQUASH)
    assert ("not allowed for this repository" if site.kind is GITHUB else "You may not.") in said
    assert not await is_set(site)


class Looks:
    """Those of a daemon at a directive's pull request."""

    def __init__(self, site: Site, repositories: Repositories) -> None:
        self._site = site
        self._shepherd = PullRequestShepherd("me", repositories, site.forges)

    async def look(self, made: PullRequest, **fields: object) -> Sighting | None:
        watch = Watch(
            owner="me", directive=uuid4(), repository=self._site.repository.clone_url, pull_request=made,
            pushed=(made.head,), complete=True, picture="another",
        )  # fmt: skip
        return await self._shepherd.look(watch.model_copy(update=fields))


@pytest.fixture
def looks(site: Site, repositories: Repositories) -> Looks:
    return Looks(site, repositories)


async def test_a_look_has_it_merged_where_who_has_started_the_directive_wants_it(site: Site, looks: Looks) -> None:
    made = await waiting(site)
    await looks.look(made, opening=OpeningChoice(auto_merge=SQUASH))
    assert await is_set(site)
    assert (await pull(site))["auto_merge"]["merge_method"] == SQUASH


async def test_a_look_has_it_merged_where_the_base_branch_says_so_once(site: Site, looks: Looks) -> None:
    site.commit("main", WANTED)
    made = await waiting(site)
    await looks.look(made)
    assert await is_set(site)
    await site.forge.turn_off_auto_merge("ann", site.name, made.number)
    await site.forge.forget_requests()
    await looks.look(made)
    assert await site.asked("GET", "/issues/1/(events|timeline)|/notes") == 0, "nothing is known otherwise"
    site.commit("main", {"other.py": "1\n"})
    seen = await looks.look(made)
    assert seen and "auto-merge is not set: ann has turned it off" in seen.blocked
    again = await looks.look(made)
    assert again and again.blocked == seen.blocked, "it is told as long as it holds"
    assert not await is_set(site)


async def test_an_agent_can_not_have_its_own_work_merged(site: Site, looks: Looks) -> None:
    site.commit("work", WANTED)
    made = await waiting(site)
    await looks.look(made)
    assert not await is_set(site)
    site.commit("main", {".makima.toml": "[pull_request]\n"})
    await looks.look(made)
    assert not await is_set(site)


@pytest.mark.parametrize(
    "fields",
    [{"complete": False}, {"pushed": ()}, {"pushed": ("f" * 40,)}],
    ids=["unfinished", "nothing pushed", "another's head"],
)
async def test_only_all_of_the_work_and_only_what_we_have_pushed_is_merged(
    site: Site, looks: Looks, fields: dict[str, object]
) -> None:
    site.commit("main", WANTED)
    await looks.look(await waiting(site), **fields)
    assert not await is_set(site)


async def test_what_asks_for_work_is_not_merged_before(site: Site, looks: Looks) -> None:
    site.commit("main", WANTED)
    made = await waiting(site)
    await site.forge.comment(site.name, made.number, user="ann", body="Please rename it.")
    seen = await looks.look(made)
    assert seen and seen.findings and not await is_set(site)


async def test_what_the_forge_does_not_take_is_told_among_what_blocks(site: Site, looks: Looks) -> None:
    site.commit("main", WANTED)
    made = await site.opened()
    seen = await looks.look(made)
    assert seen and [each for each in seen.blocked if each.startswith("auto-merge is not set: ")]
    assert Block.CONFLICT not in seen.blocked
