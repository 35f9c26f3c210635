"""Files in folders that an agent can write: the one way in which the daemon's own code opens them.

An agent can put anything in the place of a file: a link to another file of this machine, a pipe that nobody writes to,
a device, a file of a hundred gigabytes. So a file is opened part by part below its folder, without following a link,
without waiting, and is used only where it turns out to be a regular file of the expected size. Trees are removed
(runtime/removal.py) and copied without following a link either.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import IO

from domain.errors import HandoverBroken
from runtime.private_file import write_private
from runtime.removal import is_folder, remove_tree

__all__ = ["appending", "copy_tree", "is_folder", "matching", "opened", "read", "remove_tree", "write"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_TRAP = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1024 * 1024


@contextmanager
def opened(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """The regular file `name` below `folder`, to be read; OSError where it, or a folder on its way, is none."""
    at = os.open(folder, _FOLDER)
    try:
        *parents, last = PurePath(name).parts
        for parent in parents:
            inner = os.open(parent, _FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        file = os.open(last, os.O_RDONLY | _NO_TRAP, dir_fd=at)
    finally:
        os.close(at)
    with os.fdopen(file, "rb") as reading:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, f"{name} is not a plain file")
        yield reading


def read(folder: Path, name: str, limit: int) -> bytes:
    """What is in the regular file `name` below `folder`; OSError where it is anything else, or longer than `limit`
    bytes.
    """
    with opened(folder, name) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"{name} is not a plain file of at most {limit} bytes")
        return file.read(limit)


def write(folder: Path, name: str, content: bytes) -> None:
    """Put `content` into `folder` as `name`, whole or not at all, in place of whatever file, link or pipe is there.

    Raises HandoverBroken where a folder stands in its place, OSError where the disk doesn't take it.
    """
    try:
        write_private(folder / name, content, within=folder, synced=False)
    except IsADirectoryError as error:
        raise HandoverBroken(f"a folder stands in the place of {name} in the task folder") from error


def appending(file: Path) -> IO[str]:
    """The regular file, made where there is none, to be written to at its end; HandoverBroken where it is anything
    else.
    """
    try:
        found = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_TRAP, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise HandoverBroken(f"{file.name} is no longer the plain file that the daemon has made") from error
        raise
    if not stat.S_ISREG(os.fstat(found).st_mode) and file != Path(os.devnull):
        os.close(found)
        raise HandoverBroken(f"{file.name} is no longer the plain file that the daemon has made")
    return os.fdopen(found, "a", encoding="utf-8")


def matching(folder: Path, pattern: str, *, most: int, depth: int) -> list[str]:
    """The names below `folder`, sorted, of files that fit `pattern`: at most so many folders deep, and looked for among
    the first `most` names alone. They are to be opened with `opened`.
    """
    found, looked = [], 0
    for at, folders, files in os.walk(folder):
        inside = Path(at).relative_to(folder)
        looked += len(folders) + len(files)
        found += [str(inside / name) for name in files if fnmatch(name, pattern)]
        if len(inside.parts) >= depth:
            folders.clear()
        if looked > most:
            break
    return sorted(found)


def copy_tree(source: Path, target: Path, leave_out: str) -> None:
    """Copy regular files, folders and links into the existing folder `target`, but nothing that is called `leave_out`.

    Holes stay holes. What is anything else, can't be read, or lies too deep for a path is left out. OSError where the
    target's disk doesn't take it.
    """
    longest = max(len(os.fsencode(at)) for at in (source, target))
    waiting = [PurePath()]
    while waiting:
        inside = waiting.pop()
        for entry in _entries(source / inside):
            name = inside / entry.name
            if entry.name == leave_out or longest + len(os.fsencode(name)) >= _LONGEST_PATH:
                continue
            if entry.is_symlink():
                _copy_link(source / name, target / name)
            elif entry.is_dir():
                (target / name).mkdir(exist_ok=True)
                waiting.append(name)
            elif entry.is_file():
                _copy_file(source, target, str(name))


_LONGEST_PATH = 4000
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """All that is in it by now; nothing where it is gone, or can't be read."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return []


def _copy_link(source: Path, target: Path) -> None:
    """Nothing where it is gone, or is no link by now: that must not keep out what lies beside it."""
    try:
        leads_to = source.readlink()
    except OSError as error:
        if error.errno not in (*_GONE, errno.EINVAL):
            raise
        return
    target.symlink_to(leads_to)


def _copy_file(source: Path, target: Path, name: str) -> None:
    try:
        reading = opened(source, name)
        with reading as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            with (target / name).open("wb") as copy:
                _copy_data(file, copy)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENXIO):
            return
        raise
    (target / name).chmod(mode | stat.S_IRUSR | stat.S_IWUSR)


def _copy_data(file: IO[bytes], copy: IO[bytes]) -> None:
    size, at = os.fstat(file.fileno()).st_size, 0
    while at < size:
        try:
            at = os.lseek(file.fileno(), at, os.SEEK_DATA)
        except OSError:
            break  # nothing but a hole is left
        end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
        file.seek(at)
        copy.seek(at)
        while at < end and (piece := file.read(min(_CHUNK, end - at))):
            copy.write(piece)
            at += len(piece)
        at = max(at, end)
    copy.truncate(size)
