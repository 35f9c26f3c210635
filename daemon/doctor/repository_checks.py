"""The looking of `doctor` at a repository: may this machine push there, and branches of which names?"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from daemon.doctor.checks import Wanted, branches_check, project_check, push_check, refs_check
from daemon.git.pushing import ANYWHERE, lease, push, try_branch
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import ASK_TIMEOUT, RepositoryCache
from daemon.git.state_refs import PLACES
from daemon.home import Home
from daemon.workspace.project import FILE, read_project
from domain.errors import BaseBranchMissing, MakimaError
from domain.health_report import Check
from domain.names import PREFIX

_BASE = "refs/makima/doctor"
"""Where the base branch's head is kept, in a cache that is thrown away."""


async def repository_checks(home: Home, wanted: Wanted, who: tuple[str, str]) -> list[Check]:
    """In a cache that is thrown away. Of the repository comes the newest commit of the base branch alone, and where the
    remote can leave them out no files but `.makima.toml`. `who` commits: name and address.
    """
    with TemporaryDirectory(dir=home.path) as scratch:
        try:
            cache = await Repositories(home.repositories.git, Path(scratch)).at(wanted.repository)
            branches = await cache.listed("refs/heads/*")
            commit = await commit_of_nothing(cache, who)
        except MakimaError as error:
            return [push_check(error, 0)]
        prefix, trouble = await _prefix(cache, wanted, bool(branches))
        try:
            await _try_push(cache, commit, prefix)
        except MakimaError as error:
            return [*trouble, push_check(error, 0)]
        checks = [*trouble, push_check(None, len(branches), prefix)]
        if not wanted.push:
            return checks
        return [*checks, await _try_branches(cache, commit, prefix), await _try_refs(cache, commit)]


async def _prefix(cache: RepositoryCache, wanted: Wanted, has_branches: bool) -> tuple[str, list[Check]]:
    """What branches will begin with, as a planning task would find it; and why the repository doesn't say."""
    if wanted.branch_prefix or not has_branches:
        return wanted.branch_prefix or PREFIX, []
    try:
        return (await read_project(cache, await newest_of(cache, wanted.base_branch))).branch_prefix or PREFIX, []
    except MakimaError as error:
        return PREFIX, [project_check(error)]


async def newest_of(cache: RepositoryCache, branch: str) -> str:
    """The newest commit of the base branch, with the one file of it that is read."""
    source = await cache.source()
    # A local repository is read where it is: no promise, which would name a program of its own, stays with the cache.
    is_local = len(source) > 1
    sparing = () if is_local else ("--filter=blob:none",)
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    if branch and not await cache.on_remote(ref):
        raise BaseBranchMissing(f"{cache.url.display} has no branch {branch!r}")
    await cache.remote(*fetch, "--depth=1", *sparing, *source, f"+{ref}:{_BASE}", timeout=ASK_TIMEOUT)
    commit = (await cache.local("rev-parse", _BASE)).text
    listed = (await cache.local("ls-tree", "-z", commit, "--", FILE)).text.rstrip("\0")
    if listed and not is_local:
        # Else it is forbidden: what a repository lacks, git would fetch from wherever that one's own settings say.
        await cache.local("cat-file", "-e", listed.split()[2].partition("\t")[0], env={"GIT_NO_LAZY_FETCH": "0"})
    return commit


async def commit_of_nothing(cache: RepositoryCache, who: tuple[str, str]) -> str:
    name, email = who
    options = ("-c", f"user.name={name}", "-c", f"user.email={email}")
    tree = (await cache.local("hash-object", "-t", "tree", "-w", "--stdin")).text
    return (await cache.local(*options, "commit-tree", tree, "-m", "Does the remote take this?")).text


async def _try_push(cache: RepositoryCache, commit: str, prefix: str) -> None:
    await cache.check_push(commit, prefix)
    command = ("push", "--dry-run", *await cache.destination())
    await cache.remote(*command, f"{commit}:{PLACES[0]}push-check", timeout=ASK_TIMEOUT)


async def _try_branches(cache: RepositoryCache, commit: str, prefix: str) -> Check:
    """As a planning task does before its agent runs."""
    try:
        await try_branch(cache, commit, prefix)
    except MakimaError as error:
        return branches_check(prefix, error)
    return branches_check(prefix, None)


async def _try_refs(cache: RepositoryCache, commit: str) -> Check:
    """Only a real push shows what the remote's hooks say to a ref."""
    answers: list[MakimaError | None] = []
    for place in PLACES:
        ref = f"{place}doctor/{uuid4().hex[:8]}"
        answers.append(await push(cache, commit, ref, lease(ref, None)))
        if answers[-1] is None:
            await push(cache, "", ref, ANYWHERE)
            break
    return refs_check(answers[0], answers[-1])
