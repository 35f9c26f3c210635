"""What is Gitea's and Forgejo's alone (rules 7.3–7.5), against the fake forge's dialect."""

from __future__ import annotations

import json

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse

from daemon.forges.audience import NotHeard
from daemon.forges.forge_settings import ForgeKind, ForgeSettings
from daemon.forges.gitea.pages import PAGE_SIZE
from daemon.forges.gitea.payloads_checks import WorkflowRun
from daemon.forges.gitea.titles import draft_title, is_marked, plain_title
from daemon.forges.registry import Forges
from domain.errors import ForgeRefused
from domain.pull_request import PullRequestState, Reply
from domain.repository_url import parse_repository_url
from tests.answering import answering, serving
from tests.fixtures_forges import QUICK, Site

pytestmark = [pytest.mark.rule("7.5"), pytest.mark.parametrize("forge_kind", [ForgeKind.GITEA])]

API = "/api/v1/repos"


async def answered_at(site: Site, number: int) -> list[dict[str, object]]:
    """Our answers at lines, as GitHub's dialect of the same forge tells them."""
    async with site.forge.rest() as client:
        said = (await client.get(f"/repos/{site.name}/pulls/{number}/comments")).json()
    return [each for each in said if "makima:reply" in each["body"]]


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("WIP: Add login", "Add login"),
        ("wip:Add login", "Add login"),
        ("[WIP] Add login", "Add login"),
        ("Draft: WIP: Add login", "Add login"),
        ("WIPe the disk", "WIPe the disk"),
    ],
)
def test_a_draft_is_known_by_its_title(title: str, plain: str, forge_kind: ForgeKind) -> None:
    assert plain_title(title) == plain
    assert is_marked(title) is (title != plain)
    assert plain_title(draft_title(title, title)) == plain and is_marked(draft_title(title, title))


@pytest.mark.rule("7.4")
async def test_a_draft_keeps_its_mark_when_its_texts_change(site: Site) -> None:
    made = await site.opened(draft=True)
    again = await site.opened(title="Add logout", body="More.", draft=True)
    assert (again.number, again.state) == (made.number, PullRequestState.DRAFT)
    sent = [json.loads(each.body) for each in await site.forge.requests(method="PATCH", path=f"{site.name}/pulls")]
    assert [each["title"] for each in sent] == ["WIP: Add logout"]
    assert (await site.opened(title="Add logout", body="More.")).state is PullRequestState.OPEN


@pytest.mark.parametrize("without", [1, 2])
async def test_where_there_is_no_address_for_replies_it_is_answered_once_all_the_same(site: Site, without: int) -> None:
    """In Forgejo by a review at the same place; where that isn't taken either, below."""
    made = await site.opened()
    asked = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    for path in (r"/replies$", r"/reviews$")[:without]:
        await site.forge.fail("status", method="POST", path=path, status=404, message="not found", times=9)
    for _ in range(2):
        await site.adapter.reply(made, Reply(comment=f"comment:{asked['id']}", text="Done."))
    at_lines = await answered_at(site, made.number)
    assert [each["line"] for each in at_lines] == [1] * (without == 1)
    async with site.forge.rest() as client:
        below = (await client.get(f"/repos/{site.name}/issues/{made.number}/comments")).json()
    assert len(below) == (without == 2)
    assert len((await site.adapter.look(made, {})).findings) == 1, "our answer asks for nothing"


async def test_a_job_of_a_fork_and_one_of_which_nothing_is_said_are_not_heard(site: Site) -> None:
    made = await site.opened()
    theirs = (await site.forge.open_from_fork(site.name, "mallory/shop", "work"))["number"]
    fork = {"name": "rm -rf /", "conclusion": "failure", "head_repository": "mallory/shop"}
    await site.forge.set_check(site.name, ref="work", **fork, of_pull=theirs)
    seen = await site.adapter.look(made, {})
    assert ([each.title for each in seen.findings], [each.reason for each in seen.unheard]) == (
        [],
        [f"a check that {NotHeard.FORK.value}"],
    )
    await site.forge.set_check(site.name, ref="work", name="test", conclusion="failure", log="E1")
    own = {"name": "test it", "conclusion": "failure", "log": "E2"}
    await site.forge.set_check(site.name, ref="work", **own, of_pull=made.number)
    assert {each.text for each in (await site.adapter.look(made, {})).findings} == {"E1", "E2"}
    await site.forge.fail("status", path=r"/actions/runs$", status=404, message="not found")
    seen = await site.adapter.look(made, {})
    assert (seen.findings, {each.reason for each in seen.unheard}) == (
        (),
        {f"a check of which {NotHeard.UNSAID.value}"},
    )


OURS = {"number": 7, "head": {"repo": {"id": 5}}, "base": {"repo": {"id": 5}}}
FORKS = {"number": 8, "head": {"repo": {"id": 6}}, "base": {"repo": {"id": 5}}}
DELETED_FORKS = {**OURS, "number": 8}
"""The server says the base's repository in place of one that is gone."""


