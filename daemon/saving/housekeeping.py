"""How long a machine keeps what its tasks have left, and that nothing goes before the remote has it (rule 6.12)."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from daemon import agent_files
from daemon.git.cache_lock import cache_lock
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import in_all_places
from daemon.saving.checkpoints import Checkpoints
from daemon.saving.outcomes import Outcomes
from daemon.session.session_folder import clean_sessions
from daemon.workspace.delivery_note import DeliveryNote, last_alive, noted_folders, read_note, write_note
from domain.errors import MakimaError

CLEAN_EVERY = timedelta(hours=1)
JUST_USED = 3600.0
"""Seconds for which a cache is kept in any case: a task that has just asked for it borrows from it a moment later."""
WORKTREE = "work"
_REMOVED = "removed"
"""What a worktree is called while it is being removed."""
_LARGEST_ALTERNATES = 64 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeping:
    """How long worktrees are kept after their delivery has ended."""

    succeeded: timedelta = timedelta(hours=24)
    failed: timedelta = timedelta(days=7)
    caches: timedelta = timedelta(days=30)
    """Of repositories, after their last use."""


@dataclass(frozen=True)
class Cleaned:
    """What became of a delivery's folder whose time is over."""

    folder: Path
    kept_because: str = ""
    """Empty: it is removed."""


class Housekeeper:
    """Removes what is old and safe, of the tasks of one daemon."""

    def __init__(self, tasks: Path, repositories: Repositories, keeping: Keeping, restored: Path | None = None) -> None:
        """`restored`: the folder of what `restore` has laid out, which borrows from caches, too."""
        self._tasks = tasks
        self._restored = restored
        self._repositories = repositories
        self._keeping = keeping

    async def clean_and_log(self) -> None:
        """The daemon's turn, every CLEAN_EVERY."""
        for cleaned in await self.clean():
            if cleaned.kept_because:
                logger.warning("%s stays: %s", cleaned.folder, cleaned.kept_because)
            else:
                logger.info("%s is removed: all that was in it is on the remote", cleaned.folder)
        await asyncio.to_thread(clean_sessions, self._tasks, self._keeping.failed)

    async def clean(self, *, at_once: bool = False) -> list[Cleaned]:
        """Look at every delivery that has ended, then at the caches that nothing borrows from; `at_once` takes the time
        of each as over. What happened to those whose time is over. Raises GitError where another process cleans up for
        minutes: two at once would take folders away under each other's feet.
        """
        async with cache_lock(self._tasks):
            return await self._clean_all(at_once=at_once)

    async def _clean_all(self, *, at_once: bool) -> list[Cleaned]:
        folders = await asyncio.to_thread(noted_folders, self._tasks)
        cleaned = [each for folder in folders if (each := await self._clean(folder, at_once=at_once))]
        needed = await asyncio.to_thread(self._needed)
        unused = JUST_USED if at_once else max(JUST_USED, self._keeping.caches.total_seconds())
        dropped = await self._repositories.drop_unused(time.time() - unused, needed)
        return [*cleaned, *(Cleaned(cache) for cache in dropped)]

    async def only_here(self) -> list[Cleaned]:
        """Work that would be lost with this machine, and why it is taken for that. Nothing is removed."""
        async with cache_lock(self._tasks):
            folders = await asyncio.to_thread(noted_folders, self._tasks)
            alone = [Cleaned(folder, why) for folder in folders if (why := await self._only_here(folder))]
            refs = await self._repositories.unpublished()
            laid_out = await asyncio.to_thread(self._laid_out)
        kept = [Cleaned(cache, f"{number} saved states that no remote has") for cache, number in refs.items()]
        return [*alone, *kept, *(Cleaned(folder, "laid out by `restore`, for a person") for folder in laid_out)]

    async def _only_here(self, folder: Path) -> str:
        """Why the work of a delivery is taken to be nowhere else; empty: it is on the remote, or there is none."""
        note = await asyncio.to_thread(read_note, folder)
        if note is None:
            return "what it is can't be read"
        if not note.is_over:
            return "it was cut off; a daemon that starts saves it" if (folder / WORKTREE).exists() else ""
        return "" if note.is_seen else await self._not_seen(folder, note)

    def _laid_out(self) -> list[Path]:
        return sorted(self._restored.iterdir()) if self._restored and self._restored.is_dir() else []

    def _needed(self) -> frozenset[Path]:
        """The caches that a delivery's folder, or a restored one, borrows from."""
        notes = [note for folder in noted_folders(self._tasks) if (note := read_note(folder))]
        alternates = self._restored.glob(f"*/{WORKTREE}/.git/objects/info/alternates") if self._restored else ()
        lines = [line for file in alternates for line in _lines(file)]
        borrowed = [Path(line).parent for line in lines]
        return frozenset([*borrowed, *(self._repositories.folder_of(note.command.repository) for note in notes)])

    async def _clean(self, folder: Path, *, at_once: bool) -> Cleaned | None:
        note = await asyncio.to_thread(read_note, folder)
        if note is None or not note.is_over:
            return await self._clean_remains(folder, note)
        if not note.head:  # it was handed back: the attempt went on
            await self._forget_settled(note)
        due = at_once or self._is_due(folder, note)
        # Looked for before it is due, too: once a pull request is merged, its branches and refs may be deleted.
        reason = "" if note.is_seen else await self._not_seen(folder, note)
        if not due:
            return None
        if not reason:
            await self._forget_published(note)
            await asyncio.to_thread(_remove, folder)
        return Cleaned(folder, reason)

    async def _clean_remains(self, folder: Path, note: DeliveryNote | None) -> Cleaned | None:
        """The log of a delivery that was cut off; its worktree is its rescuer's (`daemon.saving.rescue`)."""
        if note is None or (folder / WORKTREE).exists():
            return None
        await self._forget_settled(note)
        if not self._is_due(folder, note):
            return None
        await self._forget_published(note)
        await self._forget_finished(note)
        await asyncio.to_thread(_remove, folder)
        return Cleaned(folder)

    async def _forget_settled(self, note: DeliveryNote) -> None:
        """What this machine kept for an attempt that went on, and perhaps ended, on another one."""
        task, attempt = str(note.command.task), note.command.attempt
        try:
            cache = await self._repositories.at(note.command.repository)
            await Checkpoints(cache, task, attempt, note.key).forget_here()
            await Outcomes(cache, note.key).forget_if_published(task, attempt)
        except MakimaError as error:
            logger.warning("what was kept for %s stays: %s", note.command.name, error)

    async def _forget_published(self, note: DeliveryNote) -> None:
        """With the folder goes what this machine knows of an attempt whose outcome somebody may delete."""
        try:
            cache = await self._repositories.at(note.command.repository)
            await Outcomes(cache, note.key).forget_published(str(note.command.task), note.command.attempt)
        except MakimaError as error:
            logger.warning("what was kept for %s stays: %s", note.command.name, error)

    async def _forget_finished(self, note: DeliveryNote) -> None:
        """What the attempt had finished when it was lost, and nobody came back for, as after a plan that was called
        back. Work that is nowhere else stays.
        """
        task, attempt = str(note.command.task), note.command.attempt
        try:
            cache = await self._repositories.at(note.command.repository)
            left = await Outcomes(cache, note.key).finished(task, attempt)
            if left and (left.head is None or await is_on_remote(cache, task, left.head)):
                await Outcomes(cache, note.key).forget_finished(task, attempt)
        except MakimaError as error:
            logger.warning("what was kept for %s stays: %s", note.command.name, error)

    def _is_due(self, folder: Path, note: DeliveryNote) -> bool:
        kept = self._keeping.succeeded if note.succeeded else self._keeping.failed
        return time.time() >= last_alive(folder) + kept.total_seconds()

    async def _not_seen(self, folder: Path, note: DeliveryNote) -> str:
        """Why the delivery's commit can't be said to be on the remote; empty: it was seen there, which is noted."""
        try:
            cache = await self._repositories.at(note.command.repository)
            if note.head and not await is_on_remote(cache, str(note.command.task), note.head):
                return f"its commit {note.head} is not on {cache.url.display}"
        except MakimaError as error:
            return str(error)
        await asyncio.to_thread(_note_seen, folder, note)
        return ""


