"""A token that ends while it is used, such as an app's after an hour (rule 7.4): the next one in its file is used."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from daemon.forges.forge_settings import ForgeKind, ForgeSettings, credential_helpers
from daemon.forges.port import Forge
from daemon.forges.registry import Forges
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from domain.errors import RepositoryError
from domain.pull_request import Reply
from domain.repository_url import parse_repository_url
from tests.fixtures_forges import KINDS, Site, wanted

pytestmark = [pytest.mark.rule("7.4"), pytest.mark.parametrize("forge_kind", KINDS)]
TALK = {
    ForgeKind.GITHUB: "/issues/1/comments$",
    ForgeKind.GITLAB: "/merge_requests/1/discussions$",
    ForgeKind.GITEA: "/issues/1/comments$",
}


@dataclass
class Hourly:
    """A file that holds one token after the other, each of the account `makima`."""

    site: Site
    file: Path
    known: list[str] = field(default_factory=list)

    async def next(self, *, ends: bool = True) -> None:
        """The next one lies in the file, and the one that is known ends now, or soon."""
        token = f"hourly-{len(self.known)}-of-{self.site.repository.path.stem}"
        await self.site.forge.add_token(token, "makima")
        self.file.write_text(f"{token}\n")
        self.known.append(token)
        if ends:
            await self.end()

    async def end(self, left: int = 1) -> None:
        """All but the newest end."""
        for each in self.known[: len(self.known) - left]:
            await self.site.forge.remove_token(each)


@pytest_asyncio.fixture
async def hourly(site: Site, tmp_path: Path) -> AsyncIterator[Hourly]:
    made = Hourly(site, tmp_path / "a token")
    await made.next()
    yield made
    await made.end(0)


@pytest_asyncio.fixture
async def forges(site: Site, hourly: Hourly) -> AsyncIterator[Forges]:
    made, _ = await site.another(token_env="", token_file=hourly.file)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def adapter(site: Site, forges: Forges) -> Forge:
    return await forges.at(parse_repository_url(site.repository.clone_url, allow_local=False))


@pytest.mark.shows("a token that ends meanwhile is followed by the next one in its file")
async def test_in_the_midst_of_a_look_the_next_token_is_used(site: Site, adapter: Forge, hourly: Hourly) -> None:
    made = await adapter.open_or_update(wanted(), "work", "main")
    await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    await site.forge.set_status(site.name, ref="work", context="ci", state="failure")
    before = (await adapter.look(made, {})).findings
    assert len(before) == 2
    await hourly.next(ends=False)
    await site.forge.fail("bad_credentials", method="GET", path=TALK[site.kind])
    assert (await adapter.look(made, {})).findings == before
    assert await site.forge.pending_failures() == []
    for _ in range(2):
        await hourly.end()
        assert (await adapter.look(made, {})).findings == before
        await hourly.next(ends=False)


async def test_a_change_is_made_once_by_the_next_token(site: Site, adapter: Forge, hourly: Hourly) -> None:
    made = await adapter.open_or_update(wanted(), "work", "main")
    talk = await site.forge.comment(site.name, made.number, user="ann", body="Why?")
    reply = Reply(comment=f"talk:{talk['id']}", text="So.")
    await hourly.next(ends=False)
    await site.forge.fail("bad_credentials", method="POST", path=site.name)
    await adapter.reply(made, reply)
    assert await site.forge.pending_failures() == []
    await hourly.end()
    await adapter.reply(made, reply)
    await hourly.next(ends=False)
    await site.forge.fail("bad_credentials", method="PATCH|PUT", path=site.name)
    await adapter.open_or_update(wanted(title="Another"), "work", "main", made)
    await hourly.end()
    assert (await adapter.read(made)).number == made.number
    async with site.forge.rest() as client:
        below = (await client.get(f"/repos/{site.name}/issues/{made.number}/comments")).json()
        assert (await client.get(f"/repos/{site.name}/pulls/{made.number}")).json()["title"] == "Another"
    assert len(below) == 2


async def test_of_many_that_were_refused_at_once_each_goes_on_with_the_next_token(
    site: Site, forges: Forges, hourly: Hourly
) -> None:
    name = f"{site.repository.path.stem}-two"
    second = await site.forge.make_repository("acme", name, source=site.repository.path)
    urls = [each.clone_url for each in (site.repository, second)]
    both = [await forges.at(parse_repository_url(each, allow_local=False)) for each in urls]
    for each in both:
        await each.find("work", "main")
    for _ in range(3):
        await hourly.next()
        found = await asyncio.gather(*(each.find("work", "main") for _ in range(8) for each in both))
        assert found == [None] * 16


@pytest.mark.rule("6.2")
async def test_git_pushes_with_the_token_that_lies_there_when_its_own_is_refused(
    site: Site, hourly: Hourly, tmp_path: Path
) -> None:
    await site.forge.change_repository(site.name, private=True)
    settings = ForgeSettings(kind=site.kind, token_file=hourly.file)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    helpers = credential_helpers({site.forge.url.removeprefix("http://"): settings}, has_gh=False)
    git = Git(tmp_path / "daemon", environ, allow_local=False, helpers=helpers)
    await git.prepare()
    cache = await Repositories(git, tmp_path / "caches").at(site.repository.clone_url)
    base = await cache.prepare("main")
    await hourly.next()
    await cache.remote("push", site.repository.clone_url, f"{base}:refs/heads/after", timeout=60)
    for place in ("info/refs", "git-receive-pack"):
        times = 2 if place == "info/refs" else 1  # git asks there without any token first
        await site.forge.fail("status", status=401, message="no", path=f"{place}$", times=times)
        await cache.remote("push", site.repository.clone_url, f"{base}:refs/heads/{place[:4]}", timeout=60)
        assert await cache.on_remote(f"refs/heads/{place[:4]}") == base
    hourly.file.write_text("of-nobody")
    with pytest.raises(RepositoryError):
        await cache.remote("push", site.repository.clone_url, f"{base}:refs/heads/never", timeout=60)
