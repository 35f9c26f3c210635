"""Modes that an agent has taken away from its own files: a daemon of an ordinary user could read them no more.

Only once nothing of the task runs. Nothing is followed, and nothing but the owner's own rights is given back: to enter
and change a folder, to read a file.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def unlock(folder: Path) -> None:
    """Give the owner back what lies in the folder, and the folder. What is another user's, is gone by now or lies too
    deep for a path stays as it is.
    """
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        with suppress(OSError):
            _give_back(inside, stat.S_IRWXU)
            with os.scandir(inside) as found:
                entries = list(found)
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    _give_back(Path(entry.path), stat.S_IRUSR)


def _give_back(path: Path, wanted: int) -> None:
    with suppress(OSError):
        if path.lstat().st_mode & wanted == wanted:
            return
        at = os.open(path, _PATH)
        try:
            mode = os.fstat(at).st_mode
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                # The only way to a mode of what was opened without the right to read it.
                Path(f"/proc/self/fd/{at}").chmod(stat.S_IMODE(mode) | wanted)
        finally:
            os.close(at)
