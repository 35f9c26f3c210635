"""What a daemon finds on its machine when it starts: processes and work that its predecessor's death left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from daemon.git.repositories import RepositoryCache
from daemon.processes import keeper
from daemon.runner import Machine
from daemon.saving.checkpoints import Checkpoint, Checkpoints, take_snapshot
from daemon.saving.delivery_note import DeliveryNote, last_alive, read_note
from daemon.saving.outcomes import Outcomes
from daemon.tasks.workspace import Workspace
from domain.errors import MakimaError

TRY_AGAIN = 30.0
STRAYS_WITHIN = 20.0
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


async def rescue(machine: Machine) -> list[Rescued]:
    """Before the daemon takes tasks: nothing of its predecessor runs any more, and what it left unsaved is saved here,
    so that the next delivery finds it. Asks no remote. What can't be read stays where it is.
    """
    rescued = []
    for folder in await asyncio.to_thread(_left, machine.tasks_folder):
        await _end_processes(folder)
        try:
            found = await _rescue(machine, folder)
        except (MakimaError, OSError) as error:
            logger.warning("the work in %s could not be saved and stays there: %s", folder, error)
            continue
        rescued += [found] if found else []
    return rescued


async def settle(rescued: list[Rescued]) -> None:
    """Afterwards, in the background: bring it all to the remotes, and remove the worktrees that are safe there."""
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
    snapshot = await take_snapshot(workspace.agents_worktree)
    await cache.take(workspace.work_path, snapshot.commit)
    checkpoints = _checkpoints(note, cache)
    content = await checkpoints.content(snapshot.commit)
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
        await asyncio.to_thread(shutil.rmtree, rescued.folder / "work")
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
    while await asyncio.to_thread(keeper.kill_strays, mark):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY)


def _kill_below_keepers(mark: str) -> int:
    keepers = list(_keepers(mark))
    for each in keepers:
        with contextlib.suppress(psutil.Error):
            for process in each.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    process.kill()
    return len(keepers)


def _keepers(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if keeper.__file__ in process.cmdline() and process.environ().get(keeper.MARK) == mark:
                yield process
