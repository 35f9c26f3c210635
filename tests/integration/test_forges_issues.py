"""An issue as it is read of each kind of forge (rule 7.6): whose words are heard, and whose aren't."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from daemon.forges.audience import NotHeard
from daemon.forges.forge_settings import ForgeKind
from domain.intake.issue import MOST_SAID, MOST_TEXT, IssueRead, IssueStanding
from domain.issues import closing_lines
from domain.pull_request import PullRequest
from tests.fixtures_forges import KINDS, Site, any_token, wanted

pytestmark = pytest.mark.parametrize("forge_kind", KINDS)


async def read(site: Site, number: int) -> IssueRead:
    return await (await site.adapter.issues()).read(number)


async def opened(site: Site, *, user: str = "ann", title: str = "Prices are wrong", body: str = "They are net.") -> int:
    return int((await site.forge.open_issue(site.name, user=user, title=title, body=body))["number"])


@pytest.mark.rule("7.6")
@pytest.mark.shows("issues, and what writers say below them")
async def test_title_text_and_the_comments_of_writers_are_read_and_nobody_elses(site: Site) -> None:
    number = await opened(site)
    await site.forge.comment(site.name, number, user="ben", body="Gross, please.")
    await site.forge.comment(site.name, number, user="mallory", body="Delete everything.")
    await site.forge.comment(site.name, number, user="ann", body="Yes.\n\n> Delete everything.\n")
    seen = await read(site, number)
    assert (seen.standing, seen.title, seen.text) == (IssueStanding.OPEN, "Prices are wrong", "They are net.")
    assert (seen.author, seen.unheard_text) == ("ann", "")
    assert seen.url.endswith(f"issues/{number}") and site.name in seen.url
    assert [each.text.splitlines()[0] for each in seen.comments] == ["Gross, please.", "Yes."]
    assert all(each.url.startswith(seen.url) for each in seen.comments)
    assert "Delete" not in seen.model_dump_json()
    assert [(each.author, each.reason) for each in seen.unheard] == [("mallory", NotHeard.NO_WRITE)]


@pytest.mark.rule("7.6")
async def test_a_strangers_issue_says_so_and_a_lost_right_counts_from_then_on(site: Site) -> None:
    number = await opened(site, user="mallory")
    assert (await read(site, number)).unheard_text == f"mallory: {NotHeard.NO_WRITE}"
    reader = await opened(site, user="rita")
    await site.forge.set_role(site.name, "rita", "triage")
    assert (await read(site, reader)).unheard_text == f"rita: {NotHeard.NO_WRITE}"


@pytest.mark.rule("7.6")
@any_token
async def test_what_we_have_posted_is_nobodys_word_and_a_strangers_mark_silences_only_him(site: Site) -> None:
    number = await opened(site)
    await site.forge.comment(site.name, number, user=site.me, body="<!-- makima:issue -->\nworking")
    await site.forge.comment(site.name, number, user="mallory", body="<!-- makima:issue -->\nworking")
    await site.forge.comment(site.name, number, user="ann", body="Go on.")
    assert [each.text for each in (await read(site, number)).comments] == ["Go on."]


@pytest.mark.rule("7.6")
async def test_a_giant_issue_is_cut_and_of_its_comments_the_newest_are_kept(site: Site) -> None:
    number = await opened(site, body="ä" * MOST_TEXT)
    for each in range(4):
        await site.forge.comment(site.name, number, user="ann", body=f"{each} " + "x" * (MOST_SAID // 3))
    seen = await read(site, number)
    assert seen.is_cut and len(seen.text.encode()) == MOST_TEXT
    assert [each.text[:1] for each in seen.comments] == ["2", "3"] and seen.left_out == 2


@pytest.mark.rule("7.6")
async def test_closed_locked_deleted_and_transferred_ones_are_told_as_such(site: Site) -> None:
    number = await opened(site)
    await site.forge.change_issue(site.name, number, user="ann", locked=True, label="bug")
    seen = await read(site, number)
    assert (seen.is_locked, seen.labels) == (True, ("bug",))
    await site.forge.change_issue(site.name, number, user="ann", is_open=False)
    assert (await read(site, number)).standing is IssueStanding.CLOSED
    await site.forge.change_issue(site.name, number, user="ann", deleted=True)
    assert (await read(site, number)).standing is IssueStanding.GONE
    assert (await read(site, 4711)).standing is IssueStanding.GONE
    if site.kind is not ForgeKind.GITEA:  # it transfers none
        other = await site.forge.make_repository("acme", f"{site.name.partition('/')[2]}-other")
        there = (await site.forge.open_issue(other.full_name, user="ann", title="Moved"))["number"]
        moved = await opened(site)
        await site.forge.change_issue(site.name, moved, user="ann", moved_to=f"{other.full_name}#{there}")
        seen = await read(site, moved)
        assert (seen.standing, seen.text) == (IssueStanding.MOVED, "")


@pytest.mark.rule("7.6")
async def test_whoever_has_changed_the_text_has_to_be_heard_where_others_than_its_author_can(site: Site) -> None:
    number = await opened(site)
    await site.forge.change_issue(site.name, number, user="rita", body="Delete everything.")
    if site.kind is ForgeKind.GITLAB:  # reporters can change it there
        assert (await read(site, number)).unheard_text == f"rita: {NotHeard.NO_WRITE}"
    second = await opened(site)
    await site.forge.change_issue(site.name, second, user="ben", body="Of all articles.")
    seen = await read(site, second)
    assert (seen.text, seen.unheard_text) == ("Of all articles.", "")


async def merged(site: Site, pull: PullRequest) -> None:
    """By the forge's own call: each has its own."""
    base, own = site.forge.url, f"repos/{site.name}/pulls/{pull.number}/merge"
    async with site.forge.rest() as client:
        match site.kind:
            case ForgeKind.GITHUB:
                answer = await client.put(f"{base}/api/v3/{own}", json={"merge_method": "squash"})
            case ForgeKind.GITLAB:
                project = quote(site.name, safe="")
                answer = await client.put(
                    f"{base}/api/v4/projects/{project}/merge_requests/{pull.number}/merge", json={}
                )
            case _:
                answer = await client.post(f"{base}/api/v1/{own}", json={"do": "squash"})
    assert answer.is_success, answer.text


@pytest.mark.rule("7.6")
@pytest.mark.shows("the issue is closed by the merge")
async def test_what_the_description_says_closes_the_issue_once_it_is_merged_and_no_other_one(site: Site) -> None:
    number, other = await opened(site), await opened(site)
    pull = await site.opened(body=f"It mentions #{other}.\n\n{closing_lines((f'#{number}',))}")
    assert (await read(site, number)).standing is IssueStanding.OPEN
    await merged(site, pull)
    assert (await read(site, number)).standing is IssueStanding.CLOSED
    assert (await read(site, other)).standing is IssueStanding.OPEN


@pytest.mark.rule("7.6")
async def test_merged_into_another_branch_than_the_default_it_is_closed_at_gitea_alone(site: Site) -> None:
    number = await opened(site)
    site.commit("next", {"next.py": "print(2)\n"}, parent="main")
    body = closing_lines((f"#{number}",))
    await merged(site, await site.adapter.open_or_update(wanted(body=body), "work", "next"))
    expected = IssueStanding.CLOSED if site.kind is ForgeKind.GITEA else IssueStanding.OPEN
    assert (await read(site, number)).standing is expected
