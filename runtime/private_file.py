"""Files that only their owner may read, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(
    path: Path, content: str | bytes, *, within: Path | None = None, modified: int | None = None, synced: bool = True
) -> None:
    """Put `content` at `path` with mode 0600, in place of whatever file, link or pipe is there: a reader sees the old
    content or the new, never a part; so does a reboot after a crash of the machine, unless `synced` is false.

    The new file lies in `within` (default: the folder of `path`) until it is whole. `modified` is its time, in seconds
    of the epoch; default: now. Raises OSError, IsADirectoryError where a folder is at `path`.
    """
    # mkstemp makes its file with mode 0600: there is no moment at which another user could open it.
    descriptor, name = tempfile.mkstemp(prefix=".fresh-", dir=within or path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        if modified is not None:
            os.utime(name, (modified, modified))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
