"""The life of a pull request at every forge (rules 7.3, 7.4), against the fake forge."""

from __future__ import annotations

import asyncio
import json

import pytest

from daemon.forges.forge_settings import ForgeKind
from domain.errors import ForgeRefused
from domain.pull_request import PullRequestState, Reply
from tests.fixtures_forges import KINDS, Site, any_token, wanted

pytestmark = [pytest.mark.rule("7.4"), pytest.mark.parametrize("forge_kind", KINDS)]


@pytest.mark.shows("a pull request is opened, once")
@any_token
async def test_a_pull_request_is_opened_once(site: Site) -> None:
    made = await site.opened()
    assert (made.branch, made.base, made.state, made.version) == ("work", "main", PullRequestState.OPEN, 1)
    page = "pull" if site.kind is ForgeKind.GITHUB else "pulls"
    assert made.url == f"{site.forge.url}/{site.name}/{page}/{made.number}"
    assert await site.opened() == made
    assert await site.asked("POST", "/pulls$") == 1
    assert await site.asked("PATCH") == 0, "nothing differed"


@pytest.mark.shows("one that a person has opened is adopted")
@pytest.mark.rule("7.3")
async def test_one_that_a_person_has_opened_is_adopted(site: Site) -> None:
    async with site.forge.rest() as client:
        body = {"title": "mine", "head": "work", "base": "main"}
        by_hand = (await client.post(f"/repos/{site.name}/pulls", json=body)).json()
    found = await site.adapter.find("work", "main")
    assert found is not None
    assert found.number == by_hand["number"]
    assert (await site.opened()).number == by_hand["number"]
    assert await site.asked("POST", "/pulls$") == 1, "the person's"


@pytest.mark.rule("7.3")
async def test_whoever_opens_at_the_same_time_gets_the_same_one(site: Site) -> None:
    made = await asyncio.gather(*(site.opened() for _ in range(6)))
    assert len({each.number for each in made}) == 1


@pytest.mark.shows("title and description are brought up to date")
async def test_title_and_body_are_brought_up_to_date(site: Site) -> None:
    made = await site.opened()
    await site.opened(title="Add login\nand logout", body="More.\r\n")
    async with site.forge.rest() as client:
        now = (await client.get(f"/repos/{site.name}/pulls/{made.number}")).json()
    assert now["title"] == "Add login and logout"
    assert now["body"].split("\n")[1:] == ["More.", "<!-- makima:end -->"]
    before = await site.asked("PATCH")
    await site.opened(title="Add login and logout", body="More.\n")
    assert await site.asked("PATCH") == before


@any_token
async def test_what_a_person_writes_stays_and_our_part_is_brought_up_to_date(site: Site) -> None:
    made = await site.opened()
    path = f"/repos/{site.name}/pulls/{made.number}"
    async with site.forge.rest() as client:
        body = (await client.get(path)).json()["body"]
        theirs = f"Look at line 3, please.\r\n{body}\r\nThanks!"
        await client.patch(path, json={"title": "Log in", "body": theirs})
        await site.opened(title="Add login and logout", body="More.")
        now = (await client.get(path)).json()
        assert now["title"] == "Log in"
        lines = now["body"].split("\n")
        assert (lines[0], lines[2], lines[4]) == ("Look at line 3, please.", "More.", "Thanks!")
        await client.patch(path, json={"body": "x" * 65_000})
        await site.opened(title="Add login and logout", body="y" * 2_000)
        now = (await client.get(path)).json()
        assert now["body"].startswith("x" * 65_000) and now["body"].endswith("<!-- makima:end -->")
        assert len(now["body"]) <= 65_536


@any_token
async def test_one_that_a_person_has_opened_keeps_its_title_its_words_and_its_state(site: Site) -> None:
    async with site.forge.rest() as client:
        by_hand = {"title": "mine", "body": "See the tests.", "head": "work", "base": "main", "draft": True}
        number = (await client.post(f"/repos/{site.name}/pulls", json=by_hand)).json()["number"]
        assert (await site.opened()).state is PullRequestState.DRAFT
        now = (await client.get(f"/repos/{site.name}/pulls/{number}")).json()
        assert now["title"].removeprefix("WIP: ") == "mine", "where a draft is a title, it is still one"
        assert now["body"].startswith("See the tests.\n\n<!-- makima:begin")
        assert now["body"].count("Users can log in.") == 1


