"""What is so at GitLab and at no other forge (rules 7.3–7.5), against the fake one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from daemon.forges.connections import certificates
from daemon.forges.forge_settings import ForgeKind, ForgeSettings
from daemon.forges.registry import Forges
from domain.errors import ForgeRefused, ForgeUnreachable
from domain.pull_request import Finding, FindingKind, PullRequest, PullRequestState, Reply, Sighting
from domain.repository_url import parse_repository_url
from tests.answering import serving
from tests.fixtures_forges import QUICK, Site, open_adapter, wanted
from tests.forge import Person

pytestmark = [pytest.mark.rule("7.4"), pytest.mark.parametrize("forge_kind", [ForgeKind.GITLAB])]

QUICKEST = replace(QUICK, at_most=0.5)


@pytest_asyncio.fixture
async def api(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """GitLab's API of the project, as a person's program would call it."""
    token = {"PRIVATE-TOKEN": site.forge.token}
    path = site.name.replace("/", "%2F")
    async with httpx.AsyncClient(
        base_url=f"{site.forge.url}/api/v4/projects/{path}/", headers=token, timeout=20, verify=certificates()
    ) as client:
        yield client


async def look(site: Site, known: PullRequest, marks: dict[str, str] | None = None) -> Sighting:
    return await site.adapter.look(known, {} if marks is None else marks)


async def findings(site: Site, known: PullRequest) -> list[Finding]:
    return list((await look(site, known)).findings)


async def shown(api: httpx.AsyncClient, number: int, more: str = "") -> Any:
    answer = await api.get(f"merge_requests/{number}{more}")
    assert answer.is_success, answer.text
    return answer.json()


async def test_it_is_opened_once_and_left_alone(site: Site) -> None:
    made = await site.opened()
    assert (made.branch, made.base, made.state, made.version) == ("work", "main", PullRequestState.OPEN, 1)
    assert made.url == f"{site.forge.url}/{site.name}/-/merge_requests/{made.number}"
    assert await site.opened() == made
    assert (await site.asked("POST", "/merge_requests$"), await site.asked("PUT")) == (1, 0)


async def test_where_no_token_is_named_a_person_is_told_to(site: Site) -> None:
    with pytest.raises(ForgeRefused, match=r"is a GitLab: set token_env or token_file"):
        await site.another(token_env="")


async def test_a_draft_is_one_by_its_title_whatever_its_mark_looks_like(site: Site, api: httpx.AsyncClient) -> None:
    made = await site.opened()
    for title in ("Draft: Add login", "[draft] Add login", "(Draft) Add login", "DRAFT:Add login"):
        await api.put(f"merge_requests/{made.number}", json={"title": title})
        assert (await site.adapter.read(made)).state is PullRequestState.DRAFT, title
        assert (await site.opened(draft=True)).state is PullRequestState.DRAFT
        assert (await shown(api, made.number))["title"] == title, "it is one already"
        assert (await site.opened(draft=False)).state is PullRequestState.OPEN
        assert (await shown(api, made.number))["title"] == "Add login", title


async def test_a_directive_whose_title_looks_like_a_drafts_makes_none(site: Site, api: httpx.AsyncClient) -> None:
    made = await site.opened(title="Draft: draft: an announcement")
    assert made.state is PullRequestState.OPEN
    assert (await shown(api, made.number))["title"] == "an announcement"
    await site.opened(title="x" * 400, draft=True)
    assert len((await shown(api, made.number))["title"]) == 255


async def test_no_line_of_ours_is_a_command(site: Site, api: httpx.AsyncClient) -> None:
    body = "Serves:\n/close\n  /merge now\n/usr/bin/env\n"
    made = await site.opened(body=body)
    assert "Serves:\n\\/close\n  \\/merge now\n\\/usr/bin/env" in (await shown(api, made.number))["description"]
    before = await site.asked("PUT")
    await site.opened(body=body)
    assert await site.asked("PUT") == before, "nothing differed"
    note = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await site.adapter.reply(made, Reply(comment=f"talk:{note['id']}", text="/approve\nDone."))
    said = [each["body"] for each in await shown(api, made.number, "/notes")]
    assert [each for each in said if each.startswith("\\/approve\nDone.")]


REASONS = (
    "need_rebase", "ci_must_pass", "ci_still_running", "discussions_not_resolved", "not_approved", "draft_status",
    "requested_changes", "merge_request_blocked", "external_status_checks", "policies_denied", "mergeable",
    "jira_association_missing", "security_policy_violations", "locked_paths", "merge_time", "title_regex",
    "a word of next year's",
)  # fmt: skip
"""What GitLab says of one that it doesn't merge, or of one that it does, in the place of a conflict."""


