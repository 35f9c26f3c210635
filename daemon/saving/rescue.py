"""What a daemon finds on its machine when it starts: processes and work that its predecessor's death left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil

from daemon import agent_files
from daemon.git.repository_cache import RepositoryCache
from daemon.git.side_repository import NAME as SIDE
from daemon.machine import Machine
from daemon.process import keeper
from daemon.saving.checkpoints import UNSAVED, Checkpoint, Checkpoints
from daemon.saving.outcomes import Outcomes
from daemon.saving.set_aside import begin_rescue, end_rescue, set_aside
from daemon.workspace.delivery_note import DeliveryNote, last_alive, read_note
from daemon.workspace.workspace import Workspace
from domain.errors import MakimaError, ProcessTimedOut, WorktreeBroken

TRY_AGAIN = 30.0
STRAYS_WITHIN = 20.0
RESCUED_WITHIN = 90.0
"""Seconds for one folder, in which an agent may have laid anything."""
AT_ONCE = 4
LOOK_EVERY = 0.05

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rescued:
    """The work of a dead delivery, in this machine's cache; its worktree may go once the remote has it too."""

    folder: Path
    note: DeliveryNote
    cache: RepositoryCache
    checkpoint: Checkpoint | None
    """None: there was nothing to save."""


class Rescue:
    """Beside the taking of tasks: nothing of the predecessor runs any more, and what it left unsaved is saved here, in
    seconds for each folder. A delivery of the same attempt waits for that (`of`); no other one does.
    """

    def __init__(self, machine: Machine, within: float = RESCUED_WITHIN) -> None:
        """To be made before the daemon takes a task: it is about the folders that are there then. `within`: seconds for
        one folder.
        """
        self._machine = machine
        self._within = within
        self._room = asyncio.Semaphore(AT_ONCE)
        noted = {folder: read_note(folder) for folder in _left(machine.tasks_folder)}
        self._left = {folder: note for folder, note in noted.items() if note is None or not note.is_over}
        self._saved = {folder: asyncio.get_running_loop().create_future() for folder in self._left}

    async def of(self, task: UUID, attempt: int) -> None:
        """Wait until what is left of this attempt is saved, or can't be."""
        of_it = [
            self._saved[folder]
            for folder, note in self._left.items()
            if note and (note.command.task, note.command.attempt) == (task, attempt)
        ]
        if of_it:
            await asyncio.wait(of_it)

    async def run(self) -> None:
        """Save it all, then bring it to the remotes, and remove the worktrees that are safe there."""
        await settle(await self.save())

    async def save(self) -> list[Rescued]:
        """Save it all on this machine; asks no remote. What can't be read stays where it is."""
        rescued = await asyncio.gather(*(self._one(folder) for folder in self._left))
        return [each for each in rescued if each]

    async def _one(self, folder: Path) -> Rescued | None:
        try:
            async with self._room:
                return await self._within_bounds(folder)
        finally:
            self._saved[folder].set_result(None)

    async def _within_bounds(self, folder: Path) -> Rescued | None:
        """A folder that defeats it is set aside: what an agent has laid there must not hold every later start."""
        if await asyncio.to_thread(begin_rescue, folder):
            return None
        try:
            async with asyncio.timeout(self._within):
                await _end_processes(folder)
                rescued = await _rescue(self._machine, folder)
        except (WorktreeBroken, ProcessTimedOut, TimeoutError) as error:
            reason = str(error) or f"it took longer than {self._within:g} s"
            logger.warning("the work in %s can't be saved; it stays there, and is not tried again: %s", folder, reason)
            await asyncio.to_thread(set_aside, folder, reason)
            return None
        except (MakimaError, OSError) as error:
            logger.warning("the work in %s could not be saved and stays there: %s", folder, error)
            rescued = None
        await asyncio.to_thread(end_rescue, folder)
        return rescued


async def settle(rescued: list[Rescued]) -> None:
    """Bring it all to the remotes, and remove the worktrees that are safe there."""
    left = list(rescued)
    while left:
        left = [each for each in left if not await _settled(each)]
        if left:
            await asyncio.sleep(TRY_AGAIN)


async def _rescue(machine: Machine, folder: Path) -> Rescued | None:
    note = read_note(folder)
    if note is None or note.is_over or not (folder / "work").exists():
        return None
    cache = await machine.repositories.at(note.command.repository)
    if not note.began:
        return Rescued(folder, note, cache, None)
    workspace = Workspace.at(folder, note.command, note.delivery, machine.identity, machine.sandbox, cache.folder)
    with contextlib.closing(workspace.keeper):
        side = workspace.side_repository(cache)
        if note.command.base_commit and not await cache.has(note.began):
            await side.take(note.began, [note.command.base_commit])
        snapshot = await side.snapshot([note.began], UNSAVED, is_over=True)
    checkpoints = _checkpoints(note, cache)
    content = await checkpoints.content(snapshot)
    if await checkpoints.is_untouched(content, note.began):
        return Rescued(folder, note, cache, None)
    # Dated when the work was last alive: what another machine has done since, from an older state, is newer.
    at = max(last_alive(folder), await checkpoints.saved_at(note.delivery) + 1)
    return Rescued(folder, note, cache, await checkpoints.keep(content, _rescuer(note), note.began, at, note.merging))


async def _settled(rescued: Rescued) -> bool:
    """Whether there is nothing left to try."""
    note, checkpoints = rescued.note, _checkpoints(rescued.note, rescued.cache)
    try:
        if rescued.checkpoint and (refusal := await checkpoints.publish(rescued.checkpoint, _rescuer(note))):
            logger.warning("the work of %s is saved on this machine only: %s", note.command.name, refusal)
            return True
        if await Outcomes(rescued.cache, note.key).find_outcome(str(note.command.task), note.command.attempt):
            await checkpoints.forget()
        for inside in (rescued.folder / "work", rescued.folder / SIDE):
            await asyncio.to_thread(agent_files.remove_tree, inside)
    except (MakimaError, OSError) as error:
        logger.warning("the work of %s waits on this machine: %s", note.command.name, error)
        return False
    return True


def _rescuer(note: DeliveryNote) -> str:
    """A name of its own: where this home is a copy, the delivery itself lives elsewhere and saves newer work."""
    return f"{note.delivery}-rescued"


def _checkpoints(note: DeliveryNote, cache: RepositoryCache) -> Checkpoints:
    return Checkpoints(cache, str(note.command.task), note.command.attempt, note.key)


def _left(tasks: Path) -> list[Path]:
    return [folder for folder in sorted(tasks.iterdir()) if folder.is_dir()] if tasks.exists() else []


async def _end_processes(folder: Path) -> None:
    """End what still runs for this delivery: below its keeper first, for what has cleared its environment is known by
    nothing else, and would escape if the keeper went before it.
    """
    mark = str((folder / "task").absolute())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STRAYS_WITHIN):
            while await asyncio.to_thread(_kill_below_keepers, mark):  # noqa: ASYNC110 (nobody tells us)
                await asyncio.sleep(LOOK_EVERY)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STRAYS_WITHIN):
            while await asyncio.to_thread(keeper.kill_strays, mark):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY)


def _kill_below_keepers(mark: str) -> int:
    """Keepers below keepers end by themselves, once nothing is left for them to keep."""
    keepers = {each.pid: each for each in _keepers(mark)}
    for each in keepers.values():
        with contextlib.suppress(psutil.Error):
            for process in each.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if process.pid not in keepers:
                        process.kill()
    return len(keepers)


def _keepers(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if keeper.__file__ in process.cmdline() and process.environ().get(keeper.MARK) == mark:
                yield process
