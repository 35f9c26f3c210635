"""The look at a repository before a directive is started there (rule 2.12); what is wrong later, its tasks tell."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from daemon.doctor.repository_checks import commit_of_nothing, newest_of
from daemon.git.pushing import try_branch
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.home import Home
from daemon.logs.masking import Masker
from daemon.workspace.project import FILE, read_project
from domain.errors import MakimaError, RepositoryError
from domain.names import PREFIX
from domain.start_checks import StartSeen, StartWanted

MOST_NAMED = 10


class StartChecker:
    """Looks with this daemon's git and credentials: what it finds is what its tasks will find."""

    def __init__(self, home: Home, masker: Masker) -> None:
        self._home = home
        self._masker = masker

    async def look(self, wanted: StartWanted) -> StartSeen:
        """Nothing is fetched but the newest commit of the base branch, and that is thrown away."""
        with TemporaryDirectory(dir=self._home.path) as scratch:
            try:
                cache = await Repositories(self._home.repositories.git, Path(scratch)).at(wanted.repository)
                seen, prefix = await _read(cache, wanted)
                if not wanted.only_defaults:
                    await self._try_push(wanted.repository, prefix)
            except (MakimaError, OSError) as error:
                return StartSeen(trouble=self._masker.outward(str(error)))
        return seen

    async def _try_push(self, repository: str, prefix: str) -> None:
        """In the cache of the tasks: what the remote takes, it is asked once."""
        kept = await self._home.repositories.at(repository)
        commit = await commit_of_nothing(kept, (self._home.own.committer_name, self._home.own.committer_email))
        await kept.check_push(commit, prefix)
        await try_branch(kept, commit, prefix)


async def _read(cache: RepositoryCache, wanted: StartWanted) -> tuple[StartSeen, str]:
    """Where work would start with what the repository says of that, and what its branches will begin with, as a
    planning task finds it.
    """
    base = read_from = await _base_branch(cache, wanted.base_branch)
    if wanted.branch_prefix and not wanted.defaults:
        return StartSeen(base_branch=base), wanted.branch_prefix
    project = await read_project(cache, await newest_of(cache, base))
    start = project.start
    if wanted.defaults and start.base_branch and not wanted.base_branch and start.base_branch != base:
        base = await _base_branch(cache, start.base_branch, f"base_branch in {FILE} of {read_from}")
        if not wanted.branch_prefix:
            project = await read_project(cache, await newest_of(cache, base))
    told = {"defaults": start, "read_from": read_from} if wanted.defaults else {}
    return StartSeen(base_branch=base, **told), wanted.branch_prefix or project.branch_prefix or PREFIX


async def _base_branch(cache: RepositoryCache, wanted: str, said_by: str = "--base-branch") -> str:
    """The branch that work would start from; RepositoryError where there is none."""
    there = [ref.removeprefix("refs/heads/") for ref in await cache.listed("refs/heads/*")]
    if not there:
        raise RepositoryError(f"{cache.url.display} is empty: push a first commit, a directive starts from a branch")
    named = ", ".join(there[:MOST_NAMED]) + (f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else "")
    if wanted and wanted not in there:
        raise RepositoryError(f"{cache.url.display} has no branch {wanted!r}: {said_by} is one of {named}")
    if not wanted and await cache.on_remote("HEAD") is None:
        raise RepositoryError(
            f"{cache.url.display} has no default branch, its HEAD names none: add --base-branch, one of {named}"
        )
    return wanted or await cache.default_branch()