async def is_on_remote(cache: RepositoryCache, task: str, commit: str) -> bool:
    """Whether a branch, an outcome or a checkpoint of `task` on the remote holds `commit` at this moment.

    Raises RepositoryError, GitUnreachable, GitError.
    """
    states = [ref for kind in ("outcomes", "checkpoints") for ref in in_all_places(f"{kind}/{task}/*")]
    there = await cache.listed("refs/heads/*", *states)
    if commit in there.values():
        return True
    if not await cache.has(commit):
        return False  # it was never taken from the worktree, so nothing that holds it can have been pushed
    await cache.fetch()
    known = [each for each in set(there.values()) if await cache.has(each)]
    return any([await _holds(cache, each, commit) for each in known])


async def _holds(cache: RepositoryCache, later: str, commit: str) -> bool:
    asked = await cache.local("merge-base", "--is-ancestor", commit, later, also=(1,))
    return asked.exit_code == 0


def _note_seen(folder: Path, note: DeliveryNote) -> None:
    ended = last_alive(folder)
    write_note(folder, note.model_copy(update={"is_seen": True}), at=ended)


def _remove(folder: Path) -> None:
    """The note goes last: of a removal that was cut off the rest is found again. The worktree goes all at once, by its
    name: `restore` may be copying it at this moment, and would take half of it for the whole.
    """
    agent_files.remove_tree(folder / _REMOVED)
    with suppress(FileNotFoundError):
        (folder / WORKTREE).rename(folder / _REMOVED)
    for inside in folder.iterdir():
        if agent_files.is_folder(inside):
            agent_files.remove_tree(inside)
    agent_files.remove_tree(folder)


def _lines(file: Path) -> list[str]:
    try:
        return agent_files.read(file.parent, file.name, _LARGEST_ALTERNATES).decode(errors="replace").splitlines()
    except OSError:
        return []
