"""What the shepherd sees of a pull request at every forge (rule 7.5), against the fake forge."""

from __future__ import annotations

import pytest

from daemon.forges.forge_settings import ForgeKind
from domain.pull_request import Finding, FindingKind, PullRequest, PullRequestState, Reply, Sighting
from fakes.forge.check_records import Conclusion
from tests.fixtures_forges import KINDS, Site, any_token

pytestmark = [pytest.mark.rule("7.5"), pytest.mark.parametrize("forge_kind", KINDS)]

LOG = """2026-01-05T10:00:00.1234567Z ##[group]Run pytest
2026-01-05T10:00:01.1234567Z 1 failed, 3 passed
2026-01-05T10:00:01.2234567Z ##[error]Process completed with exit code 1.
2026-01-05T10:00:02.1234567Z Post job cleanup.
"""


async def look(site: Site, known: PullRequest, marks: dict[str, str] | None = None) -> Sighting:
    return await site.adapter.look(known, {} if marks is None else marks)


async def findings(site: Site, known: PullRequest) -> dict[str, Finding]:
    return {each.id: each for each in (await look(site, known)).findings}


@pytest.mark.shows("failed jobs, with step and log")
async def test_a_failed_check_is_told_with_its_step_the_end_of_its_log_and_its_address(site: Site) -> None:
    made = await site.opened()
    steps = [{"name": "Set up", "conclusion": "success"}, {"name": "Run pytest", "conclusion": "failure"}]
    check = await site.forge.set_check(site.name, ref="work", name="test", conclusion="failure", log=LOG, steps=steps)
    (found,) = (await look(site, made)).findings
    assert (found.id, found.kind, found.title) == (f"check:{check['id']}", FindingKind.CHECK, "test: Run pytest")
    assert found.text == "##[group]Run pytest\n1 failed, 3 passed\n##[error]Process completed with exit code 1."
    assert f"/actions/runs/{check['id']}/job" in found.url


async def test_only_failures_that_are_over_count_and_only_those_of_the_newest_commit(site: Site) -> None:
    """Also on a head where every word stands that a check may end with, and where one never runs."""
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="test", conclusion="failure", log=LOG)
    site.commit("work", {"more.py": "2\n"})
    for status in ("queued", "in_progress"):
        await site.forge.set_check(site.name, ref="work", name=status, status=status)
    for conclusion in Conclusion:
        await site.forge.set_check(site.name, ref="work", name=conclusion, conclusion=conclusion)
    await site.forge.set_status(site.name, ref="work", context="ci/slow", state="pending")
    told = {each.title.partition(":")[0] for each in (await look(site, made)).findings}
    of_github = {"action_required", "checks"} if site.kind is ForgeKind.GITHUB else set()
    assert told == {"failure", "timed_out", *of_github}, "`checks`: the workflow that could not begin"


async def test_a_check_of_another_app_by_the_same_name_ends_nothing_and_hides_nothing(site: Site) -> None:
    made = await site.opened()
    check = await site.forge.set_check(site.name, ref="work", name="tests", conclusion="failure", app="one")
    await site.forge.set_check(site.name, ref="work", name="tests", conclusion="success", app="two")
    assert list(await findings(site, made)) == [f"check:{check['id']}"]
    await site.forge.set_check(site.name, ref="work", name="tests, renamed", conclusion="success", app="one")
    assert list(await findings(site, made)) == [f"check:{check['id']}"], "nobody has run it again"
    await site.forge.set_check(site.name, ref="work", name="tests", conclusion="success", app="one")
    assert await findings(site, made) == {}