async def test_what_a_person_has_made_a_draft_is_left_one(site: Site) -> None:
    made = await site.opened(draft=True)
    kept = await site.opened(body="Another", draft=False, keep_draft=True)
    assert (kept.number, kept.state) == (made.number, PullRequestState.DRAFT)


@pytest.mark.shows("nothing is opened for what the base branch holds")
async def test_for_a_branch_that_the_base_branch_holds_there_is_nothing_to_open(site: Site) -> None:
    site.commit("main", {"more.py": "1\n"}, parent="work")  # a person has merged it by hand
    made = await site.opened()
    assert (made.state, made.number, made.branch) == (PullRequestState.PUSHED, 0, "work")


@pytest.mark.rule("7.5")
async def test_a_comment_that_cant_be_answered_holds_up_nothing(site: Site) -> None:
    made = await site.opened()
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await site.forge.fail("forbidden", method="POST", path=f"{site.name}/issues/.*/comments", times=1)
    again = await site.opened(replies=(Reply(comment=f"talk:{talk['id']}", text="Because."),))
    assert again.number == made.number


@pytest.mark.shows("drafts")
@any_token
async def test_a_draft_becomes_ready_and_a_draft_again(site: Site) -> None:
    assert (await site.opened(draft=True)).state is PullRequestState.DRAFT
    assert (await site.opened(draft=False)).state is PullRequestState.OPEN
    again = await site.opened(draft=True)
    assert again.state is PullRequestState.DRAFT
    assert await site.adapter.read(again) == again


@pytest.mark.shows("people's commits are seen")
@pytest.mark.rule("7.3")
async def test_the_state_and_a_persons_commits_are_read(site: Site) -> None:
    made = await site.opened()
    pushed = site.commit("work", {"more.py": "2\n"})
    assert (await site.adapter.read(made)).head == pushed
    await site.merge(made.number)
    merged = await site.adapter.read(made)
    assert merged.state is PullRequestState.MERGED
    assert await site.adapter.find("work", "main") == merged


@pytest.mark.shows("the next pull request after a merge")
@pytest.mark.rule("7.3")
async def test_after_a_merged_one_the_next_branch_gets_a_pull_request_of_its_own(site: Site) -> None:
    first = await site.opened()
    await site.merge(first.number)
    site.commit("work-v2", {"more.py": "2\n"}, parent="main")
    second = await site.adapter.open_or_update(wanted(known=first), "work-v2", "main")
    assert (second.branch, second.version, second.state) == ("work-v2", 2, PullRequestState.OPEN)
    assert second.number != first.number


@pytest.mark.shows("closed and opened again")
@pytest.mark.rule("7.3")
async def test_of_several_an_open_one_is_found_and_else_the_newest(site: Site) -> None:
    first = await site.opened()
    await _set_state(site, first.number, "closed")
    assert (await site.opened()).number == first.number, "it was closed since the look that said that there is none"
    async with site.forge.rest() as client:
        by_hand = {"title": "Again", "head": "work", "base": "main"}
        assert (await client.post(f"/repos/{site.name}/pulls", json=by_hand)).is_success
    second = await site.opened()
    assert second.number > first.number
    await _set_state(site, second.number, "closed")
    found = await site.adapter.find("work", "main")
    assert found is not None
    assert (found.number, found.state) == (second.number, PullRequestState.CLOSED)
    await _set_state(site, first.number, "open")
    found = await site.adapter.find("work", "main")
    assert found is not None
    assert found.number == first.number


@pytest.mark.shows("merged by a merge commit, squashed, rebased")
@pytest.mark.rule("7.3")
@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
async def test_one_that_was_merged_a_moment_ago_is_left_as_it_is(site: Site, how: str) -> None:
    made = await site.opened()
    await site.merge(made.number, how)
    for known in (made, None):
        later = wanted(title="Another title", body="Another body", draft=True)
        over = await site.adapter.open_or_update(later, "work", "main", known)
        assert (over.number, over.state) == (made.number, PullRequestState.MERGED)
    assert (await site.asked("PATCH"), await site.asked("POST", "/pulls$")) == (0, 1)