@pytest.mark.rule("7.5")
async def test_a_reason_against_a_merge_is_no_conflict_and_hides_none(site: Site) -> None:
    made = await site.opened()
    for said in REASONS:
        await site.forge.change_repository(site.name, detailed_merge_status=said)
        assert await findings(site, made) == [], said
    site.commit("main", {"app.py": "print(2)\n"})
    for said in REASONS:
        await site.forge.change_repository(site.name, detailed_merge_status=said)
        assert [found.kind for found in await findings(site, made)] == [FindingKind.CONFLICT], said


@pytest.mark.rule("7.5")
@pytest.mark.parametrize("said", ["unchecked", "checking", "preparing"])
async def test_what_gitlab_works_out_is_no_conflict_and_ends_none(site: Site, said: str) -> None:
    made, marks = await site.opened(), dict[str, str]()
    await site.forge.change_repository(site.name, detailed_merge_status=said)
    assert (await look(site, made, marks)).findings == ()
    await site.forge.change_repository(site.name, detailed_merge_status="")
    site.commit("main", {"app.py": "print(2)\n"})
    (before,) = (await look(site, made, marks)).findings
    await site.forge.change_repository(site.name, detailed_merge_status=said)
    assert (await look(site, made, marks)).findings == (before,)
    await site.forge.change_repository(site.name, detailed_merge_status="")
    site.commit("work", {"app.py": "print(2)\n"}, parent="main")
    assert (await look(site, made, marks)).findings == ()


@pytest.mark.rule("7.5")
async def test_a_branch_without_anything_new_is_no_conflict(site: Site) -> None:
    made = await site.opened()
    site.commit("main", {"app.py": "print(2)\n"})
    await site.forge.change_repository(site.name, detailed_merge_status="commits_status")
    assert await findings(site, made) == [], "GitLab says has_conflicts of it, too"


@pytest.mark.rule("7.5")
async def test_whether_it_can_be_merged_is_asked_again_until_gitlab_knows(site: Site) -> None:
    made = await site.opened()
    site.commit("main", {"app.py": "print(2)\n"})
    await site.forge.change_repository(site.name, slow_mergeability=3)
    (found,) = await findings(site, made)
    assert found.kind is FindingKind.CONFLICT


@pytest.mark.rule("7.5")
async def test_of_a_pipeline_only_what_must_not_fail_counts_and_only_its_newest_try(site: Site) -> None:
    made = await site.opened()
    lines = (
        "section_start:1:build\r\x1b[0KBuild",
        "2026-01-05T10:00:01.123456Z 01O 1 failed",
        "ERROR: Job failed: exit 1",
    )
    await site.forge.set_check(site.name, ref="work", name="lint", conclusion="failure", allow_failure=True)
    first = await site.forge.set_check(site.name, ref="work", name="test", conclusion="failure", log="\n".join(lines))
    (found,) = await findings(site, made)
    assert (found.id, found.title) == (f"check:{first['id']}", "test: failed")
    assert found.text == "Build\n1 failed\nERROR: Job failed: exit 1"
    assert found.url == f"{site.forge.url}/{site.name}/-/jobs/{first['id']}"
    again = await site.forge.set_check(site.name, ref="work", name="test", conclusion="timed_out", log="slow")
    (found,) = await findings(site, made)
    assert (found.id, found.title) == (f"check:{again['id']}", "test: job execution timeout")
    await site.forge.set_check(site.name, ref="work", name="test", conclusion="success")
    assert await findings(site, made) == []