@pytest.mark.shows("a check that its app runs again under the same id")
async def test_a_check_that_its_app_runs_again_under_the_same_id_is_told_as_it_ends_then(site: Site) -> None:
    made, marks = await site.opened(), dict[str, str]()
    fields = {"ref": "work", "name": "scan", "app": "scanner"}
    first = await site.forge.set_check(site.name, **fields, conclusion="failure", text="app.py: x")
    assert [each.text for each in (await look(site, made, marks)).findings] == ["app.py: x"]
    await site.forge.set_check(site.name, **fields, again=first["id"], status="in_progress")
    assert (await look(site, made, marks)).findings == ()
    await site.forge.set_check(site.name, **fields, again=first["id"], conclusion="timed_out", text="other.py: y")
    (again,) = (await look(site, made, marks)).findings
    assert (again.id, again.title, again.text) == (f"check:{first['id']}", "scan: timed_out", "other.py: y")


async def test_a_failed_status_and_a_check_without_a_log_are_told_in_their_own_words(site: Site) -> None:
    made = await site.opened()
    await site.forge.set_check(
        site.name, ref="work", name="scan", conclusion="timed_out", title="2 problems", summary="In app.py.", text="x=1"
    )
    await site.forge.set_status(
        site.name, ref="work", context="ci/old", state="error", description="broken", target_url="http://ci/1"
    )
    check, status = (await look(site, made)).findings
    assert (check.title, check.text) == ("scan: timed_out", "2 problems\n\nIn app.py.\n\nx=1")
    assert (status.kind, status.title, status.text, status.url) == (
        FindingKind.CHECK,
        "ci/old: error",
        "broken",
        "http://ci/1",
    )


@pytest.mark.shows("reviews, comments at lines and below")
@any_token
async def test_what_people_say_is_told_and_nothing_else(site: Site) -> None:
    made = await site.opened()
    number = made.number
    remark = await site.forge.remark(site.name, number, user="ann", path="app.py", line=1, body="Rename it.")
    review = await site.forge.review(site.name, number, user="ann", state="CHANGES_REQUESTED", body="Not yet.")
    talk = await site.forge.comment(site.name, number, user="ben", body="Why?")
    await site.forge.review(site.name, number, user="ben", state="APPROVED", body="Fine.")
    bots = await site.forge.comment(site.name, number, user="ci[bot]", body="Coverage 90 %")
    await site.forge.comment(site.name, number, user=site.me, body="Mine, by hand.")
    await site.adapter.reply(made, Reply(comment=f"comment:{remark['id']}", text="Done."))
    seen = await look(site, made)
    found = {each.id: each for each in seen.findings}
    assert {key: (each.title, each.text) for key, each in found.items()} == {
        f"comment:{remark['id']}": ("ann on app.py:1", "Rename it."),
        f"review:{review['id']}": ("ann asks for changes", "Not yet."),
        f"talk:{talk['id']}": ("ben has commented", "Why?"),
    }
    assert found[f"talk:{talk['id']}"].url.endswith(f"#issuecomment-{talk['id']}")
    assert [each.id for each in seen.unheard] == [f"talk:{bots['id']}"]


@any_token
async def test_ones_own_comments_count_where_the_settings_say_so_but_never_what_we_have_posted(site: Site) -> None:
    # An app is a bot: it has to be named, too.
    forges, github = await site.another(heed_own_comments=True, bots=[site.me] if site.me.endswith("[bot]") else [])
    made = await site.opened()
    mine = await site.forge.comment(site.name, made.number, user=site.me, body="Rename it.")
    await github.reply(made, Reply(comment=f"talk:{mine['id']}", text="Done."))
    seen = await github.look(made, {})
    assert [each.id for each in seen.findings] == [f"talk:{mine['id']}"]
    await forges.close()


@pytest.mark.shows("approvals")
async def test_it_is_approved_while_the_last_word_of_everyone_is_yes(site: Site) -> None:
    made = await site.opened()
    assert not (await look(site, made)).approved
    for user, state, approved in (
        ("ann", "APPROVED", True),
        ("ben", "CHANGES_REQUESTED", False),
        ("ben", "COMMENTED", False),
        ("ben", "APPROVED", True),
    ):
        await site.forge.review(site.name, made.number, user=user, state=state, body="so")
        assert (await look(site, made)).approved is approved


