"""Why a pull request can't be merged now, as each forge tells it (rule 7.5), against the fake forge."""

from __future__ import annotations

import pytest

from daemon.forges.blocks import Block
from daemon.forges.forge_settings import ForgeKind
from domain.pull_request import PullRequest, picture_of
from tests.fixtures_forges import KINDS, Site

pytestmark = [pytest.mark.rule("7.5")]
GITHUB, GITLAB, GITEA = ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA


async def blocked(site: Site, known: PullRequest, marks: dict[str, str] | None = None) -> tuple[str, ...]:
    return (await site.adapter.look(known, {} if marks is None else marks)).blocked


async def is_refused(site: Site, known: PullRequest) -> bool:
    """Whether the forge itself refuses to merge it, as GitHub's call has it."""
    async with site.forge.rest() as client:
        answer = await client.put(f"/repos/{site.name}/pulls/{known.number}/merge", json={})
    return answer.status_code == 405


@pytest.mark.shows("why it can't be merged: an approval is missing")
@pytest.mark.parametrize("forge_kind", KINDS)
async def test_an_approval_that_is_missing_is_told_until_somebody_who_counts_has_given_it(site: Site) -> None:
    await site.forge.change_repository(site.name, approvals_required=1)
    made, marks = await site.opened(), dict[str, str]()
    assert await blocked(site, made, marks) == (Block.UNAPPROVED,)
    assert await is_refused(site, made)
    await site.forge.review(site.name, made.number, user="ann", state="APPROVED", body="Fine.")
    assert await blocked(site, made, marks) == ()
    assert not await is_refused(site, made)


@pytest.mark.shows("why it can't be merged: a required check is missing, or has failed")
@pytest.mark.parametrize("forge_kind", KINDS)
async def test_a_required_check_that_runs_or_has_failed_is_named_and_no_other(site: Site) -> None:
    await site.forge.change_repository(site.name, required_checks=["ci/test"])
    made, marks = await site.opened(), dict[str, str]()
    unseen = "the required check 'ci/test' has not ended" if site.kind is GITEA else Block.UNNAMED
    assert await blocked(site, made, marks) == (unseen,), "GitHub doesn't tell of one that has not begun"
    for state, told in (
        ("pending", ("the required check 'ci/test' has not ended",)),
        ("failure", ("the required check 'ci/test' has failed",)),
        ("success", ()),
    ):
        await site.forge.set_status(site.name, ref="work", context="ci/other", state="failure")
        await site.forge.set_status(site.name, ref="work", context="ci/test", state=state)
        assert await blocked(site, made, marks) == told
        assert await is_refused(site, made) is bool(told)


@pytest.mark.parametrize("forge_kind", [GITHUB])
@pytest.mark.parametrize(("status", "conclusion"), [("in_progress", None), ("completed", "failure")])
async def test_a_check_run_that_is_required_is_named_too(site: Site, status: str, conclusion: str | None) -> None:
    await site.forge.change_repository(site.name, required_checks=["lint"])
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="lint", status=status, conclusion=conclusion)
    word = "has failed" if conclusion else "has not ended"
    assert await blocked(site, made) == (f"the required check 'lint' {word}",)


@pytest.mark.parametrize("forge_kind", [GITLAB])
@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("ci_must_pass", (Block.FAILED,)),
        ("ci_still_running", (Block.RUNNING,)),
        ("discussions_not_resolved", (Block.TALK,)),
        ("requested_changes", (Block.CHANGES,)),
        ("draft_status", ()),
        ("mergeable", ()),
        ("jira_association_missing", ("GitLab says 'jira_association_missing'",)),
    ],
)
async def test_what_gitlab_names_is_told_in_the_common_words(site: Site, status: str, told: tuple[str, ...]) -> None:
    await site.forge.change_repository(site.name, detailed_merge_status=status)
    assert await blocked(site, await site.opened()) == told