@pytest.mark.rule("7.5")
async def test_what_runs_in_a_pipeline_that_another_one_has_started_counts(site: Site) -> None:
    made = await site.opened()
    job = await site.forge.set_check(
        site.name, ref="work", name="unit", conclusion="failure", log="boom", below="children"
    )
    (found,) = await findings(site, made)
    assert (found.id, found.title, found.text) == (f"check:{job['id']}", "unit: failed", "boom")
    await site.forge.fail("forbidden", path="pipelines/.*/jobs", times=9)
    (found,) = await findings(site, made)
    assert (found.title, found.text) == ("children: failed", "The pipeline that this job starts has failed.")
    await site.forge.clear_failures()
    await site.forge.set_check(site.name, ref="work", name="unit", conclusion="success", below="children")
    assert await findings(site, made) == []


@pytest.mark.rule("7.5")
async def test_a_job_that_a_person_has_to_start_is_a_persons_and_an_invalid_pipeline_is_told(site: Site) -> None:
    made = await site.opened()
    job = await site.forge.set_check(site.name, ref="work", name="deploy", conclusion="action_required")
    (found,) = await findings(site, made)
    assert (found.id, found.title, found.for_person) == (f"check:waits-{job['id']}", "deploy: manual", True)
    await site.forge.set_check(site.name, ref="work", name="deploy", conclusion="action_required", allow_failure=True)
    assert await findings(site, made) == []
    site.commit("work", {"more.py": "2\n"})
    await site.forge.set_check(site.name, ref="work", name="all", conclusion="startup_failure")
    (found,) = await findings(site, made)
    assert found.title == "pipeline: its configuration is not valid"
    assert "visible job" in found.text


@pytest.mark.rule("7.5")
async def test_a_status_that_something_else_has_set_is_told_once_and_in_its_words(site: Site) -> None:
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="test", conclusion="failure", log="boom")
    await site.forge.set_status(
        site.name, ref="work", context="ci/old", state="failure", description="broken", target_url="http://ci/1"
    )
    check, status = await findings(site, made)
    assert (check.title, status.title, status.text, status.url) == (
        "test: failed", "ci/old: failed", "broken", "http://ci/1",
    )  # fmt: skip


@pytest.mark.rule("7.5")
async def test_where_a_remark_stands_is_told_and_that_its_lines_have_changed(
    site: Site, api: httpx.AsyncClient
) -> None:
    made = await site.opened()
    lines = {"line": 3, "start_line": 1}
    await site.forge.remark(site.name, made.number, user="ann", path="app.py", body="New.", **lines)
    await site.forge.remark(site.name, made.number, user="ann", path="app.py", body="Old.", line=2, side="LEFT")
    await site.forge.remark(site.name, made.number, user="ann", path="app.py", body="Gone.", original_line=5)
    await site.forge.remark(site.name, made.number, user="ann", path="app.py", body="The file.")
    places = [each.place for each in await findings(site, made)]
    told = [(each.line, each.start_line, each.side, each.outdated) for each in places if each]
    assert told == [
        (3, 1, "RIGHT", False),
        (2, None, "LEFT", False),
        (5, None, "RIGHT", True),
        (None, None, "RIGHT", False),
    ]


