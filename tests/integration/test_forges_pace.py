"""What a token does is counted by its forge whatever repository it is for: a daemon has one pace for all (rule 7.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from daemon.forges.forge_settings import ForgeSettings, api_of
from daemon.forges.port import Forge
from daemon.forges.registry import Forges
from domain.errors import ForgeUnreachable
from domain.pull_request import Reply
from domain.repository_url import parse_repository_url
from tests.fixtures_forges import KINDS, QUICK, TOKEN_VARIABLE, Site, open_adapter, wanted
from tests.forge import ForgeRepository

pytestmark = [pytest.mark.rule("7.4"), pytest.mark.parametrize("forge_kind", KINDS)]


@pytest_asyncio.fixture
async def second(site: Site) -> ForgeRepository:
    """Another repository at the same forge, with the same branches."""
    return await site.forge.make_repository("acme", f"{site.repository.path.stem}-two", source=site.repository.path)


@pytest_asyncio.fixture
async def forges(site: Site) -> AsyncIterator[Forges]:
    """Of one daemon; the forge is named by its host, and by an alias as ssh may have one."""
    host = site.forge.url.removeprefix("http://")
    settings = ForgeSettings(kind=site.kind, token_env=TOKEN_VARIABLE)
    alias = settings.model_copy(update={"api": api_of(host, settings, site.kind)})
    timings = replace(QUICK, write=1, at_most=30, answer=10)
    made = Forges({host: settings, "alias": alias}, {TOKEN_VARIABLE: site.forge.token}, timings=timings)
    yield made
    await made.close()


async def at(forges: Forges, url: str) -> Forge:
    return await forges.at(parse_repository_url(url, allow_local=False))


@pytest.mark.shows("changes of all repositories wait for each other")
async def test_two_repositories_of_a_token_write_one_after_the_other(
    site: Site, second: ForgeRepository, forges: Forges
) -> None:
    both = [await at(forges, each) for each in (site.repository.clone_url, f"git@alias:{second.full_name}.git")]
    made = [await each.open_or_update(wanted(), "work", "main") for each in both]
    assert [each.number for each in made] == [1, 1]
    talk = [
        await site.forge.comment(name, 1, user="ann", body="Why?")
        for name in (site.name, second.full_name)
        for _ in range(2)
    ]
    replies = [Reply(comment=f"talk:{each['id']}", text="So.") for each in talk]
    began = time.monotonic()
    given = zip((both[0], both[0], both[1], both[1]), replies, strict=True)
    await asyncio.gather(*(adapter.reply(made[0], reply) for adapter, reply in given))
    assert time.monotonic() - began >= 3, "four changes, a second between each two"


@pytest.mark.shows("a limit that one repository meets holds for all of the token")
@pytest.mark.parametrize("kind", ["secondary_rate_limit", "too_many_requests"])
async def test_nobody_asks_while_the_forge_wants_that_token_to_wait_and_another_token_does(
    site: Site, second: ForgeRepository, forges: Forges, kind: str
) -> None:
    one, two = [await at(forges, each.clone_url) for each in (site.repository, second)]
    await two.find("work", "main")
    await site.forge.fail(kind, method="POST", path=site.name, seconds=600)
    with pytest.raises(ForgeUnreachable):
        await one.open_or_update(wanted(), "work", "main")
    await site.forge.forget_requests()
    for each in (two.find("work", "main"), two.open_or_update(wanted(), "work", "main"), one.find("work", "main")):
        with pytest.raises(ForgeUnreachable, match="rate limit") as caught:
            await each
        assert caught.value.until is not None
        assert abs(caught.value.until - datetime.now(UTC) - timedelta(seconds=600)) < timedelta(seconds=60)
    assert await site.forge.requests(path="acme/") == []
    await site.forge.add_token("token-of-another", "another")
    others, other = await open_adapter(site.forge, second, [], token="token-of-another", kind=site.kind)
    assert await other.find("work", "main") is None
    await others.close()


async def test_once_the_time_is_over_all_of_them_go_on(site: Site, second: ForgeRepository, forges: Forges) -> None:
    one, two = [await at(forges, each.clone_url) for each in (site.repository, second)]
    await site.forge.fail("secondary_rate_limit", method="GET", path=site.name, seconds=2)
    found = await asyncio.gather(one.find("work", "main"), two.find("work", "main"))
    assert list(found) == [None, None] and await site.forge.pending_failures() == []


async def test_what_is_used_up_of_graphql_stops_nothing_else(
    site: Site, second: ForgeRepository, forges: Forges
) -> None:
    one, two = [await at(forges, each.clone_url) for each in (site.repository, second)]
    made = [await each.open_or_update(wanted(), "work", "main") for each in (one, two)]
    await site.forge.fail("rate_limit", path="graphql$", seconds=600)
    with pytest.raises(ForgeUnreachable):
        await one.open_or_update(wanted(draft=True), "work", "main", made[0])
    await site.forge.forget_requests()
    with pytest.raises(ForgeUnreachable):
        await two.open_or_update(wanted(draft=True), "work", "main", made[1])
    assert await site.forge.requests(path="graphql$") == []
    assert (await two.read(made[1])).number == 1
