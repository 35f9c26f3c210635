"""A lock on a file between processes: the kernel's (flock), which ends with its holder."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

from domain.errors import SettingsError

_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What a file system answers that has none: NFS whose server or mount does without."""


def try_lock(descriptor: int, file: Path, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether the lock on the open `file` is held now; False: another process has it. Raises SettingsError where the
    file system has no locks: without them two daemons would work in one folder.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise SettingsError(
            f"{file.parent} lies on a file system without locks (NFS?): set MAKIMA_DATA_DIR to a folder on a local disk"
        ) from error
    return True