@pytest.mark.parametrize("forge_kind", [GITHUB, GITLAB])
async def test_while_the_forge_works_it_out_what_it_has_said_last_of_the_same_head_holds(site: Site) -> None:
    await site.forge.change_repository(site.name, approvals_required=1)
    made, marks = await site.opened(), dict[str, str]()
    assert await blocked(site, made, marks) == (Block.UNAPPROVED,)
    await site.forge.change_repository(site.name, slow_mergeability=1000)
    site.commit("main", {"other.py": "1\n"})
    assert await blocked(site, made, marks) == (Block.UNAPPROVED,)
    site.commit("work", {"more.py": "2\n"})
    assert await blocked(site, made, marks) == ()


@pytest.mark.shows("why it can't be merged: it has to be up to date")
@pytest.mark.parametrize("forge_kind", KINDS)
async def test_one_that_has_to_be_up_to_date_and_is_not_is_told_so(site: Site) -> None:
    made = await site.opened()
    site.commit("main", {"other.py": "1\n"})
    assert await blocked(site, made) == (), "nobody wants it up to date"
    await site.forge.change_repository(site.name, up_to_date=True)
    assert await blocked(site, made) == (Block.BEHIND,)
    assert await is_refused(site, made)


@pytest.mark.parametrize("forge_kind", KINDS)
async def test_a_conflict_blocks(site: Site) -> None:
    made = await site.opened()
    site.commit("main", {"app.py": "print(2)\n"})
    assert await blocked(site, made) == (Block.CONFLICT,)


@pytest.mark.parametrize("forge_kind", [GITHUB])
async def test_a_change_request_blocks_where_approvals_are_wanted(site: Site) -> None:
    made = await site.opened()
    await site.forge.review(site.name, made.number, user="ann", state="CHANGES_REQUESTED", body="No.")
    assert await blocked(site, made) == ()
    await site.forge.change_repository(site.name, approvals_required=1)
    assert await blocked(site, made) == (Block.CHANGES,)


@pytest.mark.parametrize("forge_kind", [GITHUB])
async def test_of_a_draft_what_is_missing_is_told_too(site: Site) -> None:
    await site.forge.change_repository(site.name, approvals_required=1)
    assert await blocked(site, await site.opened(draft=True)) == (Block.UNAPPROVED,)


@pytest.mark.parametrize("forge_kind", [GITHUB])
async def test_what_nothing_blocks_is_not_asked_for_again_until_something_is_known_otherwise(site: Site) -> None:
    made, marks = await site.opened(), dict[str, str]()
    await blocked(site, made, marks)
    await site.forge.forget_requests()
    assert await blocked(site, made, marks) == ()
    assert not await site.forge.requests(path="graphql")
    await site.forge.change_repository(site.name, approvals_required=1)
    await site.forge.review(site.name, made.number, user="cy", state="APPROVED", body="Me.")
    assert await blocked(site, made, marks) == (Block.UNAPPROVED,), "who may not write gives no approval"


@pytest.mark.parametrize("forge_kind", [GITHUB])
async def test_a_token_that_may_not_ask_is_no_trouble(site: Site) -> None:
    await site.forge.change_repository(site.name, approvals_required=1)
    made = await site.opened()
    await site.forge.fail("forbidden", path="graphql", times=5)
    assert await blocked(site, made) == ()


@pytest.mark.parametrize("forge_kind", KINDS)
async def test_what_blocks_is_a_part_of_the_picture(site: Site) -> None:
    made = await site.opened()
    before = picture_of(await site.adapter.look(made, {}))
    await site.forge.change_repository(site.name, approvals_required=1)
    assert picture_of(await site.adapter.look(made, {})) != before == ""


@pytest.mark.parametrize("forge_kind", [GITHUB])
@pytest.mark.parametrize("count", [100, 101, 200])
async def test_a_required_check_is_named_wherever_it_stands_among_many(site: Site, count: int) -> None:
    last = f"ci/{count - 1}"
    await site.forge.change_repository(site.name, required_checks=[last])
    made = await site.opened()
    for number in range(count):
        await site.forge.set_status(site.name, ref="work", context=f"ci/{number}", state="pending")
    assert await blocked(site, made) == (f"the required check '{last}' has not ended",)
