"""What a stack and the daemons of its data folder have left on this machine, and its removal (rule 9.7).

Only what carries a mark of ours: a variable may point at any folder. Each part is taken by its own name, and is what it
should be; whatever else lies there stays, and so does what a link leads to.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from domain.errors import MakimaError, Refused
from domain.leftovers import Leftover
from runtime import answer_key
from runtime.private_file import write_private
from runtime.removal import is_folder, remove_tree
from runtime.shared_settings import SharedSettings
from runtime.started_stacks import forget_started, other_stacks
from stack import local_daemon, programs
from stack.data_folder import DataFolder, held
from stack.embedded import start_postgres
from stack.supervisor import Supervisor

Unfinished = Callable[[str], Awaitable[Sequence[str]]]
"""Given the address of a record: a line for each directive in it that has not ended."""

_REMOVED_WITHIN = 3600.0  # seconds
_LOGS = ("temporal", "postgres", "forge", "worker", "daemon")
_ANOTHER_DAEMON = "what it has not published can't be told from here: its settings are not MAKIMA_DAEMON_CONFIG's"
_EDITED = "you have written into it: add --settings, or remove it yourself"


class _Begun(BaseModel):
    """`clean.json`: what an operator has agreed to lose, so that a removal that was cut off is carried on."""

    parts: tuple[str, ...] = ()
    """Relative to the data folder."""


@dataclass(frozen=True)
class Places:
    """Where Makima keeps something outside of a data folder."""

    cache: Path
    config: Path
    """The operator's own defaults; there may be no such file."""


class Cleaning:
    """What was found; nothing else uses it until this is over."""

    def __init__(self, folder: DataFolder, places: Places, found: Sequence[Leftover]) -> None:
        self.found = tuple(found)
        self._folder = folder
        self._places = places

    async def remove(self, chosen: Iterable[Leftover]) -> None:
        """Remove these of `found`, and the data folder once nothing is left in it. OSError; may be called again. With
        none of them a removal is finished that was cut off behind its last part.
        """
        await asyncio.to_thread(self._remove, [Path(each.path) for each in chosen])

    def _remove(self, paths: Sequence[Path]) -> None:
        folder = self._folder
        inside = [path for path in paths if path.is_relative_to(folder.path)]
        if inside:
            parts = tuple(str(path.relative_to(folder.path)) for path in inside)
            write_private(folder.being_removed, _Begun(parts=parts).model_dump_json() + "\n")
        for path in paths:
            remove_tree(path, _REMOVED_WITHIN)
        around = {path.parent for path in paths if path.parent != folder.path}
        for each in (*around, folder.logs, folder.daemons, self._places.cache):
            with suppress(OSError):  # it holds something else, or is gone
                each.rmdir()
        folder.being_removed.unlink(missing_ok=True)
        if not any(_parts(folder)):
            # The mark goes last: what was cut off before is found again by it.
            forget_started(folder.path)
            folder.mark.unlink(missing_ok=True)
            with suppress(OSError):
                folder.path.rmdir()


@asynccontextmanager
async def cleaning(
    settings: SharedSettings,
    environment: Mapping[str, str],
    places: Places,
    unfinished: Unfinished,
    *,
    with_settings: bool,
) -> AsyncIterator[Cleaning]:
    """What can be removed of the settings' data folder and of `places`; `with_settings`: also what people have written.
    The folder is held meanwhile: no stack and no daemon starts in it. Refused where one runs there, and where the
    folder is not ours.
    """
    folder, edited = DataFolder(settings.data_dir), "" if with_settings else _EDITED
    beside = await asyncio.to_thread(lambda: [*_beside(places, edited), *_other_stacks(folder)])
    if not await asyncio.to_thread(_is_ours, folder):
        yield Cleaning(folder, places, beside)
        return
    async with AsyncExitStack() as exits:
        lock = await exits.enter_async_context(folder.locked())
        for home in _homes(folder):
            exits.enter_context(held(home / "lock", f"a daemon runs in {home}: end it first"))
        work = await _work(folder, settings, environment, lock, unfinished)
        yield Cleaning(folder, places, [*await asyncio.to_thread(_listed, folder, work, edited), *beside])


def _is_ours(folder: DataFolder) -> bool:
    """False: there is none. Refused where something else is there."""
    if not os.path.lexists(folder.path):
        return False
    if not is_folder(folder.path):
        raise Refused(f"{folder.path} is no folder of its own: set MAKIMA_DATA_DIR to the one that it leads to")
    if folder.path.stat().st_uid != os.geteuid():
        raise Refused(f"{folder.path} is another user's: nothing was removed")
    if not (_is_file(folder.mark) and folder.holder()) and not _homes(folder):
        raise Refused(f"{folder.path} has no mark of Makima's (up.lock): nothing was removed")
    return True


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _homes(folder: DataFolder) -> list[Path]:
    """Of the daemons that work in the folder."""
    if not is_folder(folder.daemons):
        return []
    return sorted(each for each in folder.daemons.iterdir() if is_folder(each) and _is_file(each / "lock"))


