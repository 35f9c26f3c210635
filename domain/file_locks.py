"""What it means when a file system refuses a lock (flock)."""

from __future__ import annotations

import errno

from domain.errors import SettingsError

NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What a file system answers that has none: NFS whose server or mount does without."""


def refusal(folder: object, error: OSError) -> OSError | SettingsError:
    """The error to raise: where there are no locks two daemons, or two stacks, would work in one folder."""
    if error.errno not in NO_LOCKS:
        return error
    return SettingsError(
        f"{folder} lies on a file system without locks (NFS?): set MAKIMA_DATA_DIR to a folder on a local disk"
    )