@pytest.mark.rule("7.5")
async def test_a_discussion_that_somebody_has_resolved_asks_for_nothing(site: Site, api: httpx.AsyncClient) -> None:
    made = await site.opened()
    at = f"merge_requests/{made.number}/discussions"
    await site.forge.add_token("token-of-ann", "ann")
    as_ann = {"PRIVATE-TOKEN": "token-of-ann"}
    refs = (await shown(api, made.number))["diff_refs"]
    position = {**refs, "position_type": "text", "new_path": "app.py", "old_path": "app.py", "new_line": 1}
    threads = [
        (await api.post(at, json={"body": "Rename it.", "position": position}, headers=as_ann)).json(),
        (await api.post(at, json={"body": "And the docs?"}, headers=as_ann)).json(),
    ]
    assert {each.text for each in await findings(site, made)} == {"Rename it.", "And the docs?"}
    for thread in threads:
        answer = await api.put(f"{at}/{thread['id']}", json={"resolved": True}, headers=as_ann)
        assert answer.json()["notes"][0]["resolved"]
    assert await findings(site, made) == []
    await api.put(f"{at}/{threads[1]['id']}", json={"resolved": False}, headers=as_ann)
    assert [each.text for each in await findings(site, made)] == ["And the docs?"]


@pytest.mark.rule("7.5")
async def test_who_may_not_write_resolves_nothing(site: Site) -> None:
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    await site.forge.resolve_as("stranger", site.name, made.number, remark["id"])
    assert len(await findings(site, made)) == 1
    await site.forge.resolve_as("ben", site.name, made.number, remark["id"])
    assert await findings(site, made) == []


@pytest.mark.rule("7.5")
async def test_what_gitlab_itself_notes_is_nobodys_word(site: Site, api: httpx.AsyncClient) -> None:
    made = await site.opened()
    await site.forge.review(site.name, made.number, user="ann", state="APPROVED")
    assert any(each["system"] for each in await shown(api, made.number, "/notes"))
    seen = await look(site, made)
    assert (seen.findings, seen.unheard, seen.approved) == ((), (), True)


@pytest.mark.rule("7.5")
async def test_it_is_approved_once_the_rules_are_met_and_nobody_wants_changes(site: Site) -> None:
    made = await site.opened()
    await site.forge.change_repository(site.name, approvals_required=2)
    await site.forge.review(site.name, made.number, user="ann", state="APPROVED")
    assert not (await look(site, made)).approved
    await site.forge.review(site.name, made.number, user="ben", state="APPROVED")
    assert (await look(site, made)).approved
    await site.forge.set_role(site.name, "cat", "write")
    await site.forge.review(site.name, made.number, user="cat", state="CHANGES_REQUESTED")
    assert not (await look(site, made)).approved


@pytest.mark.rule("7.5")
async def test_developers_are_heard_and_nobody_else(site: Site) -> None:
    made = await site.opened()
    roles = {"dev": "write", "keeper": "maintain", "boss": "admin", "reporter": "read", "guest": "triage"}
    for login, role in roles.items():
        await site.forge.set_role(site.name, login, role)
    bots = ("project_7_bot_0123abcd", "group_7_bot", "service_account_x")
    for login in bots:
        await site.forge.set_role(site.name, login, "maintain")
    for login in (*roles, "stranger", *bots, "", "with.dots"):
        await site.forge.comment(site.name, made.number, user=login, body=f"{login} says so.")
    seen = await look(site, made)
    assert [each.title.split()[0] for each in seen.findings] == ["dev", "keeper", "boss"]
    reasons = {each.author: each.reason for each in seen.unheard}
    assert {reasons[each] for each in ("reporter", "guest", "stranger", "with.dots")} == {
        "no write access to the repository"
    }
    assert {reasons[each] for each in bots} == {"a bot that the setting `bots` does not name"}
    assert reasons["somebody"] == "the account is gone"
    await site.forge.set_role(site.name, "with.dots", "write")
    forges, adapter = await site.another()
    assert "with.dots has commented" in [each.title for each in (await adapter.look(made, {})).findings]
    await forges.close()