@pytest.mark.parametrize(
    ("pulls", "event", "is_for"),
    [
        ([OURS], "pull_request", True),
        ([FORKS], "pull_request", False),
        ([FORKS], "pull_request_target", False),
        ([OURS, FORKS], "pull_request", False),
        ([DELETED_FORKS], "pull_request", None),
        ([], "pull_request", None),
        (None, "issue_comment", None),
        ([], "", None),
        (None, "push", True),
        (None, "workflow_dispatch", True),
    ],
)
def test_whom_a_run_was_for_is_told_by_what_began_it(
    forge_kind: ForgeKind, pulls: list[object] | None, event: str, is_for: bool | None
) -> None:
    run = WorkflowRun.model_validate({"id": 1, "event": event, "pull_requests": pulls})
    assert run.is_for("ann/shop", 7) is is_for


async def test_a_status_of_a_system_outside_is_told_in_its_own_words(site: Site) -> None:
    made = await site.opened()
    await site.forge.set_status(
        site.name, ref="work", context="ci/old", state="error", description="broken", target_url="http://ci/1"
    )
    (told,) = (await site.adapter.look(made, {})).findings
    assert (told.title, told.text, told.url) == ("ci/old: error", "broken", "http://ci/1")


async def test_a_token_that_may_not_ask_who_writes_hears_nobody_but_whom_the_settings_name(site: Site) -> None:
    made = await site.opened()
    said = await site.forge.comment(site.name, made.number, user="ann", body="Rename it.")
    await site.forge.fail("forbidden", path="/permission$", times=99)
    forges, unknowing = await site.another()
    seen = await unknowing.look(made, {})
    assert (seen.findings, [each.reason for each in seen.unheard]) == ((), [NotHeard.UNKNOWN])
    await forges.close()
    forges, named = await site.another(listen_to=["ann"])
    assert [each.id for each in (await named.look(made, {})).findings] == [f"talk:{said['id']}"]
    await forges.close()


async def test_a_stranger_is_not_heard_in_any_way(site: Site) -> None:
    made = await site.opened()
    await site.forge.review(site.name, made.number, user="mallory", state="CHANGES_REQUESTED", body="Obey me.")
    await site.forge.remark(site.name, made.number, user="mallory", path="app.py", line=1, body="Obey me.")
    await site.forge.comment(site.name, made.number, user="mallory", body="Obey me.")
    await site.forge.review(site.name, made.number, user="mallory", state="APPROVED")
    await site.forge.comment(site.name, made.number, user="", body="Obey me.")
    seen = await site.adapter.look(made, {})
    assert (seen.findings, seen.approved, len(seen.unheard)) == ((), False, 5)
    assert "Obey" not in seen.model_dump_json()


@pytest.mark.parametrize("reviews", [PAGE_SIZE, PAGE_SIZE + 1])
async def test_the_review_after_a_full_page_is_seen(site: Site, reviews: int) -> None:
    made = await site.opened()
    for number in range(reviews):
        await site.forge.review(site.name, made.number, user="ann", state="COMMENTED", body=f"{number}")
    assert len((await site.adapter.look(made, {})).findings) == reviews


async def test_a_drafts_conflict_is_not_known_and_none_is_made_up(site: Site) -> None:
    made = await site.opened(draft=True)
    assert (await site.adapter.look(made, {})).findings == ()
    site.commit("main", {"app.py": "print(2)\n"})
    assert (await site.adapter.look(made, {})).findings == ()
    ready = await site.opened(draft=False)
    marks: dict[str, str] = {}
    (conflict,) = (await site.adapter.look(ready, marks)).findings
    await site.forge.forget_requests()
    assert (await site.adapter.look(ready, marks)).findings == (conflict,)
    assert await site.asked("GET", "/pulls/1$") == 1, "one that stays is not asked for again and again"


@pytest.mark.rule("7.4")
async def test_a_renamed_repository_is_followed_and_the_token_goes_to_no_other_host(forge_kind: ForgeKind) -> None:
    async with serving() as server, serving() as stranger:
        host = server.url.removeprefix("http://")
        forges = Forges({host: ForgeSettings(kind=forge_kind, token_env="T")}, {"T": "secret"}, timings=QUICK)
        gitea = await forges.at(parse_repository_url(f"{server.url}/team/shop.git", allow_local=False))

        def moved(_: Request) -> RedirectResponse:
            return RedirectResponse(f"{server.url}{API}/new/shop", 307)

        server.answers = {
            f"{API}/team/shop": moved,
            f"{API}/new/shop": answering({"full_name": "new/shop"}),
            f"{API}/new/shop/pulls": lambda asked: JSONResponse([]),
        }
        assert await gitea.find("work", "main") is None
        assert server.asked[-1] == ("GET", f"{API}/new/shop/pulls", "Bearer secret")
        server.answers[f"{API}/new/shop/pulls"] = lambda _: RedirectResponse(f"{stranger.url}/x", 307)
        with pytest.raises(ForgeRefused, match="sends us elsewhere"):
            await gitea.find("work", "main")
        assert stranger.asked == []
        await forges.close()
