"""Sees early that a step and what runs beside it can't be merged (rule 6.14, docs/decisions/0048). Nothing in it fails
or holds the step: what it can't find out is not known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from daemon.git.merge_trial import unmergeable
from daemon.git.quarantine import fetch_apart, quarantine
from daemon.git.repository_cache import FETCH_TIMEOUT, RepositoryCache
from domain.clash import Clash
from domain.daemon_messages import SavedWork, UsedBeside, WorkBeside, clash
from domain.errors import MakimaError
from domain.prompts import clash_note
from domain.spawn_task import SpawnTask

LOOKED_WITHIN = 300.0
"""Seconds for one look while the agent works, the talk with the remote included."""
AT_THE_END_WITHIN = 20.0
"""Seconds for the one at its end, which talks with nobody."""
LARGEST = 256 * 1024 * 1024
"""Bytes that are fetched of a step beside."""
MOST_TOLD = 3
"""How often the agent is told, whatever is found."""

logger = logging.getLogger(__name__)


class Radar:
    """That of one delivery of a step."""

    def __init__(
        self,
        command: SpawnTask,
        cache: RepositoryCache,
        saved: Callable[[], SavedWork | None],
        log: Callable[[str], None],
        mask: Callable[[str], str],
    ) -> None:
        """`saved`: its last checkpoint, with all that it holds in the cache. `log` takes a line for people."""
        self._command = command
        self._cache = cache
        self._saved = saved
        self._log = log
        self._mask = mask
        self._beside = UsedBeside()
        self._told_of_more = asyncio.Event()
        self.settled = asyncio.Event()
        """All that was heard has been looked at."""
        self._found: dict[UUID | None, tuple[WorkBeside, Clash, frozenset[str]]] = {}
        """By the other step."""
        self._told: dict[UUID | None, frozenset[str]] = {}
        self._times_told = 0
        self._tried: dict[tuple[str, str], tuple[str, ...]] = {}
        self._base: WorkBeside | None = None
        self._base_asked_for = ""
        """The checkpoint for which the remote was asked where the base branch is: each one asks once."""
        self._fetched: set[str] = set()
        """What was fetched, or could not be: nothing is tried twice."""

    @property
    def saved(self) -> SavedWork | None:
        """What other steps' daemons are to know."""
        return self._saved()

    @property
    def clashes(self) -> tuple[Clash, ...]:
        """What is known at this moment, for the record."""
        return tuple(
            found.model_copy(update={"told": paths <= self._told.get(step, frozenset())})
            for step, (_, found, paths) in self._found.items()
        )

    def heard(self, beside: UsedBeside) -> None:
        """What the record says of the steps beside this one."""
        self._beside = beside
        self.settled.clear()
        self._told_of_more.set()

    async def look_for_ever(self) -> None:
        """While the agent works: whenever the record has said something."""
        while True:
            await self._told_of_more.wait()
            self._told_of_more.clear()
            if (self._beside.running or self._beside.steps) and (saved := self._saved()):
                await self._carefully(self._look_around(saved.commit), LOOKED_WITHIN)
            if not self._told_of_more.is_set():
                self.settled.set()

    async def look_at(self, head: str) -> None:
        """At the work as it is to be published, with what is known of others by now: the remote isn't asked."""
        if self._beside.steps or self._base:
            await self._carefully(self._look(head), AT_THE_END_WITHIN)

    def news(self) -> tuple[str, str]:
        """What the agent has not been told yet, as a line and as a part of its prompt; empty: nothing. From then on it
        has been.
        """
        new = [
            (beside, found)
            for step, (beside, found, paths) in self._found.items()
            if not paths <= self._told.get(step, frozenset())
        ]
        if not new or self._times_told >= MOST_TOLD:
            return "", ""
        self._times_told += 1
        for beside, _ in new:
            self._told[beside.step] = self._told.get(beside.step, frozenset()) | self._found[beside.step][2]
        line = "; ".join(f"{found.whose} has changed the same: {found.what}" for _, found in new)
        told = [(found.whose, beside.commit, found.paths, found.more) for beside, found in new]
        return line, clash_note(told)

    async def _carefully(self, look: Awaitable[None], within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await look
        except (MakimaError, OSError, TimeoutError) as error:
            name = self._command.step_name
            logger.warning("what runs beside step %r can't be looked at: %s", name, error or "it takes too long")
        except Exception:
            logger.exception("looking at what runs beside step %r has a defect", self._command.step_name)

    async def _look_around(self, ours: str) -> None:
        for beside in self._beside.steps:
            await self._fetch(beside)
        if self._base_asked_for != ours:
            self._base_asked_for = ours
            self._base = await self._moved_base()
        await self._look(ours)

    async def _moved_base(self) -> WorkBeside | None:
        """Where the base branch is by now, in the cache; None: where the step's generation began, or gone."""
        branch = self._command.base_branch
        now = await self._cache.on_remote(f"refs/heads/{branch}")
        if now is None or now == self._command.base_commit:
            return None
        await self._cache.ensure([now])
        return WorkBeside(name=branch, commit=now)

    async def _fetch(self, beside: WorkBeside) -> None:
        """Have it in the cache, where the record's commit is what stands at its ref: nothing else is taken."""
        if not beside.ref or beside.commit in self._fetched or await self._cache.has(beside.commit):
            return
        self._fetched.add(beside.commit)
        try:
            async with quarantine(self._cache) as apart:
                await fetch_apart(apart, beside.ref, beside.commit, LARGEST)
            fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *await self._cache.source(), beside.ref)
            await self._cache.remote(*fetch, timeout=FETCH_TIMEOUT)
        except MakimaError as error:
            logger.warning("the work of step %r can't be compared with: %s", beside.name, error)

    async def _look(self, ours: str) -> None:
        tried: dict[tuple[str, str], tuple[str, ...]] = {}
        found = {}
        for beside in (*self._beside.steps, *((self._base,) if self._base else ())):
            if await self._cache.has(beside.commit):
                pair = (ours, beside.commit)
                tried[pair] = paths = await self._paths(pair)
                if paths:
                    found[beside.step] = (beside, clash(beside, [self._mask(path) for path in paths]), frozenset(paths))
            elif beside.step in self._found:
                found[beside.step] = self._found[beside.step]  # nothing says that it is gone
        self._log_clashes({step: each[1] for step, each in found.items()})
        self._found, self._tried = found, tried

    async def _paths(self, pair: tuple[str, str]) -> tuple[str, ...]:
        if pair in self._tried:
            return self._tried[pair]
        try:
            return await unmergeable(self._cache, *pair)
        except MakimaError as error:
            logger.warning("%s and %s can't be compared: %s", *pair, error)
            return ()

    def _log_clashes(self, now: dict[UUID | None, Clash]) -> None:
        before = {step: each[1] for step, each in self._found.items()}
        for step, found in now.items():
            if before.get(step) != found:
                self._log(f"clashes with {found.whose}: {found.what}")
        for step, found in before.items():
            if step not in now:
                self._log(f"clashes no more with {found.whose}")