async def test_an_answer_stands_in_the_discussion_and_below_where_that_takes_none(
    site: Site, api: httpx.AsyncClient
) -> None:
    made = await site.opened()
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await site.adapter.reply(made, Reply(comment=f"talk:{talk['id']}", text="Because."))
    (discussion,) = await shown(api, made.number, "/discussions")
    assert [each["body"].partition("\n")[0] for each in discussion["notes"]] == ["Why?", "Because."]
    other = await site.forge.comment(site.name, made.number, user="ann", body="And?")
    await site.forge.fail("status", method="POST", path="discussions", status=400, message="can not be replied to")
    await site.adapter.reply(made, Reply(comment=f"talk:{other['id']}", text="So."))
    await site.adapter.reply(made, Reply(comment=f"talk:{other['id']}", text="So."))
    bodies = [each["body"] for each in await shown(api, made.number, "/notes?sort=asc")]
    assert len(bodies) == 4
    assert bodies[-1].startswith(f"About {made.url}#note_{other['id']}:\n\nSo.")


@pytest.mark.parametrize("failure", ["acted_then_silent", "acted_then_cut"])
async def test_nothing_is_done_twice_whose_answer_was_lost(site: Site, api: httpx.AsyncClient, failure: str) -> None:
    await site.forge.fail(failure, method="POST", path=f"{site.name}/merge_requests$")
    made = await site.opened()
    assert len((await api.get("merge_requests")).json()) == 1
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await site.forge.fail(failure, method="POST", path="discussions")
    await site.adapter.reply(made, Reply(comment=f"talk:{talk['id']}", text="Because."))
    assert len(await shown(api, made.number, "/notes")) == 2
    await site.forge.fail(failure, method="PUT", path=site.name)
    assert (await site.opened(draft=True)).state is PullRequestState.DRAFT


@pytest.mark.rule("7.5")
async def test_every_page_is_read(site: Site) -> None:
    made, before, asked = await site.opened(), 0, 0
    for count, pages in ((20, 1), (100, 1), (101, 2)):
        said = [{"user": "ann", "body": f"Number {number}."} for number in range(before, count)]
        await site.forge.several(f"repos/{site.name}/pulls/{made.number}/comments", said)
        assert len(await findings(site, made)) == count
        asked += pages
        paths = await site.forge.requests(method="GET", path=f"{site.name}/merge_requests/1/discussions")
        assert len(paths) == asked, count
        before = count


async def test_a_project_below_groups_is_one(site: Site) -> None:
    repository = await site.forge.make_repository("acme/tools/deep", f"{site.repository.path.stem}-x")
    ann = Person(
        site.forge.folder.parent / f"ann-{site.repository.path.stem}", site.forge.url_with(repository.full_name)
    )
    await ann.commit("main", {"README": "1\n"})
    await ann.commit("work", {"app.py": "1\n"}, onto="main")
    forges, adapter = await open_adapter(site.forge, repository, [], kind=ForgeKind.GITLAB)
    made = await adapter.open_or_update(wanted(), "work", "main")
    assert made.url == f"{site.forge.url}/{repository.full_name}/-/merge_requests/1"
    assert (await adapter.look(made, {})).base_head
    await forges.close()


async def test_a_project_that_was_renamed_is_found_and_everything_goes_on(site: Site) -> None:
    made = await site.opened()
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await site.forge.change_repository(site.name, name=f"moved/{site.repository.path.stem}")
    assert (await site.opened(title="Another")).number == made.number
    forges, adapter = await site.another()
    assert (await adapter.read(made)).number == made.number
    await adapter.reply(made, Reply(comment=f"talk:{talk['id']}", text="Because."))
    assert (await adapter.open_or_update(wanted(draft=True), "work", "main")).state is PullRequestState.DRAFT
    await forges.close()
    async with httpx.AsyncClient(headers={"PRIVATE-TOKEN": site.forge.token}) as client:
        old = f"{site.forge.url}/api/v4/projects/{site.name.replace('/', '%2F')}"
        assert (await client.get(old)).status_code == 301
        assert (await client.post(f"{old}/merge_requests", json={})).status_code == 405


