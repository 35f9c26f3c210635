"""A finished pull request is brought up to date where nothing but that is missing (rule 7.5), at each forge."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from daemon.forges.blocks import Block
from daemon.forges.forge_settings import ForgeKind
from daemon.git.git import Git
from daemon.git.repositories import Repositories
from daemon.git.updates import MOST_UPDATES
from daemon.pull_requests.shepherding import PullRequestShepherd
from domain.pull_request import PullRequest, PullRequestState, Sighting, Watch
from tests.fixtures_forges import KINDS, Site, run_git

pytestmark = pytest.mark.rule("7.5")
TELLING = [ForgeKind.GITHUB, ForgeKind.GITLAB]
"""Those that tell that it is behind."""


class Looks:
    """Those of a daemon whose machine may push there, at a directive's finished pull request."""

    def __init__(self, site: Site, repositories: Repositories) -> None:
        self._site = site
        self._shepherd = PullRequestShepherd("me", repositories, site.forges)

    async def look(self, made: PullRequest, *, pushed: str = "", **fields: object) -> Sighting | None:
        watch = Watch(
            owner="me", directive=uuid4(), repository=self._site.repository.clone_url, pull_request=made,
            pushed=(pushed or made.head,), complete=True, picture="another",
        )  # fmt: skip
        return await self._shepherd.look(watch.model_copy(update=fields))


@pytest_asyncio.fixture
async def looks(tmp_path: Path, site: Site) -> Looks:
    url = site.forge.url_with(site.name).removesuffix(f"{site.name}.git")
    (tmp_path / ".gitconfig").write_text(f'[url "{url}"]\n\tinsteadOf = {site.forge.url}/\n')
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    own = Git(tmp_path / "daemon", environ, allow_local=False)
    await own.prepare()
    return Looks(site, Repositories(own, tmp_path / "daemon" / "caches"))


def head(site: Site, branch: str = "work") -> str:
    return run_git(site.repository.path, "rev-parse", f"refs/heads/{branch}")


async def behind(site: Site, policy: str = "") -> PullRequest:
    """An open one, whose base branch has gone on and takes only what is up to date."""
    await site.forge.change_repository(site.name, up_to_date=True)
    made = await site.opened()
    site.commit("main", {"other.py": "1\n", ".makima.toml": policy})
    return made


@pytest.mark.shows("brought up to date, where that alone is missing")
@pytest.mark.parametrize("forge_kind", KINDS)
async def test_what_is_only_behind_is_brought_up_to_date_by_a_merge(site: Site, looks: Looks) -> None:
    made = await behind(site)
    await looks.look(made)
    now = head(site)
    parents = run_git(site.repository.path, "show", "--no-patch", "--format=%P", now).split()
    assert parents == [made.head, head(site, "main")]
    assert set(run_git(site.repository.path, "ls-tree", "--name-only", now).split()) == {
        ".makima.toml", "README", "app.py", "other.py"
    }  # fmt: skip
    seen = await looks.look(made)
    assert seen and seen.pull_request.head == now and seen.blocked == ()
    assert head(site) == now


@pytest.mark.parametrize("forge_kind", TELLING)
async def test_it_is_brought_up_to_date_again_only_after_a_while(site: Site, looks: Looks) -> None:
    made = await behind(site)
    await looks.look(made)
    first = head(site)
    site.commit("main", {"third.py": "1\n"})
    now = made.model_copy(update={"head": first})
    seen = await looks.look(now, pushed=made.head)
    assert head(site) == first and seen and seen.blocked == (Block.BEHIND,), "the newest update is too young"
    await looks.look(now, pushed=made.head, at_most=timedelta(0))
    assert run_git(site.repository.path, "show", "--no-patch", "--format=%P", head(site)).split()[0] == first


@pytest.mark.parametrize("forge_kind", TELLING)
@pytest.mark.parametrize("before", [MOST_UPDATES - 1, MOST_UPDATES])
async def test_it_is_brought_up_to_date_so_often_and_no_more(site: Site, looks: Looks, before: int) -> None:
    made, folder = await behind(site), site.repository.path
    for number in range(before):
        tree = run_git(folder, "merge-tree", "--write-tree", "work", "main")
        update = run_git(folder, "commit-tree", tree, "-p", "work", "-p", "main", "-m", "Bring up to date with main")
        run_git(folder, "update-ref", "refs/heads/work", update)
        site.commit("main", {"other.py": f"{number + 2}\n"})
    newest = head(site)
    seen = await looks.look(made.model_copy(update={"head": newest}), pushed=made.head, at_most=timedelta(0))
    assert seen and seen.blocked == (Block.BEHIND,)
    assert (head(site) == newest) is (before == MOST_UPDATES)


