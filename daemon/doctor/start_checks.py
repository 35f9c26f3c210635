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
from daemon.workspace.project import read_project
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
                base = await _base_branch(cache, wanted.base_branch)
                prefix = await self._prefix(cache, wanted, base)
                # In the cache of the tasks: what the remote takes, it is asked once.
                kept = await self._home.repositories.at(wanted.repository)
                commit = await commit_of_nothing(kept, (self._home.own.committer_name, self._home.own.committer_email))
                await kept.check_push(commit, prefix)
                await try_branch(kept, commit, prefix)
            except (MakimaError, OSError) as error:
                return StartSeen(trouble=self._masker.outward(str(error)))
        return StartSeen(base_branch=base)

    async def _prefix(self, cache: RepositoryCache, wanted: StartWanted, base: str) -> str:
        """What its branches will begin with, as a planning task finds it."""
        if wanted.branch_prefix:
            return wanted.branch_prefix
        return (await read_project(cache, await newest_of(cache, base))).branch_prefix or PREFIX


async def _base_branch(cache: RepositoryCache, wanted: str) -> str:
    """The branch that work would start from; RepositoryError where there is none."""
    there = [ref.removeprefix("refs/heads/") for ref in await cache.listed("refs/heads/*")]
    if not there:
        raise RepositoryError(f"{cache.url.display} is empty: push a first commit, a directive starts from a branch")
    named = ", ".join(there[:MOST_NAMED]) + (f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else "")
    if wanted and wanted not in there:
        raise RepositoryError(f"{cache.url.display} has no branch {wanted!r}: --base-branch is one of {named}")
    if not wanted and await cache.on_remote("HEAD") is None:
        raise RepositoryError(
            f"{cache.url.display} has no default branch, its HEAD names none: add --base-branch, one of {named}"
        )
    return wanted or await cache.default_branch()
