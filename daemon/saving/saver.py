"""Saves the work of one delivery while it goes on, and on every way out (rule 6.7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from daemon.git.agents_git import UNBORN
from daemon.git.agents_refs import LooseEnd
from daemon.git.side_repository import SideRepository, Snapshot
from daemon.git.worktrees import Made, Worktree
from daemon.saving.checkpoints import UNSAVED, Checkpoint, Checkpoints, Content
from daemon.saving.mending import mended, remade
from domain.daemon_messages import SavedWork
from domain.errors import MakimaError, WorktreeBroken
from runtime.chores import beside, one_turn

BEFORE_A_KILL = 2.0
"""Seconds that an agent which is to be stopped may live longer for its work to be saved."""
ON_THE_WAY_OUT = 60.0
"""Seconds for the last save; what is slower than that is on this machine and not on the remote."""
NAMED_FILES = 5
MOST_WARNINGS = 20

logger = logging.getLogger(__name__)


class Saver:
    """Keeps the newest state of a worktree as its delivery's checkpoint; trouble is a warning and never ends a task."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        side: SideRepository,
        *,
        delivery: str,
        daemon: str,
        log: Callable[[str], None],
        alive: Callable[[], None],
        decided: Callable[[], Awaitable[bool]],
    ) -> None:
        """`tell` puts a line into the task's log; `alive` is called at every look, saved or not; `decided` says whether
        the attempt has an outcome, as a delivery that was given up may have missed.
        """
        self._checkpoints = checkpoints
        self.side = side
        self._delivery = delivery
        self._daemon = daemon
        self._log = log
        self._alive = alive
        self._decided = decided
        self._saving = asyncio.Lock()
        self._worktree: Worktree | None = None
        self._began = self._merging = ""
        self._known: tuple[str, ...] = ()
        self._seen: Content | None = None
        self._newest: Checkpoint | None = None
        self._published: Checkpoint | None = None
        self._held: Snapshot | None = None
        self._at_its_end: Snapshot | None = None
        self._beside: tuple[LooseEnd, ...] = ()
        self._is_over = False
        self._left_any = False
        self.left_out: dict[str, str] = {}
        """File → why it isn't in the last commit."""
        self.warnings: list[str] = []
        self.mended: tuple[str, ...] = ()
        """What was done about a repository that the agent had broken."""
        self.was_unborn = False
        """The agent has last left HEAD on a new branch without a commit."""
        self.may_be_unmerged = True
        """As it was left, git's index may hold a conflict."""
        self.is_saved = False
        """All of the worktree that may be saved is on the remote, since it was left."""
        self.is_safe = False
        """And that is all there was."""
        self._is_refused = False
        """The remote has not taken the last checkpoint: a later start of the daemon tries again."""

    async def watch(self, worktree: Worktree, head: str, began: str, merging: str = "", base: str = "") -> None:
        """From now on there is work to lose: in `worktree`, run by the agent, which is at commit `head` and has begun
        at `began`, where the merge of `merging` had stopped at a conflict (empty: none had). `base`: a commit of the
        cache that both hold. Raises what taking a commit raises.
        """
        known = self._known or (base,)
        await self.side.prepare(head)
        for commit in dict.fromkeys((began, head)):
            if commit != base:
                await self.side.take(commit, known)
        self._worktree, self._began, self._merging, self._known = worktree, began, merging, (began, head)

    async def take(self, commit: str, content: bytes = b"") -> None:
        """Bring a commit of the worktree into the cache, with its history. Raises WorktreeBroken, GitError."""
        await self.side.take(commit, self._known, content)

    def allow(self, secrets: tuple[str, ...]) -> None:
        """What looks like a secret and is none (`allow_secrets`)."""
        self._checkpoints.allowed = secrets

    def keep_beside(self, ends: tuple[LooseEnd, ...]) -> None:
        """Have checkpoints hold these commits of the cache, too."""
        self._beside = ends

    async def restore(self, seen: Mapping[str, str]) -> Checkpoint | None:
        """What to go on from; its objects are in the cache. `seen`: refs of the remote."""
        newest = await self._checkpoints.newest(seen)
        self._left_any = newest is not None
        return newest

    @property
    def saved(self) -> SavedWork | None:
        """The newest checkpoint of this delivery, which is in the cache; None: there is none."""
        newest = self._newest
        is_there = newest is not None and newest == self._published and not self._is_refused
        ref = self._checkpoints.ref(self._delivery) if is_there else ""
        return SavedWork(commit=newest.commit, ref=ref) if newest else None

    @asynccontextmanager
    async def saving(self, every: float) -> AsyncIterator[None]:
        """Save every so many seconds while the body runs, and once more when it is left by an exception, unless
        `finish` came first.
        """
        try:
            async with beside(self._save_for_ever(every)):
                yield
        except BaseException:
            await self.leave()
            raise

    async def save(self) -> None:
        """Save now, here and on the remote."""
        await self._carefully(self._save())

    async def before_kill(self) -> None:
        """Hold on to what the agent may spoil when it is line to stop; not for long, for it is to stop. It is saved in
        place of what is there afterwards.
        """
        try:
            async with asyncio.timeout(BEFORE_A_KILL):
                await self._carefully(self._hold())
        except TimeoutError:
            logger.warning("the work of delivery %s could not be saved before its agent was stopped", self._delivery)

    async def mend(self) -> None:
        """Once the agent has ended: make sure that git can work in its worktree. Raises WorktreeBroken, GitError."""
        if self._worktree is None:
            return
        snapshot = await self.side.snapshot(self._known, UNSAVED, is_over=True)
        if snapshot.unlocked:
            self._log(f"makima: removed the locks of git that nobody holds any more: {_listed(snapshot.unlocked)}\n")
        self.was_unborn, self.may_be_unmerged = snapshot.trouble == UNBORN, snapshot.may_be_unmerged
        if trouble := await mended(self._worktree, self.side, snapshot):
            self._log_made_anew(trouble, snapshot.head)
        self._at_its_end = snapshot

    async def unfit(self) -> tuple[str, ...]:
        """The files that must leave this machine in a commit no more than in a checkpoint; raises like `mend`."""
        if self._worktree is None:
            return ()
        snapshot, self._at_its_end = self._at_its_end, None
        snapshot = snapshot or await self.side.snapshot(self._known, UNSAVED, is_over=True)
        self.left_out = left_out = snapshot.left_out
        if left_out:
            self._warn(f"left out of the commit: {_named(left_out)}")
        return tuple(path for path in left_out if not path.endswith("/"))

    async def committing(self, commit: Callable[[], Awaitable[Made | None]]) -> Made | None:
        """Do `commit` in the worktree. Where what the agent has set up there is in the way of it, do it once more in a
        repository that has nothing of that. Raises WorktreeBroken, GitError.
        """
        try:
            return await commit()
        except WorktreeBroken as broken:
            if self._worktree is None:
                raise
            snapshot = await self.side.snapshot(self._known, UNSAVED, is_over=True)
            await remade(self._worktree, self.side, snapshot)
            self._log_made_anew(str(broken), snapshot.head)
            return await commit()

    async def finish(self) -> None:
        """The outcome is published, which holds the work: its checkpoints go."""
        self._is_over = True
        async with self._saving:
            # Also where this delivery made none: one that was given up may have saved its own meanwhile.
            if self._worktree:
                await self._carefully(self._checkpoints.forget())

    async def leave(self) -> None:
        """Save for the last time, unless it is finished: `is_safe` then says whether the worktree may go."""
        if self._is_over:
            return
        try:
            async with asyncio.timeout(ON_THE_WAY_OUT):
                await self._carefully(self._save_for_good())
        except TimeoutError:
            self._warn(f"the last checkpoint of delivery {self._delivery} did not reach the remote in time")

    async def _save_for_ever(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            await one_turn(self._save_alive)

    async def _save_alive(self) -> None:
        await self.save()
        self._alive()

    async def _save_for_good(self) -> None:
        await self._save()
        # Another delivery may have ended the attempt and cleaned up: then nobody would ever remove what came after.
        if await self._decided():
            await self._checkpoints.forget()
        self.is_saved = self._newest == self._published and not self._is_refused
        self.is_safe = self.is_saved and not self.warnings

    async def _save(self) -> None:
        await self._save_here()
        async with self._saving:
            newest = self._newest
            if newest is None or newest == self._published or self._is_over:
                return
            refusal = await self._checkpoints.publish(newest, self._delivery)
            self._published, self._is_refused = newest, bool(refusal)
            if refusal:
                self._warn(f"saved on {self._daemon} only: {refusal}")

    async def _save_here(self) -> None:
        async with self._saving:
            if self._worktree is None or self._is_over:
                return
            snapshot = self._held or await self.side.snapshot(self._known, UNSAVED)
            if snapshot.left_out:
                self._warn(f"left out of checkpoints: {_named(snapshot.left_out)}")
            if snapshot.refused:
                self._warn(f"not all that the agent has committed can be saved: {snapshot.refused}")
            content = await self._checkpoints.content(snapshot)
            beside = {end.commit: end for end in (*content.beside, *self._beside)}
            content = content._replace(beside=tuple(beside.values()))
            if content == self._seen or await self._is_untouched(content):
                return
            self._left_any = True
            self._newest = await self._checkpoints.keep(content, self._delivery, self._began, merging=self._merging)
            self._seen = content

    async def _hold(self) -> None:
        if self._worktree:
            self._held = await self.side.snapshot(self._known, UNSAVED)

    async def _is_untouched(self, content: Content) -> bool:
        """Nothing was done yet; to have taken everything back is a change."""
        return not self._left_any and await self._checkpoints.is_untouched(content, self._began)

    async def _carefully(self, work: Awaitable[None]) -> bool:
        """A remote that is away, a full disk or a broken worktree must not end the work that could go on without."""
        try:
            await work
        except (MakimaError, OSError) as error:
            self._warn(f"a checkpoint could not be saved: {error}")
            return False
        return True

    def _log_made_anew(self, trouble: str, head: str) -> None:
        """Not among the warnings that keep a worktree: nothing of the files is missing."""
        line = f"the agent's repository was made anew at {head[:12]}, with all files as they are: {trouble}"
        logger.warning("delivery %s: %s", self._delivery, line)
        self._log(f"makima: {line}\n")
        self.mended = (*self.mended, line)

    def _warn(self, warning: str) -> None:
        if warning in self.warnings or len(self.warnings) >= MOST_WARNINGS:
            return
        self.warnings.append(warning)
        logger.warning("delivery %s: %s", self._delivery, warning)
        self._log(f"makima: {warning}\n")


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - NAMED_FILES
    return ", ".join(names[:NAMED_FILES]) + (f" and {more} more" if more > 0 else "")


def _named(left_out: dict[str, str]) -> str:
    named = ", ".join(f"{path} ({why})" for path, why in list(left_out.items())[:NAMED_FILES])
    more = len(left_out) - NAMED_FILES
    return f"{named} and {more} more" if more > 0 else named