def _parts(folder: DataFolder) -> Iterable[tuple[Path, str]]:
    """Every part that is there, with what it is; the mark is none."""
    begun = {folder.path / part for part in _begun(folder)}
    database = folder.temporal_database
    files = {
        **{database.with_name(f"{database.name}{end}"): "Temporal" for end in ("", "-wal", "-shm", ".incomplete")},
        folder.postgres_password: "the record's password",
        folder.ports: "the stack's ports",
        folder.path / "stack.json": "the stack's addresses",
        folder.daemon_settings: "the daemon's settings",
        folder.path / answer_key.FILE: "the key of notices' links",
        **{folder.logs / f"{name}.log{end}": "log" for name in _LOGS for end in ("", ".1")},
    }
    files |= dict.fromkeys(folder.path.glob(".fresh-*"), "a file that was being written")
    yield from ((path, what) for path, what in files.items() if _is_file(path) and is_folder(path.parent))
    for path, what, mark in (
        (folder.postgres, "the record", "PG_VERSION"),
        (folder.postgres.with_name("postgres.new"), "a record that was being made", ""),
        (folder.forge, "the stack's own forge", "forge.json"),
    ):
        if is_folder(path) and (path in begun or not mark or _is_file(path / mark)):
            yield path, what
    # What a removal that was cut off has left of a home has no lock any more.
    left = (each for each in begun if each.parent == folder.daemons and is_folder(folder.daemons) and is_folder(each))
    for home in sorted({*_homes(folder), *left}):
        yield home, f"the daemon {home.name}: clones, worktrees, logs, sessions"


def _begun(folder: DataFolder) -> tuple[str, ...]:
    try:
        return _Begun.model_validate_json(folder.being_removed.read_bytes()).parts
    except (OSError, ValidationError):
        return ()


def _listed(folder: DataFolder, work: Mapping[Path, Sequence[str]], edited: str) -> list[Leftover]:
    agreed = {folder.path / part for part in _begun(folder)}

    def stays(path: Path) -> str:
        is_edited = path == folder.daemon_settings and path not in agreed and not programs.is_as_written(path)
        return edited if is_edited else ""

    return [_leftover(path, what, work.get(path, ()), stays(path)) for path, what in _parts(folder)]


async def _work(
    folder: DataFolder, settings: SharedSettings, environment: Mapping[str, str], lock: int, unfinished: Unfinished
) -> dict[Path, Sequence[str]]:
    """Part → what would be lost with it; of those that an operator hasn't agreed to lose already."""
    agreed = {folder.path / part for part in _begun(folder)}
    work: dict[Path, Sequence[str]] = {}
    if is_folder(folder.postgres) and folder.postgres not in agreed:
        work[folder.postgres] = await _unfinished(folder, lock, unfinished)
    if is_folder(folder.forge) and folder.forge not in agreed:
        at_forge = sorted(folder.forge.glob("repositories/*/*.git"))
        work[folder.forge] = [
            f"the repository {each.parent.name}/{each.stem}, which is there alone" for each in at_forge
        ]
    homes = [home for home in _homes(folder) if home not in agreed and _has_worked(home)]
    if homes:
        name, alone = await _only_here(settings, environment)
        for home in homes:
            work[home] = alone if name in ("", home.name) else [_ANOTHER_DAEMON]
    return work


async def _unfinished(folder: DataFolder, lock: int, unfinished: Unfinished) -> Sequence[str]:
    supervisor = Supervisor(folder.logs, lock, lambda line: None)
    try:
        folder.logs.mkdir(mode=0o700, exist_ok=True)
        return await unfinished(await start_postgres(supervisor, folder))
    except (MakimaError, OSError) as error:
        return [f"its directives can't be read: {error}"]
    finally:
        await supervisor.stop()


async def _only_here(settings: SharedSettings, environment: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    """The daemon of these settings and its work; no name: it holds of every daemon."""
    try:
        found = await local_daemon.only_here(settings, environment)
    except MakimaError as error:
        return "", [f"what it has not published can't be told: {error}"]
    return found.daemon, found.work


def _has_worked(home: Path) -> bool:
    return any(
        is_folder(home / name) and any((home / name).iterdir()) for name in ("tasks", "repositories", "restored")
    )


def _beside(places: Places, edited: str) -> Iterable[Leftover]:
    clones = places.cache / "changes"
    if is_folder(places.cache) and is_folder(clones):
        for clone in sorted(clones.glob("????????????????.git")):
            if is_folder(clone) and _is_file(clone / "HEAD"):
                yield _leftover(clone, "a clone of `diff`'s")
    if is_folder(places.cache / "agents"):
        why = "the checkouts that have run `make agents` share it: remove it yourself"
        yield _leftover(places.cache / "agents", "the coding agents of the tests", stays=why)
    if _is_file(places.config):
        yield _leftover(places.config, "your own defaults", stays=edited)


def _other_stacks(folder: DataFolder) -> Iterable[Leftover]:
    for other in other_stacks(folder.path):
        yield _leftover(other, "another stack", stays=f"MAKIMA_DATA_DIR={other} starter.py clean")


def _leftover(path: Path, what: str, work: Sequence[str] = (), stays: str = "") -> Leftover:
    return Leftover(path=str(path), what=what, size=_size(path), work=tuple(work), stays=stays)


def _size(path: Path) -> int:
    """Bytes on the disk, as far as they can be read."""
    files = (Path(at) / name for at, _, names in os.walk(path) for name in names) if is_folder(path) else (path,)
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.lstat().st_blocks * 512
    return total
