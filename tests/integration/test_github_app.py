"""The token of a GitHub App's installation (rule 7.4): who it says we are, and what it may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from daemon.forges.audience import NotHeard
from daemon.forges.labelled_issues import LabelledIssues
from domain.errors import ForgeRefused
from domain.intake.progress import progress_mark
from domain.opening_choice import MergeMethod
from domain.opening_policy import OpeningPolicy
from domain.pull_request import PullRequest, Reply
from tests.fixtures_forges import APP, APP_PERMISSIONS, Site, TokenKind, any_token
from tests.forge import Person

pytestmark = pytest.mark.rule("7.4")
REFUSED = "Resource not accessible by integration"
BODY = f"{progress_mark(UUID(int=1))} working"


@pytest.fixture
def token_kind() -> TokenKind:
    return TokenKind.INSTALLATION


@pytest_asyncio.fixture
async def app(site: Site) -> AsyncIterator[Site]:
    """Its token may be changed: another app of the same login has it afterwards."""
    yield site
    await site.forge.add_token(site.token, APP, permissions=APP_PERMISSIONS)


async def lacking(site: Site, **permissions: str) -> None:
    """The app's installation has no more than these."""
    await site.forge.add_token(site.token, APP, permissions=permissions)


async def test_the_fake_answers_an_app_as_github_does(site: Site) -> None:
    async with site.forge.rest(site.token) as client:
        refused = await client.get("/user")
        assert (refused.status_code, refused.json()["message"], refused.json()["status"]) == (403, REFUSED, "403")
        assert "x-oauth-scopes" not in refused.headers
        viewer = await client.post(f"{site.forge.url}/api/graphql", json={"query": "{viewer{login}}"})
        assert viewer.json() == {"data": {"viewer": {"login": APP}}}
        made = (await client.post(f"/repos/{site.name}/issues/1/comments", json={"body": "x"})).status_code
        assert made == 404, "there is none yet"
        number = (await site.opened()).number
        said = (await client.post(f"/repos/{site.name}/issues/{number}/comments", json={"body": "Mine."})).json()
        assert (said["user"]["login"], said["user"]["type"]) == (APP, "Bot")
        assert said["user"]["html_url"].endswith("/apps/makima-app")
        opened = (await client.get(f"/repos/{site.name}/pulls/{number}")).json()["user"]
        assert opened == said["user"], "the same account everywhere"
        unknown = await client.get(f"/repos/{site.name}/collaborators/{APP}/permission")
        assert (unknown.status_code, unknown.json()["message"]) == (404, f"{APP} is not a user")
        asked = (
            f'{{repository(owner:"acme",name:"{site.name.partition("/")[2]}")'
            f"{{pullRequest(number:{number}){{author{{__typename login}}}}}}}}"
        )
        told = (await client.post(f"{site.forge.url}/api/graphql", json={"query": asked})).json()
        author = told["data"]["repository"]["pullRequest"]["author"]
        assert author == {"__typename": "Bot", "login": "makima-app"}, "GraphQL names an app without what REST adds"


async def test_it_knows_its_login_by_one_question(site: Site) -> None:
    issues = [await site.forge.open_issue(site.name, user="ann", title="Prices") for _ in range(2)]
    await site.forge.forget_requests()
    for each in issues:
        assert await (await site.adapter.issues()).tell(each["number"], BODY) is not None
    assert len(await site.forge.requests(path="/user$")) == 1
    assert len(await site.forge.requests(path="graphql$")) == 1


async def test_where_graphql_refuses_too_it_is_nobody_and_writes_no_comment_twice(site: Site) -> None:
    number = (await site.forge.open_issue(site.name, user="ann", title="Prices"))["number"]
    await site.forge.fail("graphql_error", path="graphql$", message=REFUSED)
    assert await (await site.adapter.issues()).tell(number, BODY) is None


async def test_what_lacks_a_permission_is_refused_with_its_name(app: Site) -> None:
    made = await app.opened()
    await lacking(app, contents="write", pull_requests="read")
    with pytest.raises(ForgeRefused, match=rf"{REFUSED}\): give the app .* the permission pull_requests=write"):
        await app.opened(title="another")
    with pytest.raises(ForgeRefused, match=REFUSED):
        await app.opened(draft=True, title="Add login")
    await lacking(app, pull_requests="read")
    with pytest.raises(ForgeRefused, match=r"the permission contents=read"):
        await app.adapter.look(made, {})
    assert (await app.adapter.read(made)).number == made.number


