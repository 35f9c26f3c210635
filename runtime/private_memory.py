"""What a process of ours has in its memory, secrets of directives and credentials, stays there."""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """From now on no core dump of this process is written, wherever the machine sends dumps, and no process of the same
    user, such as an agent without a sandbox, reads its memory or its environment or traces it. What it starts is as
    usual. Linux only; OSError where the kernel refuses.
    """
    # Not by a limit: `ulimit -c 0` is not asked where the kernel pipes dumps to a program, and is inherited by agents.
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