async def test_limits_are_waited_for_or_told_with_their_end(site: Site) -> None:
    for failure in ("rate_limit", "too_many_requests"):
        forges, adapter = await site.another()  # each is of a daemon that knows of no limit yet
        await site.forge.fail(failure, method="GET", path=site.name, seconds=1)
        assert await adapter.find("work", "main") is None
        await site.forge.fail(failure, method="GET", path=site.name, seconds=900, times=9)
        with pytest.raises(ForgeUnreachable, match="rate limit") as caught:
            await adapter.find("work", "main")
        assert caught.value.until is not None
        await site.forge.clear_failures()
        await forges.close()


async def test_refusals_say_what_to_do(site: Site) -> None:
    await site.opened()
    for failure, fields, told in (
        ("bad_credentials", {}, r"401: 401 Unauthorized\): put a valid token into \$FORGE_TOKEN"),
        (
            "forbidden",
            {"method": "PUT"},
            r"403: insufficient_scope\): the token from \$FORGE_TOKEN needs the scope api",
        ),
        ("status", {"status": 404, "message": "404 Project Not Found"}, r"404.*it isn't there, or the token from"),
        ("invalid", {"method": "PUT", "message": "Title is bad"}, r"422: Title is bad"),
        ("status", {"method": "PUT", "status": 409, "message": "Conflict"}, r"409: Conflict"),
    ):
        await site.forge.fail(failure, path=site.name, **fields)
        with pytest.raises(ForgeRefused, match=told):
            await site.opened(title=failure + str(fields))
        await site.forge.clear_failures()


@pytest.mark.parametrize("method", ["merge", "rebase", "squash"])
async def test_one_that_was_merged_by_any_method_is_and_the_next_one_follows(
    site: Site, api: httpx.AsyncClient, method: str
) -> None:
    made = await site.opened()
    await site.forge.change_repository(site.name, merge_method="rebase" if method == "rebase" else "merge")
    site.commit("main", {"other.py": "1\n"})
    await site.adapter.look(made, {})
    squash = method == "squash"
    answer = await api.put(
        f"merge_requests/{made.number}/merge", json={"squash": squash, "should_remove_source_branch": True}
    )
    assert answer.is_success, answer.text
    assert (answer.json()["merge_commit_sha"] is None) == (method != "merge")
    assert (answer.json()["squash_commit_sha"] is not None) == squash
    assert (await site.adapter.read(made)).state is PullRequestState.MERGED
    assert (await look(site, made)).findings == ()
    site.commit("work-v2", {"more.py": "2\n"}, parent="main")
    second = await site.adapter.open_or_update(wanted(known=made), "work-v2", "main")
    assert (second.number, second.version, second.state) == (2, 2, PullRequestState.OPEN)


async def test_closed_opened_again_and_being_merged_are_told(site: Site, api: httpx.AsyncClient) -> None:
    made = await site.opened()
    await api.put(f"merge_requests/{made.number}", json={"state_event": "close"})
    assert (await site.adapter.read(made)).state is PullRequestState.CLOSED
    await api.put(f"merge_requests/{made.number}", json={"state_event": "reopen"})
    assert (await site.adapter.read(made)).state is PullRequestState.OPEN
    await site.forge.change_repository(site.name, locked=True)
    assert (await shown(api, made.number))["state"] == "locked"
    assert (await site.adapter.read(made)).state is PullRequestState.OPEN, "it isn't merged yet"
    await site.forge.change_repository(site.name, locked=False)
    await api.delete("repository/branches/work")
    assert (await site.adapter.read(made)).state is PullRequestState.CLOSED


async def test_a_base_that_isnt_there_is_refused_and_another_one_taken(site: Site) -> None:
    made = await site.opened()
    with pytest.raises(ForgeRefused, match=r"does not take 'no/such' as the base branch"):
        await site.adapter.retarget(made, "no/such")
    site.commit("release/1", {"old.py": "1\n"}, parent="main")
    assert (await site.adapter.retarget(made, "release/1")).base == "release/1"
    assert (await look(site, made)).base_head