async def test_what_it_may_not_see_of_checks_is_done_without_or_named(app: Site) -> None:
    made = await app.opened()
    await app.forge.set_check(app.name, ref="work", name="test", conclusion="failure", log="1 failed")
    await app.forge.set_status(app.name, ref="work", context="ci", state="failure")
    await app.forge.comment(app.name, made.number, user="ann", body="Rename it.")
    assert len((await app.adapter.look(made, {})).findings) == 3
    await lacking(app, contents="read", pull_requests="read", checks="read", statuses="read")
    seen = await app.adapter.look(made, {})
    assert len(seen.findings) == 2 and seen.unheard[0].id.startswith("check:"), "Actions doesn't say for whom it ran"
    for needed in ("actions", "statuses"):
        others = {name: "read" for name in ("actions", "statuses") if name != needed}
        await lacking(app, contents="read", pull_requests="read", **others)
        with pytest.raises(ForgeRefused, match=rf"give the app .* the permission {needed}=read"):
            await app.adapter.look(made, {})


async def test_it_pushes_by_its_name_if_it_may_write_contents(app: Site, tmp_path: Path) -> None:
    bot = Person(tmp_path / "bot", app.forge.url_with(app.name, app.token))
    await bot.commit("pushed", {"new.py": "1\n"}, onto="main")
    assert (await app.forge.requests(path=f"{app.name}.git/git-receive-pack$"))[-1].login == APP
    await lacking(app, contents="read", pull_requests="write")
    code, _, errors = await bot.try_git("push", "origin", "HEAD:refs/heads/another")
    assert code != 0 and f"denied to {APP}" in errors


@any_token
async def test_a_label_that_we_have_set_counts_for_a_person_and_for_an_app_that_is_named(site: Site) -> None:
    number = (await site.forge.open_issue(site.name, user="ann", title="Prices"))["number"]
    await site.forge.change_issue(site.name, number, user=site.me, label="makima")
    forges, named = await site.another(bots=[APP])
    taken, left, _ = await LabelledIssues("makima", lambda _: "").look(await site.adapter.issues(), ())
    by_name, _, _ = await LabelledIssues("makima", lambda _: "").look(await named.issues(), ())
    await forges.close()
    is_app = site.me == APP
    assert [each.number for each in taken] == ([] if is_app else [number])
    assert [each.why for each in left] == ([f"labelled by {APP}: {NotHeard.BOT}"] if is_app else [])
    assert [each.number for each in by_name] == [number]


@any_token
async def test_what_it_begins_with_is_given_to_what_we_have_opened_alone(site: Site) -> None:
    await site.forge.change_repository(site.name, labels=["bot"])
    made = await site.opened()
    assert await site.adapter.furnish(made, OpeningPolicy(labels=("bot",))) == ()
    async with site.forge.rest() as client:
        path = f"/repos/{site.name}/pulls/{made.number}"
        assert [each["name"] for each in (await client.get(path)).json()["labels"]] == ["bot"]
        site.commit("theirs", {"app.py": "2\n"}, parent="main")
        await site.forge.add_token("token-of-ann", "ann")
    async with site.forge.rest("token-of-ann") as client:
        fields = {"title": "Mine", "head": "theirs", "base": "main"}
        number = (await client.post(f"/repos/{site.name}/pulls", json=fields)).json()["number"]
        theirs = PullRequest(branch="theirs", head="", base="main", number=number)
        assert await site.adapter.furnish(theirs, OpeningPolicy(labels=("bot",))) == ()
        assert (await client.get(f"/repos/{site.name}/pulls/{number}")).json()["labels"] == []
        head = (await site.adapter.read(theirs)).head
        said = await site.adapter.merge_when_ready(theirs.model_copy(update={"head": head}), MergeMethod.SQUASH)
        assert said == "somebody else has opened the pull request"


async def test_a_token_of_another_account_that_was_put_into_its_place_makes_us_that_account(
    site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(site.token)
    forges, github = await site.another(token_env="", token_file=file)
    made = await site.opened()
    await site.forge.comment(site.name, made.number, user="makima", body="Rename it.")
    assert len((await github.look(made, {})).findings) == 1
    await site.forge.fail("bad_credentials", method="GET", path=site.name)
    file.write_text(site.forge.token)
    assert [each.id for each in (await github.look(made, {})).findings] == []
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await github.reply(made, Reply(comment=f"talk:{talk['id']}", text="So."))
    await github.reply(made, Reply(comment=f"talk:{talk['id']}", text="So."))
    async with site.forge.rest() as client:
        below = (await client.get(f"/repos/{site.name}/issues/{made.number}/comments")).json()
    assert [each["user"]["login"] for each in below] == ["makima", "ann", "makima"]
    await forges.close()