@any_token
async def test_nothing_is_found_for_another_branch_nor_what_somebody_else_opened_into_another_base(
    site: Site,
) -> None:
    site.commit("develop", {"d": "d\n"}, parent="main")
    await site.forge.add_token("ghp_ann", "ann")
    async with site.forge.rest("ghp_ann") as client:
        wanted = {"title": "Ann's", "head": "work", "base": "develop"}
        assert (await client.post(f"/repos/{site.name}/pulls", json=wanted)).is_success
    assert await site.adapter.find("work", "main") is None
    assert await site.adapter.find("wor", "develop") is None
    made = await site.opened()
    assert made.base == "main"


@pytest.mark.rule("7.3")
@any_token
async def test_what_we_have_opened_is_found_whatever_base_a_person_has_chosen_for_it_since(site: Site) -> None:
    site.commit("develop", {"d": "d\n"}, parent="main")
    made = await site.opened()
    await site.adapter.retarget(made, "develop")
    for _ in range(2):
        again = await site.opened()
        assert (again.number, again.base) == (made.number, "develop"), "no second one is opened"
    await site.merge(made.number)
    found = await site.adapter.find("work", "main")
    assert found
    assert (found.number, found.base, found.state) == (made.number, "develop", PullRequestState.MERGED)


@pytest.mark.shows("retargeted")
@pytest.mark.rule("7.3")
async def test_a_base_that_the_forge_does_not_know_is_named_with_what_helps(site: Site) -> None:
    made = await site.opened()
    with pytest.raises(ForgeRefused, match=r"'nowhere' as the base branch .*`edit --base-branch`") as refused:
        await site.adapter.retarget(made, "nowhere")
    assert "\n" not in str(refused.value)
    await site.merge(made.number)
    assert (await site.adapter.retarget(made, "nowhere")).state is PullRequestState.MERGED


@pytest.mark.shows("each comment is answered where it was made, once")
@pytest.mark.rule("7.5")
@any_token
async def test_each_comment_is_answered_once_where_it_was_made(site: Site) -> None:
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    review = await site.forge.review(site.name, made.number, user="ann", state="CHANGES_REQUESTED", body="No.")
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    ids = (f"comment:{remark['id']}", f"review:{review['id']}", f"talk:{talk['id']}")
    replies = tuple(Reply(comment=each, text=f"Done, {each}.") for each in ids)
    await site.opened(replies=replies)
    for reply in replies:
        await site.adapter.reply(made, reply)
    at_lines, below = (
        await _bodies(site, f"pulls/{made.number}/comments"),
        await _bodies(site, f"issues/{made.number}/comments"),
    )
    assert [each for each in at_lines if "Done" in each] == [f"Done, {ids[0]}.\n\n<!-- makima:reply:{ids[0]} -->"]
    assert [each.count("Done") for each in below] == [0, 1, 1]
    assert f"-{review['id']}:" in below[1], "a reader sees what is answered"


@pytest.mark.rule("7.5")
async def test_an_answer_within_a_thread_goes_to_its_beginning_and_a_deleted_comment_gets_none(site: Site) -> None:
    made = await site.opened()
    first = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    async with site.forge.rest() as client:
        path = f"/repos/{site.name}/pulls/{made.number}/comments/{first['id']}/replies"
        second = (await client.post(path, json={"body": "To what?"})).json()
    await site.adapter.reply(made, Reply(comment=f"comment:{second['id']}", text="Done."))
    await site.adapter.reply(made, Reply(comment="comment:999999999", text="Done."))
    assert len(await _bodies(site, f"pulls/{made.number}/comments")) == 3
    if site.kind is not ForgeKind.GITHUB:
        return  # which has an address for replies
    (ours,) = await site.forge.requests(method="POST", path=f"{site.name}/pulls/{made.number}/comments$")
    assert json.loads(ours.body)["in_reply_to"] == first["id"]


async def _bodies(site: Site, path: str) -> list[str]:
    async with site.forge.rest() as client:
        return [each["body"] for each in (await client.get(f"/repos/{site.name}/{path}")).json()]


async def _set_state(site: Site, number: int, state: str) -> None:
    async with site.forge.rest() as client:
        answer = await client.patch(f"/repos/{site.name}/pulls/{number}", json={"state": state})
        assert answer.is_success, answer.text