@pytest.mark.parametrize("forge_kind", TELLING)
@pytest.mark.parametrize("fields", [{"complete": False}, {"pushed": "f" * 40}], ids=["unfinished", "another's head"])
async def test_what_is_not_finished_and_what_people_have_pushed_is_left(
    site: Site, looks: Looks, fields: dict[str, str]
) -> None:
    made = await behind(site)
    await looks.look(made, **fields)
    assert head(site) == made.head


@pytest.mark.parametrize("forge_kind", TELLING)
async def test_a_merge_that_holds_anything_of_its_own_is_somebody_elses(site: Site, looks: Looks) -> None:
    made = await behind(site)
    main = head(site, "main")
    evil = site.commit("evil", {"app.py": "print(1)\n", "other.py": "1\n", "evil.py": "1\n"}, parent=made.head)
    tree = run_git(site.repository.path, "rev-parse", f"{evil}^{{tree}}")
    merge = run_git(site.repository.path, "commit-tree", tree, "-p", made.head, "-p", main, "-m", "Bring up to date")
    run_git(site.repository.path, "update-ref", "refs/heads/work", merge)
    site.commit("main", {"third.py": "1\n"})
    await looks.look(made.model_copy(update={"head": merge}), pushed=made.head, at_most=timedelta(0))
    assert head(site) == merge


@pytest.mark.parametrize("forge_kind", TELLING)
async def test_nothing_is_brought_up_to_date_that_something_else_holds_up(site: Site, looks: Looks) -> None:
    made = await behind(site)
    await site.forge.change_repository(site.name, approvals_required=1)
    await looks.look(made)
    assert head(site) == made.head


@pytest.mark.parametrize("forge_kind", [ForgeKind.GITHUB])
async def test_nothing_is_pushed_to_what_waits_in_the_merge_queue(site: Site, looks: Looks) -> None:
    made = await behind(site)
    await site.forge.change_repository(site.name, queue_of=["main"])
    await site.forge.queue(site.name, made.number, "enter")
    seen = await looks.look(made)
    assert head(site) == made.head
    assert seen and seen.blocked == (Block.QUEUED,)
    await site.forge.queue(site.name, made.number, "leave")
    await looks.look(made)
    assert head(site) != made.head


@pytest.mark.parametrize("forge_kind", TELLING)
async def test_a_repository_may_say_no_on_its_base_branch_alone(site: Site, looks: Looks) -> None:
    made = await behind(site, "[pull_request]\nupdate = false\n")
    await looks.look(made)
    assert head(site) == made.head


@pytest.mark.parametrize("forge_kind", TELLING)
async def test_a_refused_push_is_told_among_what_blocks(site: Site, looks: Looks) -> None:
    made = await behind(site)
    hook = site.repository.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'commits must be signed' >&2\nexit 1\n")
    hook.chmod(0o755)
    seen = await looks.look(made)
    hook.unlink()
    assert seen and seen.blocked[-1] == Block.BEHIND
    assert seen.blocked[0].startswith("it is not brought up to date: ") and "refuses" in seen.blocked[0]


@pytest.mark.parametrize("forge_kind", TELLING)
async def test_what_is_to_be_merged_by_itself_is_so_after_an_update_too(site: Site, looks: Looks) -> None:
    made = await behind(site, '[pull_request]\nauto_merge = "squash"\n')
    await site.forge.change_repository(site.name, required_checks=["ci"])
    await site.forge.set_status(site.name, ref="work", context="ci", state="success")
    await looks.look(made)
    now = made.model_copy(update={"head": head(site)})
    assert now.head != made.head
    await site.forge.set_status(site.name, ref="work", context="ci", state="pending")
    await looks.look(now, pushed=made.head)
    await site.forge.set_status(site.name, ref="work", context="ci", state="success")
    assert (await site.adapter.read(now)).state is PullRequestState.MERGED
