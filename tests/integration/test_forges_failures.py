"""A forge that fails, waits or refuses (rules 7.3, 7.4): every failure that the fake forge can be ordered to have."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from daemon.forges.forge_settings import ForgeKind
from daemon.forges.port import Forge
from domain.errors import ForgeRefused, ForgeUnreachable
from domain.pull_request import PullRequest, Reply
from tests.fixtures_forges import KINDS, QUICK, Site, wanted

pytestmark = [pytest.mark.rule("7.4"), pytest.mark.parametrize("forge_kind", KINDS)]


@pytest_asyncio.fixture
async def impatient(site: Site) -> AsyncIterator[Forge]:
    """An adapter that soon gives up, for failures that do not pass."""
    forges, adapter = await site.another(replace(QUICK, at_most=3))
    yield adapter
    await forges.close()


@pytest.mark.shows("401, 403, 404 say what to do")
async def test_a_wrong_token_is_refused_with_the_place_where_a_right_one_belongs(site: Site) -> None:
    await site.forge.fail("bad_credentials", path=site.name)
    with pytest.raises(ForgeRefused, match=r"401: [^)]+\): put a valid token into \$FORGE_TOKEN"):
        await site.opened()


async def test_a_missing_scope_is_named(site: Site) -> None:
    await site.opened()
    await site.forge.fail("forbidden", method="PATCH", path=site.name, scope="public_repo")
    with pytest.raises(ForgeRefused, match=r"give the token from \$FORGE_TOKEN the scope public_repo .it has: none"):
        await site.opened(title="another")


async def test_a_repository_that_the_token_may_not_see_is_refused(site: Site) -> None:
    await site.forge.fail("status", path=f"{site.name}$", status=404, message="Not Found")
    with pytest.raises(ForgeRefused, match=r"404: Not Found\): it isn't there, or the token from .* needs"):
        await site.adapter.find("work", "main")


async def test_what_the_forge_finds_invalid_is_refused_in_its_own_words(site: Site) -> None:
    await site.forge.fail("invalid", method="POST", message="body is too long")
    with pytest.raises(ForgeRefused, match=r"422.*body is too long"):
        await site.opened()
    assert await site.asked("POST", "/pulls$") == 1, "it is no use to ask again"


async def test_where_a_pull_request_is_said_to_exist_already_it_is_looked_for(site: Site) -> None:
    await site.forge.fail("invalid", method="POST", message="A pull request already exists for acme:work.")
    assert (await site.opened()).number == 1


async def test_where_there_are_no_drafts_it_is_opened_without(site: Site) -> None:
    for path in ("pulls$", "graphql$"):
        await site.forge.fail("invalid", path=path, method="POST", message="Draft pull requests are not supported.")
    made = await site.opened(draft=True)
    assert made.state == "open"


@pytest.mark.shows("limits are waited for")
@pytest.mark.parametrize("kind", ["rate_limit", "secondary_rate_limit", "too_many_requests"])
async def test_a_short_limit_is_waited_for(site: Site, kind: str) -> None:
    await site.forge.fail(kind, method="GET", path=site.name, seconds=1)
    began = datetime.now(UTC)
    assert await site.adapter.find("work", "main") is None
    assert timedelta(seconds=0.4) < datetime.now(UTC) - began  # the reset is told in whole seconds


@pytest.mark.parametrize("kind", ["rate_limit", "secondary_rate_limit", "too_many_requests"])
async def test_a_long_limit_is_told_with_its_end_and_nothing_is_asked_meanwhile(site: Site, kind: str) -> None:
    await site.forge.fail(kind, method="GET", path=site.name, seconds=600, times=99)
    with pytest.raises(ForgeUnreachable, match="rate limit") as caught:
        await site.adapter.find("work", "main")
    assert caught.value.until is not None
    assert abs(caught.value.until - datetime.now(UTC) - timedelta(seconds=600)) < timedelta(seconds=5)
    assert await site.asked() == 1


@pytest.mark.parametrize(("kind", "method"), [("server_error", ".*"), ("silent", "GET"), ("server_error", "POST")])
async def test_a_passing_failure_is_not_noticed(site: Site, kind: str, method: str) -> None:
    await site.forge.fail(kind, method=method, path=site.name, times=2 if kind == "server_error" else 1)
    assert (await site.opened()).number == 1
    assert await _count(site) == 1


@pytest.mark.shows("an answer that is lost makes no second pull request")
@pytest.mark.parametrize("kind", ["acted_then_silent", "acted_then_cut"])
@pytest.mark.rule("7.3")
async def test_a_pull_request_whose_answer_was_lost_is_not_made_twice(site: Site, kind: str) -> None:
    await site.forge.fail(kind, method="POST", path=f"{site.name}/pulls$")
    assert (await site.opened()).number == 1
    assert (await _count(site), await site.asked("POST", "/pulls$")) == (1, 1)


@pytest.mark.parametrize("kind", ["acted_then_silent", "acted_then_cut"])
async def test_an_update_and_a_change_of_draft_whose_answers_were_lost_are_made(site: Site, kind: str) -> None:
    await site.opened()
    await site.forge.fail(kind, method="PATCH", path=site.name)
    await site.forge.fail(kind, method="POST", path="graphql")
    made = await site.opened(title="another", draft=True)
    assert made.state == "draft"


@pytest.mark.shows("an answer that is lost makes no second reply")
@pytest.mark.parametrize("kind", ["acted_then_silent", "acted_then_cut"])
@pytest.mark.rule("7.5")
async def test_a_reply_whose_answer_was_lost_is_not_posted_twice(site: Site, kind: str) -> None:
    made = await site.opened()
    remark = await site.forge.remark(site.name, made.number, user="ann", path="app.py", line=1, body="Rename it.")
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    for finding in (f"comment:{remark['id']}", f"talk:{talk['id']}"):
        await site.forge.fail(kind, method="POST", path=site.name)
        await site.adapter.reply(made, Reply(comment=finding, text="Done."))
    assert await site.asked("POST", r"(pulls|issues)/1/comments(/\d+/replies)?$") == 2


async def test_a_forge_that_stays_broken_is_unreachable_and_says_no_secret(
    site: Site, impatient: Forge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await site.opened()
    for kind in ("silent", "acted_then_cut", "bad_credentials", "forbidden"):
        await site.forge.fail(kind, path=site.name, times=999)
        with pytest.raises((ForgeUnreachable, ForgeRefused)) as caught:
            await impatient.open_or_update(wanted(title=kind), "work", "main")
        told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert site.forge.token not in told + repr(caught.value) + caplog.text, kind
        assert str(caught.value).count("\n") == 0
        if isinstance(caught.value, ForgeUnreachable):
            assert caught.value.until is not None
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
        await site.forge.clear_failures()


async def test_a_forge_that_is_down_is_unreachable_and_forgotten_once_it_is_up(site: Site, impatient: Forge) -> None:
    made = await site.opened()
    await site.forge.kill()
    with pytest.raises(ForgeUnreachable, match="does not answer"):
        await impatient.read(made)
    await site.forge.restart()
    assert await impatient.read(made) == made


@pytest.mark.rule("7.5")
async def test_a_failure_within_a_look_tells_nothing_half(site: Site, impatient: Forge) -> None:
    made = await site.opened()
    await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    marks: dict[str, str] = {}
    await site.forge.fail("server_error", path=f"issues/{made.number}/comments", times=99)
    with pytest.raises(ForgeUnreachable):
        await impatient.look(made, marks)
    await site.forge.clear_failures()
    assert len((await impatient.look(made, marks)).findings) == 1


@pytest.mark.rule("7.5")
async def test_a_log_that_may_not_be_read_is_done_without(site: Site) -> None:
    made = await site.opened()
    await site.forge.set_check(site.name, ref="work", name="test", conclusion="failure", summary="1 failed", log="long")
    await site.forge.fail("forbidden", path="actions/jobs")
    (found,) = (await site.adapter.look(made, {})).findings
    summary = "1 failed" if site.kind is ForgeKind.GITHUB else ""  # a job has none elsewhere
    assert (found.title, found.text) == ("test: failure", summary)


async def _count(site: Site) -> int:
    async with site.forge.rest() as client:
        return len((await client.get(f"/repos/{site.name}/pulls?state=all")).json())


async def test_without_a_token_that_the_settings_promise_a_person_is_told(site: Site) -> None:
    forges, github = await site.another(token_env="NOT_SET")
    with pytest.raises(ForgeRefused, match=r"\$NOT_SET holds no token"):
        await github.read(PullRequest(branch="work", head="", base="main", number=1))
    await forges.close()
