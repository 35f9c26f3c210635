"""What a child of the stack runs first: `python launch.py DEATH_SIGNAL PARENT_PID COMMAND…`, which becomes COMMAND.

A script of the standard library alone, run by its path: it starts in isolated mode, in the child, after `unshare`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie the child's life to its parent's, then become the command; the pid stays the same."""
    death_signal, parent, *command = arguments
    if sys.platform == "linux":
        # Here and not before the exec of this script: the kernel clears this setting when a process enters a user
        # namespace, which Postgres' child does on its way here.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(parent):
            sys.exit("the stack ended while this child started")  # too early for the signal, so nobody would send it
    # Python ignores SIGPIPE, a shell may have ignored SIGINT; both would be inherited by the command.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606  (becoming the command is this script's purpose)


if __name__ == "__main__":
    main(sys.argv[1:])