async def test_one_that_somebody_opens_at_the_same_moment_is_taken(site: Site) -> None:
    made = await asyncio.gather(*(site.opened() for _ in range(5)))
    assert {each.number for each in made} == {1}


async def test_the_token_goes_in_gitlabs_own_header_to_the_one_host(forge_kind: ForgeKind) -> None:
    async with serving() as elsewhere, serving() as server:
        seen: list[Headers] = []

        def away(request: Request) -> Response:
            seen.append(request.headers)
            return RedirectResponse(f"{elsewhere.url}/api/v4/projects/7")

        server.answers = {"/api/v4/projects/team/shop": away}
        settings = {server.url.removeprefix("http://"): ForgeSettings(kind=forge_kind, token_env="T")}
        forges = Forges(settings, {"T": "the-token"}, timings=QUICK)
        adapter = await forges.at(parse_repository_url(f"{server.url}/team/shop.git", allow_local=False))
        with pytest.raises(ForgeRefused, match="sends us elsewhere"):
            await adapter.find("work", "main")
        await forges.close()
        assert [(each.get("private-token"), each.get("authorization")) for each in seen] == [("the-token", None)]
        assert elsewhere.asked == []


async def test_the_token_goes_over_git_as_the_password_of_oauth2(site: Site) -> None:
    person = Person(
        site.forge.folder.parent / f"oauth2-{site.repository.path.stem}",
        site.forge.url_with(site.name).replace("x-access-token", "oauth2"),
    )
    assert await person.commit("other", {"x": "1\n"}, onto="main")


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
async def test_one_that_is_merged_at_this_very_moment_is_left_as_it_is(site: Site, how: str) -> None:
    made = await site.opened()
    await site.merge(made.number, how)
    for known in (made, None):
        later = wanted(title="Another title", body="Another body", draft=True)
        over = await site.adapter.open_or_update(later, "work", "main", known)
        assert (over.number, over.state) == (made.number, PullRequestState.MERGED)
    assert (await site.asked("PUT", "/merge_requests/1$"), await site.asked("POST", "/merge_requests$")) == (0, 1)


@pytest.mark.rule("7.5")
async def test_ones_own_notes_count_where_the_settings_say_so(site: Site) -> None:
    forges, adapter = await site.another(heed_own_comments=True)
    made = await site.opened()
    mine = await site.forge.comment(site.name, made.number, user="makima", body="Rename it.")
    await adapter.reply(made, Reply(comment=f"talk:{mine['id']}", text="Done."))
    assert [each.text for each in (await adapter.look(made, {})).findings] == ["Rename it."]
    assert await findings(site, made) == []
    await forges.close()


@pytest.mark.rule("7.5")
async def test_a_failure_within_a_look_tells_nothing_half(site: Site) -> None:
    made = await site.opened()
    await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    for path in ("discussions", "approvals", "pipelines", "members/all", "repository/branches"):
        await site.forge.fail("server_error", path=f"{site.name}.*{path}", times=999)
        forges, adapter = await site.another(QUICKEST)  # which knows nobody's role yet
        with pytest.raises(ForgeUnreachable):
            await adapter.look(made, {})
            pytest.fail(path)
        await forges.close()
        await site.forge.clear_failures()
    assert len(await findings(site, made)) == 1


@pytest.mark.rule("7.5")
async def test_a_log_that_may_not_be_read_is_done_without_and_one_away_is_looked_for_again(site: Site) -> None:
    made, marks = await site.opened(), dict[str, str]()
    for name in ("one", "two"):
        await site.forge.set_check(site.name, ref="work", name=name, conclusion="failure", log=f"log of {name}")
    await site.forge.fail("forbidden", path="trace")
    assert [each.text for each in await findings(site, made)] == ["", "log of two"]
    await site.forge.fail("log_host_unreachable", path="trace")
    away = (await look(site, made, marks)).findings
    assert ["can't be read now" in each.text for each in away] == [True, False]
    assert [each.text for each in (await look(site, made, marks)).findings] == ["log of one", "log of two"]
