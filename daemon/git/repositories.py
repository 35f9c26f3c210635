"""All caches of one daemon, one for each address (rule 6.1)."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path

from daemon.git.cache_lock import cache_lock, last_used, mark_used
from daemon.git.git import Git
from daemon.git.repository_cache import OURS, RepositoryCache
from daemon.git.state_refs import PUBLISHED
from domain.errors import Refused, RepositoryError
from domain.names import sanitized
from domain.repository_url import parse_repository_url


class Repositories:
    """All caches of one daemon, one for each address."""

    def __init__(self, git: Git, folder: Path, *, is_own: bool = True) -> None:
        """`is_own`: no other process works in `folder`, so what looks left behind there is."""
        self.git = git
        self._folder = folder
        self._is_own = is_own
        self._caches: dict[str, RepositoryCache] = {}
        self._opening = asyncio.Lock()

    async def at(self, url: str) -> RepositoryCache:
        """The cache of the repository at `url`, made when it is new and not fetched yet; raises RepositoryError for
        an address of a form that is not accepted here.
        """
        try:
            parsed = parse_repository_url(url, allow_local=self.git.allow_local)
        except Refused as refusal:
            raise RepositoryError(str(refusal)) from refusal
        folder = self.folder_of(url)
        async with self._opening:
            if url not in self._caches or not self._caches[url].folder.exists():
                self._caches[url] = await RepositoryCache.make(self.git, parsed, folder, tidy=self._is_own)
            mark_used(self._caches[url].folder)
        return self._caches[url]

    def folder_of(self, url: str) -> Path:
        """Where the cache of the repository at `url` is, or would be; Refused for what is no address."""
        text = parse_repository_url(url, allow_local=True).text
        return self._folder / f"{sanitized(Path(text).name)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.git"

    async def drop_unused(self, since: float, needed: Collection[Path]) -> list[Path]:
        """Remove the caches that nobody has used since then (seconds of the epoch), but for the `needed` ones, and for
        those in which work is that no remote has taken; which ones.
        """
        old = [each for each in sorted(self._folder.glob("*.git")) if each not in needed and last_used(each) < since]
        return [cache for cache in old if await self._drop(cache, since)]

    async def unpublished(self) -> dict[Path, int]:
        """The caches in which work is that no remote has taken, each with how many refs hold it."""
        found = {}
        for cache in sorted(self._folder.glob("*.git")):
            refs = await self.git.ask("for-each-ref", "--format=%(refname)", OURS, repository=cache)
            if alone := [each for each in refs.splitlines() if not each.startswith(PUBLISHED)]:
                found[cache] = len(alone)
        return found

    async def _drop(self, cache: Path, since: float) -> bool:
        async with self._opening, cache_lock(cache):
            kept = await self.git.ask("for-each-ref", "--count=1", OURS, repository=cache)
            if kept or last_used(cache) >= since:
                return False
            await asyncio.to_thread(shutil.rmtree, cache)
        return True
