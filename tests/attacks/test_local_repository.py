"""A repository of this machine whose own hooks and configuration would run as the daemon (issue 11, 2)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.git.git import Git
from daemon.git.local import HOOK_EVENTS, LocalRepositories
from daemon.git.pushing import lease, push
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from domain.errors import RefRefused, RepositoryError

ORDINARY = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--") if os.geteuid() == 0 else ()
"""Runs a command as a user who has none of root's rights."""
USERS = [
    pytest.param((), id="root", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")),
    pytest.param(ORDINARY, id="user"),
]


def git(folder: Path, *args: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=Mallory", "-c", "user.email=mallory@example.com")
    done = subprocess.run(["git", *who, *args], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def trapped(place: Path, sprung: Path) -> Path:
    """A bare repository with a commit, in which everything that can name code names code that leaves a line."""
    place.mkdir(parents=True)
    git(place, "init", "--bare", "--quiet", "--initial-branch=main")
    tree = git(place, "hash-object", "-t", "tree", "-w", os.devnull)
    git(place, "update-ref", "refs/heads/main", git(place, "commit-tree", tree, "-m", "first"))
    trap = place / "trap"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {sprung}\nexit 0\n')
    trap.chmod(0o755)
    elsewhere = place / "more-hooks"
    for hooks in (place / "hooks", elsewhere):
        hooks.mkdir(exist_ok=True)
        for name in HOOK_EVENTS:
            shutil.copy(trap, hooks / name)
    alternate = place.with_name(f"alternate-{uuid4().hex[:8]}.git")
    git(place.parent, "init", "--bare", "--quiet", str(alternate))
    (place / "objects" / "info" / "alternates").write_text(f"{alternate / 'objects'}\n")
    git(place, "config", "hook.a=b.command", str(trap))
    for name in HOOK_EVENTS:
        git(place, "config", "--add", "hook.a=b.event", name)
    for key in ("core.fsmonitor", "core.sshCommand", "core.alternateRefsCommand", "uploadpack.packObjectsHook"):
        git(place, "config", key, str(trap))
    git(place, "config", "core.hooksPath", str(elsewhere))
    git(place, "config", "gc.auto", "1")
    git(place, "config", "receive.autogc", "true")
    git(place, "config", "receive.denyCurrentBranch", "updateInstead")
    git(place, "config", "credential.helper", f"!{trap}")
    return place


async def cache_of(
    tmp_path: Path, url: str, local: LocalRepositories | None = None, config: str = ""
) -> RepositoryCache:
    home = tmp_path / f"home-{uuid4().hex[:8]}"
    home.mkdir()
    (home / ".gitconfig").write_text(config)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    own = Git(home / "git", environ, allow_local=True, local=local)
    await own.prepare()
    return await Repositories(own, home / "caches").at(url)


async def use(cache: RepositoryCache) -> None:
    """All that the daemon does with a remote."""
    base = await cache.prepare("main")
    await cache.ensure([base])
    ref = "refs/makima/outcomes/x/1"
    assert await push(cache, base, "refs/heads/makima/work-1", lease("refs/heads/makima/work-1", None)) is None
    assert await push(cache, base, ref, lease(ref, None)) is None
    assert await cache.on_remote(ref) == base
    assert await push(cache, "", ref, lease(ref, base)) is None


@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/", "rewritten"])
@pytest.mark.rule("6.13")
async def test_nothing_that_a_local_repository_names_runs_when_the_daemon_works_with_it(
    tmp_path: Path, form: str
) -> None:
    sprung = tmp_path / "sprung"
    place = trapped(tmp_path / "srv" / "repo.git", sprung)
    rewritten = f'[url "{place}"]\n\tinsteadOf = https://git.invalid/repo\n'
    url = "https://git.invalid/repo" if form == "rewritten" else form.format(place)
    await use(await cache_of(tmp_path, url, config=rewritten))
    assert not sprung.exists(), sprung.read_text()
    assert git(place, "rev-parse", "makima/work-1") == git(place, "rev-parse", "main")


async def test_refs_that_only_a_hook_could_take_are_refused_without_it(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    place = trapped(tmp_path / "repo.git", sprung)
    git(place, "config", "receive.procReceiveRefs", "refs/heads/makima")
    cache = await cache_of(tmp_path, str(place))
    pushed = await push(cache, await cache.prepare("main"), "refs/heads/makima/x", lease("refs/heads/makima/x", None))
    assert isinstance(pushed, RefRefused)
    assert not sprung.exists()


async def test_hooks_run_where_the_settings_say_so(tmp_path: Path) -> None:
    """And the traps above are real ones."""
    sprung = tmp_path / "sprung"
    place = trapped(tmp_path / "srv" / "repo.git", sprung)
    await use(await cache_of(tmp_path, str(place), LocalRepositories(hooks=True)))
    for hook in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction"):
        assert hook in sprung.read_text()


@pytest.mark.parametrize("hooks", [True, False])
async def test_a_partial_clone_that_names_a_program_for_what_it_lacks_is_refused_before_git_reads_it(
    tmp_path: Path, hooks: bool
) -> None:
    sprung = tmp_path / "sprung"
    whole = trapped(tmp_path / "srv" / "whole.git", sprung)
    git(whole, "config", "uploadpack.allowFilter", "true")
    part = tmp_path / "srv" / "part"
    git(tmp_path, "clone", "--quiet", "--filter=tree:0", "--no-checkout", f"file://{whole}", str(part))
    git(part, "config", "remote.origin.uploadpack", f"sh -c 'touch {sprung}'")
    sprung.unlink(missing_ok=True)  # of the clone, which was somebody else's
    with pytest.raises(RepositoryError, match="partial clone"):
        await (await cache_of(tmp_path, str(part), LocalRepositories(hooks=hooks))).prepare("main")
    assert not sprung.exists()


async def refusal(cache: RepositoryCache) -> str:
    with pytest.raises(RepositoryError) as refused:
        await cache.fetch()
    with pytest.raises(RepositoryError):
        await cache.listed("refs/heads/*")
    pushed = await push(cache, "0" * 40, "refs/heads/x", lease("refs/heads/x", None))
    assert isinstance(pushed, RepositoryError)
    assert str(refused.value).count("\n") == 0
    return str(refused.value)


@pytest.mark.parametrize(
    "way",
    ["straight", "link to it", "link to its folder", "through it and out again", "dots", "percent", "gitfile",
     "linked worktree", "objects elsewhere", "bare name", "two links"],
)  # fmt: skip
async def test_a_repository_where_agents_can_write_is_refused_whatever_way_leads_there(
    tmp_path: Path, way: str
) -> None:
    sprung, writable, outside = tmp_path / "sprung", tmp_path / "writable", tmp_path / "outside"
    outside.mkdir()
    place = trapped(writable / "repo.git", sprung)
    local = LocalRepositories(refused=(writable,))
    url = str(place)
    match way:
        case "link to it":
            (outside / "repo").symlink_to(place)
            url = str(outside / "repo")
        case "two links":
            (outside / "one").symlink_to("two")
            (outside / "two").symlink_to("../writable/repo.git")
            url = str(outside / "one")
        case "link to its folder":
            (outside / "folder").symlink_to(writable)
            url = str(outside / "folder" / "repo.git")
        case "through it and out again":  # the agent may turn its link around after the look
            trapped(outside / "mine.git", sprung)
            (writable / "out").symlink_to(outside / "mine.git")
            url = str(writable / "out")
        case "dots":
            url = f"{outside}/../writable/repo.git"
        case "percent":
            url = f"file://{place.parent}/%72epo.git"
        case "gitfile":
            (outside / "checkout").mkdir()
            (outside / "checkout" / ".git").write_text(f"gitdir: {place}\n")
            url = str(outside / "checkout")
        case "linked worktree":
            git(place, "worktree", "add", "--quiet", str(outside / "tree"), "main")
            sprung.unlink()  # it was not the daemon that did this
            url = str(outside / "tree")
        case "objects elsewhere":
            mine = trapped(outside / "mine.git", sprung)
            shutil.rmtree(mine / "objects")
            (mine / "objects").symlink_to(place / "objects")
            url = str(mine)
        case "bare name":
            url = str(place).removesuffix(".git")
        case _:
            pass
    assert "where agents can write" in await refusal(await cache_of(tmp_path, url, local))
    assert not sprung.exists()


async def test_a_repository_that_holds_a_folder_which_agents_can_write_is_refused(tmp_path: Path) -> None:
    place = trapped(tmp_path / "repo.git", tmp_path / "sprung")
    local = LocalRepositories(refused=(place / "objects",))
    assert "where agents can write" in await refusal(await cache_of(tmp_path, str(place), local))


async def test_a_repository_swapped_for_another_one_later_is_looked_at_again(tmp_path: Path) -> None:
    sprung, writable = tmp_path / "sprung", tmp_path / "writable"
    good, bad = trapped(tmp_path / "good.git", sprung), trapped(writable / "bad.git", sprung)
    (tmp_path / "link").symlink_to(good)
    cache = await cache_of(tmp_path, str(tmp_path / "link"), LocalRepositories(refused=(writable,)))
    await cache.fetch()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(bad)
    assert "where agents can write" in await refusal(cache)


async def test_only_the_folders_that_the_settings_name_hold_repositories(tmp_path: Path) -> None:
    place = trapped(tmp_path / "srv" / "repo.git", tmp_path / "sprung")
    other = trapped(tmp_path / "srv2" / "repo.git", tmp_path / "sprung")
    git(other, "worktree", "add", "--quiet", str(tmp_path / "srv" / "tree"), "main")
    local = LocalRepositories(folders=(tmp_path / "srv",))
    await use(await cache_of(tmp_path, str(place), local))
    for outside in (other, tmp_path / "srv" / ".." / "srv2" / "repo.git", tmp_path / "srv" / "tree"):
        assert "allow_local_repositories" in await refusal(await cache_of(tmp_path, str(outside), local))


USE = """
import asyncio, json, sys
from pathlib import Path
from daemon.git.pushing import lease, push
from daemon.home import open_home
from daemon.settings import load_daemon_settings
from domain.errors import RepositoryError

async def use(folder, urls):
    home = await open_home(folder / "data", load_daemon_settings(folder / "daemon.toml"), is_daemon=True)
    for url in urls:
        try:
            cache = await home.repositories.at(url)
            ref = "refs/heads/makima/work"
            yield str(await push(cache, await cache.prepare("main"), ref, lease(ref, None)))
        except RepositoryError as error:
            yield str(error)

async def main():
    print(json.dumps([answer async for answer in use(Path(sys.argv[1]), sys.argv[2:])]))

asyncio.run(main())
"""


def daemon_says(ground: Path, prefix: tuple[str, ...], settings: str, *urls: Path | str) -> list[str]:
    """What a daemon of these settings, in a process of its own behind `prefix`, answers to work in the repositories;
    "None" where it has pushed.
    """
    (ground / "daemon.toml").write_text(f'name = "d"\nsandbox = "none"\n{settings}')
    env = {"PATH": os.environ["PATH"], "HOME": str(ground), "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [*prefix, sys.executable, "-c", USE, str(ground), *map(str, urls)]
    done = subprocess.run(argv, cwd="/", env=env, capture_output=True, text=True, check=True)
    answers: list[str] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("prefix", USERS)
def test_the_daemon_takes_no_repository_from_a_worktree_and_runs_no_hook_of_another(
    tmp_path: Path, prefix: tuple[str, ...]
) -> None:
    sprung, shared = tmp_path / "sprung", tmp_path / "shared"
    task = tmp_path / "data" / "daemon" / "d" / "tasks" / "3f2a91c0-1-11111111"
    other = tmp_path / "other-data" / "daemon" / "e" / "tasks" / "3f2a91c0-1-22222222"
    folders = (task / "work", task / "task", other / "work", other / "task", shared, tmp_path / "data")
    mine = trapped(tmp_path / "srv" / "repo.git", sprung)
    evil = [Path(shutil.copytree(mine, folder / "evil.git")) for folder in folders]
    (other / "delivery.json").write_text("{}")
    settings = f'allow_local_repositories = true\nsandbox_write = ["{shared}"]\n'
    answers = daemon_says(tmp_path, prefix, settings, *evil, f"file://{mine}")
    assert ["no repository is taken there" in answer for answer in answers] == [True] * len(evil) + [False], answers
    assert answers[-1] == "None"
    assert not sprung.exists(), sprung.read_text()

    git(mine, "update-ref", "-d", "refs/heads/makima/work")
    sprung.unlink()
    listed = f'allow_local_repositories = ["{tmp_path / "srv"}"]\nlocal_hooks = true\n'
    inside, outside = daemon_says(tmp_path, prefix, listed, mine, shared / "evil.git")
    assert (inside, "allow_local_repositories" in outside) == ("None", True)
    assert "pre-receive" in sprung.read_text(), "with local_hooks they are run"
