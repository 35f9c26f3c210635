"""What lies on the remote in the place of our state and is not ours: moved out of the way, kept, and reported."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress

from daemon.git.pushing import lease, push
from daemon.git.quarantine import fetch_apart, is_in, quarantine
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import PLACES, in_all_places, unverified_name, unverified_ref
from domain.errors import MakimaError, NotVerified
from domain.visible import visible

MOST_MOVES = 3
"""Of an attempt's outcomes, and of its checkpoints, over all its deliveries: whoever puts something there again and
again is not raced with for ever."""

LARGEST = 64 * 1024 * 1024
"""Bytes of what is fetched that may be anybody's: to be read as an outcome, and to be moved."""

logger = logging.getLogger(__name__)


class ForeignState:
    """Moves away what stands where one kind of state of one attempt belongs, to `refs/makima/unverified/…`; nothing is
    ever deleted that has no copy there.
    """

    def __init__(
        self, cache: RepositoryCache, attempt: str, found: list[str] | None = None, most: int = MOST_MOVES
    ) -> None:
        """`attempt`: the state's name (`outcome_name`, `checkpoints_name`). `found` gets a line for everything that is
        not ours, for the directive's history; `most`: how much is moved, 0 for whoever only looks.
        """
        self._cache = cache
        self._attempt = attempt.strip("/")
        self.found = found if found is not None else []
        self._most = most
        self._moves = 0
        self._counted = False
        self.left: set[str] = set()
        """The refs that could not be freed."""

    async def _is_exhausted(self) -> bool:
        """As much was moved as ever is: what is there now stays."""
        if not self._counted and self._most:
            # Of the deliveries before this one, on whatever machines: their copies are what all of them can see.
            copies = in_all_places(f"{unverified_name(self._attempt)}*")
            self._moves, self._counted = len(await self._cache.listed(*copies)), True
        return self._moves >= self._most

    async def move(self, held_by: RepositoryCache, ref: str, commit: str, why: str) -> bool:
        """Whether `ref` was freed. `held_by`: a repository of this machine that may have the object `commit`."""
        moved = await self._move(held_by, ref, commit, why)
        (self.left.discard if moved else self.left.add)(ref)
        return moved

    async def _move(self, held_by: RepositoryCache, ref: str, commit: str, why: str) -> bool:
        what = f"{ref} at {commit[:12]} is not ours ({why})"
        if await self._is_exhausted():
            self._report(f"{what}: it stays there, after {self._moves} others that did not")
            return False
        self._moves += 1  # also what can't be moved: it is not looked at for ever
        if not await is_in(held_by, commit):
            self._report(f"{what}: it stays there, since it can't be read")
            return False
        if await self._cache.is_symbolic(ref):
            # To delete it would delete what it points to, such as a branch of people's.
            self._report(f"{what}: it stays there, since it is a symbolic ref")
            return False
        try:
            kept = await self._copy(held_by, ref, commit)
        except MakimaError as failure:
            self._report(f"{what}: it stays there, since the remote doesn't let it be moved: {failure}")
            return False
        # Under a lease: what has taken its place meanwhile was not copied.
        refused = await push(self._cache, "", ref, lease(ref, commit))
        if refused and (await self._cache.on_remote(ref)) == commit:
            self._report(f"{what}: it stays there, with a copy at {kept}: {refused}")
            return False
        self._report(f"{what}: moved to {kept}")
        return True

    async def clear(self, others: Mapping[str, str]) -> None:
        """Move refs away that can't be ours by their names, such as those beside which none of ours can be."""
        for number, (ref, commit) in enumerate(others.items()):
            if await self._is_exhausted():
                self._report(f"{len(others) - number} more refs like {ref} are not ours and stay there")
                self.left.update(others)
                return
            async with quarantine(self._cache) as apart:
                with suppress(NotVerified):  # then it can't be moved, which is reported
                    await fetch_apart(apart, ref, commit, LARGEST)
                await self.move(apart, ref, commit, "no state of this attempt has such a name")

    async def _copy(self, held_by: RepositoryCache, ref: str, commit: str) -> str:
        """Where it is kept from now on."""
        mark = f"{commit[:12]}-{secrets.token_hex(4)}"
        failures = []
        for place in PLACES:
            kept = unverified_ref(place, self._attempt, ref, mark)
            failure = await push(held_by, commit, kept, lease(kept, None))
            if failure is None or (await self._cache.on_remote(kept)) == commit:
                return kept
            failures.append(failure)
        raise failures[0]

    def _report(self, line: str) -> None:
        line = visible(line)  # a ref's name may hold any byte: of some no JSON can be made
        if line not in self.found:
            self.found.append(line)
            logger.warning("%s", line)