@pytest.mark.shows("conflicts")
async def test_a_conflict_with_the_base_is_found_once_the_forge_has_worked_it_out(site: Site) -> None:
    await site.forge.change_repository(site.name, slow_mergeability=True)
    made = await site.opened()
    assert (await look(site, made)).findings == ()
    moved = site.commit("main", {"app.py": "print(2)\n"})
    seen = await look(site, made)
    (found,) = seen.findings
    assert (found.id, found.kind) == (f"conflict:{made.head}:{moved}", FindingKind.CONFLICT)
    assert seen.base_head == moved


@pytest.mark.shows("a look without news costs nothing")
async def test_a_second_look_costs_nothing_and_tells_the_same(site: Site) -> None:
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="test", conclusion="failure", log=LOG)
    await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    marks: dict[str, str] = {}
    first = await look(site, made, marks)
    await site.forge.forget_requests()
    assert await look(site, made, marks) == first
    statuses = [each.status for each in await site.forge.requests(path=site.name)]
    assert set(statuses) == {304}
    assert len(statuses) == 9
    await site.forge.comment(site.name, made.number, user="ann", body="And this.")
    assert len((await look(site, made, marks)).findings) == len(first.findings) + 1


@pytest.mark.shows("more comments than fit a page")
async def test_more_comments_than_fit_a_page_are_all_seen(site: Site) -> None:
    made = await site.opened()
    remarks = [{"path": "app.py", "line": 1, "body": f"Remark {number}"} for number in range(205)]
    await site.forge.review(site.name, made.number, user="ann", state="COMMENTED", comments=remarks)
    marks: dict[str, str] = {}
    assert len((await look(site, made, marks)).findings) == 205
    assert len((await look(site, made, marks)).findings) == 205


async def test_nothing_is_asked_for_about_one_that_is_over(site: Site) -> None:
    made = await site.opened()
    await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await site.merge(made.number, "rebase")
    seen = await look(site, made)
    assert (seen.pull_request.state, seen.findings) == (PullRequestState.MERGED, ())
    assert seen.base_head not in ("", made.head)


@pytest.mark.shows("a change request ends")
async def test_a_change_request_ends_when_it_is_withdrawn_or_its_author_approves(site: Site) -> None:
    made = await site.opened()
    remark = {"path": "app.py", "line": 1, "body": "Rename it."}
    for number, end in enumerate(("dismissed", "approved")):
        asked = await site.forge.review(
            site.name, made.number, user="ann", state="CHANGES_REQUESTED", body="Not yet.", comments=[remark]
        )
        assert len((await look(site, made)).findings) == 2, "the request, and its remark"
        if end == "dismissed":
            async with site.forge.rest() as client:
                path = f"/repos/{site.name}/pulls/{made.number}/reviews/{asked['id']}/dismissals"
                assert (await client.put(path, json={"message": "never mind"})).is_success
        else:
            await site.forge.review(site.name, made.number, user="ben", state="APPROVED")
            assert len((await look(site, made)).findings) == 2, "another's approval ends nothing"
            await site.forge.review(site.name, made.number, user="ann", state="APPROVED")
        seen = await look(site, made)
        assert (seen.findings, seen.approved) == ((), number == 1)
    again = await site.forge.review(site.name, made.number, user="ann", state="CHANGES_REQUESTED", body="Still not.")
    assert list(await findings(site, made)) == [f"review:{again['id']}"]


async def test_a_remark_that_is_taken_back_and_a_check_that_passes_on_the_same_head_hold_no_more(site: Site) -> None:
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    await site.forge.set_check(site.name, ref="work", name="tests", conclusion="failure", log=LOG)
    assert len((await look(site, made)).findings) == 2
    await site.forge.set_check(site.name, ref="work", name="tests", conclusion="success")
    async with site.forge.rest() as client:
        assert (await client.delete(f"/repos/{site.name}/pulls/comments/{remark['id']}")).is_success
    assert (await look(site, made)).findings == ()


@pytest.mark.shows("resolved conversations")
async def test_a_conversation_that_is_resolved_asks_for_nothing_until_it_is_opened_again(site: Site) -> None:
    made = await site.opened()
    number = made.number
    asked = await site.forge.remark(site.name, number, user="ann", path="app.py", line=1, body="Rename it.")
    also = await site.forge.remark(
        site.name, number, user="ben", path="app.py", line=1, body="Soon.", in_reply_to=asked["id"]
    )
    remark = {"path": "app.py", "line": 2, "body": "And here."}
    await site.forge.review(site.name, number, user="ann", state="CHANGES_REQUESTED", body="So.", comments=[remark])
    before = await findings(site, made)
    assert len(before) == 4
    await site.forge.resolve(site.name, number, asked["id"])
    ended = {f"comment:{asked['id']}", f"comment:{also['id']}"}
    assert set(before) - set(await findings(site, made)) == ended
    await site.forge.resolve(site.name, number, asked["id"], again=True)
    assert await findings(site, made) == before


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("forbidden", {}), ("status", {"status": 404}), ("invalid", {}), ("server_error", {})],
)
async def test_where_it_is_not_told_what_is_resolved_all_that_is_asked_holds(
    site: Site, kind: str, fields: dict[str, object]
) -> None:
    made = await site.opened()
    asked = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    await site.forge.fail(kind, method="POST", path="graphql$", **fields)
    assert list(await findings(site, made)) == [f"comment:{asked['id']}"]


async def test_what_is_edited_to_nothing_asks_for_nothing_and_what_is_written_anew_does(site: Site) -> None:
    made = await site.opened()
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Rename it.")
    asked = {f"talk:{talk['id']}"}
    assert set(await findings(site, made)) == asked
    for nothing in (" \n\u200b", "<!-- never mind -->", "<!--\n"):
        await site.forge.edit(site.name, talk["id"], nothing)
        assert await findings(site, made) == {}, repr(nothing)
    await site.forge.edit(site.name, talk["id"], "Rename it after all.")
    assert set(await findings(site, made)) == asked
    async with site.forge.rest() as client:
        assert (await client.delete(f"/repos/{site.name}/issues/comments/{talk['id']}")).is_success
    assert await findings(site, made) == {}


@pytest.mark.parametrize("change", ["renamed", "deleted"])
async def test_a_remark_on_a_file_that_is_gone_is_told_with_the_place_that_it_had(site: Site, change: str) -> None:
    made = await site.opened()
    hunk = "@@ -0,0 +1 @@\n+print(1)"
    await site.forge.remark(
        site.name, made.number, user="ann", path="app.py", original_line=1, body="Rename it.", diff_hunk=hunk
    )
    site.commit("work", {"program.py": "print(1)\n"} if change == "renamed" else {}, without=("app.py",))
    (found,) = (await look(site, made)).findings
    assert found.place and (found.place.path, found.place.line) == ("app.py", 1)
    assert found.place.outdated is (site.kind is ForgeKind.GITHUB), "the others don't say"
    assert (found.title, found.place.quoted) == ("ann on app.py:1", hunk)


async def test_a_remark_is_told_with_its_place_and_the_lines_that_it_is_about(site: Site) -> None:
    made = await site.opened()
    hunk = "@@ -0,0 +1,3 @@\n" + "+x\n" * 2000 + "+print(1)"
    await site.forge.remark(
        site.name, made.number, user="ann", path="app.py", line=3, start_line=1, side="LEFT", diff_hunk=hunk,
        body="\x1b[31mRename it.\x1b[0m" + " please" * 5000,
    )  # fmt: skip
    ((found,), place) = ((seen := (await look(site, made)).findings), seen[0].place)
    assert found.text.startswith("Rename it. please")
    assert place and (place.path, place.start_line, place.line, place.side) == (
        *("app.py", 1 if site.kind is ForgeKind.GITHUB else None, 3),
        "LEFT",
    )
    assert place.quoted.endswith("+x\n+print(1)") and len(place.quoted) <= 1500
