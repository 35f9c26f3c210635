"""The keeper: the process between the daemon and an agent, which ends the agent's whole tree (rule 6.10, design 13).

    python -I -S …/daemon/process/keeper.py [--grace SECONDS] [--parent PID] -- COMMAND [ARGUMENT …]
    python -I -S …/daemon/process/keeper.py --serve DESCRIPTOR [--parent PID]

The command runs in a session of its own, on the keeper's stdin, stdout and stderr. The keeper is a child subreaper:
whatever double-forks, makes sessions or clears its environment, the kernel hands it to the keeper when its parent ends.
So "no child is left" means that no descendant is left, and only then does the keeper end, with the command's exit code
(128 + n for signal n, 127 for a command that isn't there). When the command has ended, what it left behind gets
SIGTERM, and SIGKILL `grace` seconds later. When the keeper gets SIGTERM, from the daemon or from the kernel because the
daemon is gone, the tree gets SIGINT, SIGTERM and SIGKILL, `grace` seconds apart. With bubblewrap as the command its PID
namespace ends with what runs in it, at once.

By the second form it keeps nothing itself. It forks a keeper for each request that comes by the socket `DESCRIPTOR`
(daemon.process.task_keeper has the other end), which is ten times as quick as starting one, and ends when the other end
is closed.

Linux only. It starts for each task, so it imports nothing of ours and little of Python's.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

# What these import is half of what a start takes: `signal`, too, which wraps the module below it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
else:
    import _signal as signal

MARK = "MAKIMA_TASK_DIR"
"""The environment variable that every process of a delivery carries, unless it clears it: its task folder."""
GRACE_SECONDS = 5.0
SANDBOX = "bwrap"
"""The program that gets no polite signal: it would end at once, and with it, by SIGKILL, all that is inside."""

REQUEST_DESCRIPTORS = 6
"""What a request brings: its text (the grace, the number of variables, these, the command's words, with NULs between
them), the command's stdin, stdout, stderr and folder, and the socket for the replies.
"""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_STOP = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_WAKE = _STOP | {signal.SIGCHLD}


class Process:
    """One of the machine's."""

    def __init__(self, pid: int, parent: int, group: int, session: int) -> None:
        self.pid, self.parent, self.group, self.session = pid, parent, group, session


def become_subreaper() -> None:
    """From now on orphaned descendants become children of this process; OSError where the kernel refuses."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def kill_strays(folder: str) -> int:
    """One round of SIGKILL for processes whose keeper is dead; says how many were still found. Call it until it says 0.

    A stray carries the mark of this task folder, or is a child that this process, a subreaper, didn't start: one in
    another session, because what the daemon starts itself (the keepers) stays in the daemon's session, and a process
    that left a session can't come back to it. Descendants of strays turn up in the next round.
    """
    own, session, found = os.getpid(), os.getsid(0), 0
    adopts = _is_subreaper()
    for process in _processes():
        # Who is no subreaper inherits nobody: a child in another session is one that it put there itself.
        if adopts and process.parent == own and process.session != session:
            found += _send(os.killpg, process.group, signal.SIGKILL)
            _reap(process.pid)
        elif _is_marked(process.pid, folder):
            found += _send(os.kill, process.pid, signal.SIGKILL)
    return found


def main(arguments: list[str]) -> int:
    """The keeper's whole life; the exit code."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options = dict(zip(arguments[:cut:2], arguments[1:cut:2], strict=True))
    parent = int(options.get("--parent", os.getppid()))
    if "--serve" in options:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        return _serve(int(options["--serve"])) if os.getppid() == parent else 128 + signal.SIGTERM
    if not _is_ready_for(parent):
        return 128 + signal.SIGTERM
    return _keep(arguments[cut + 1 :], float(options.get("--grace", GRACE_SECONDS)))


def _is_ready_for(parent: int) -> bool:
    """From now on no signal and no child is missed. False where the process that wants it is gone."""
    # Blocked, not handled: they wait for sigwait, so none can come between two lines and end us before the tree.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAKE)
    # An inherited "ignore" would make the kernel reap our children unseen.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    become_subreaper()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # One that died before the line above sends nothing any more.
    return os.getppid() == parent


def _serve(descriptor: int) -> int:
    """Fork a keeper for each request: a datagram that brings REQUEST_DESCRIPTORS."""
    from array import array  # noqa: PLC0415 (only this form needs it)
    from socket import CMSG_LEN, MSG_CMSG_CLOEXEC, socket  # noqa: PLC0415

    server, own = socket(fileno=descriptor), os.getpid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the other end is told
    room = CMSG_LEN(REQUEST_DESCRIPTORS * array("i").itemsize)
    while True:
        asked, messages, _, _ = server.recvmsg(1, room, MSG_CMSG_CLOEXEC)
        if not asked:
            return 0
        received = array("i")
        for _, _, data in messages:
            received.frombytes(data)
        if len(received) == REQUEST_DESCRIPTORS and os.fork() == 0:
            try:
                server.close()
                _keep_asked(own, *received)
            finally:
                os._exit(1)
        for each in received:
            os.close(each)


def _keep_asked(parent: int, request: int, stdin: int, stdout: int, stderr: int, cwd: int, reply: int) -> None:
    """A keeper for one request. It replies with its pid and a descriptor for it, starts the command once it is told to,
    since nobody may be there to end it any more, and replies with its exit code.
    """
    from socket import send_fds, socket  # noqa: PLC0415

    os.setpgid(0, 0)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
    os.fchdir(cwd)
    grace, count, *words = os.pread(request, os.fstat(request).st_size, 0).split(b"\0")
    variables, command = words[: int(count)], words[int(count) :]
    answer = socket(fileno=reply)
    if not _is_ready_for(parent):
        return
    send_fds(answer, [b"%d" % os.getpid()], [os.pidfd_open(os.getpid())])
    if not answer.recv(1):
        return
    os.environb.clear()
    os.environb.update(dict(each.split(b"=", 1) for each in variables))
    answer.send(b"%d" % _keep([os.fsdecode(each) for each in command], float(grace)))


def _keep(command: list[str], grace: float) -> int:
    # Python ignores SIGPIPE, nohup SIGHUP: a command expects the usual meaning of all signals.
    usual = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    try:
        pid = os.posix_spawnp(command[0], command, os.environ, setsid=True, setsigmask=(), setsigdef=usual)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
    tree = _Tree(pid, grace, is_sandbox=os.path.basename(command[0]) == SANDBOX)  # noqa: PTH119 (see _processes)
    while tree.reap() and tree.code is None:
        if signal.sigwait(_WAKE) in _STOP:
            tree.end(signal.SIGINT, signal.SIGTERM)
            break
    else:
        tree.end(signal.SIGTERM)
    return 128 + signal.SIGKILL if tree.code is None else tree.code


class _Tree:
    """All that descends from the keeper; `code` is the command's exit code once it has ended."""

    def __init__(self, command: int, grace: float, *, is_sandbox: bool) -> None:
        self.code: int | None = None
        self._command = command
        self._grace = grace
        self._spared = command if is_sandbox else None

    def reap(self) -> bool:
        """Takes in the ended children; whether any child, and so any descendant, is left."""
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._command:
                    code = os.waitstatus_to_exitcode(ended[1])
                    self.code = code if code >= 0 else 128 - code
        except ChildProcessError:
            return False
        return True

    def end(self, *polite: signal.Signals) -> None:
        """Each of these signals to all, `grace` seconds for all to go, then SIGKILL until none is left."""
        if not self.reap():
            return  # as nearly always: looking at all processes of the machine would take longer than all else
        for number in polite:
            for process in _descendants(os.getpid()):
                if process.pid != self._spared:
                    _send(os.kill, process.pid, number)
            if self._is_gone_within(self._grace):
                return
        while self.reap():
            if self._kill_children():
                signal.sigtimedwait({signal.SIGCHLD}, 0.002)
            elif not self._is_gone_within(self._grace + 1) and not self._kill_children():
                sys.stderr.write("keeper: processes of another user are left, which only that user may end\n")
                return

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.reap():
            if (left := deadline - time.monotonic()) <= 0:
                return False
            signal.sigtimedwait({signal.SIGCHLD}, left)
        return True

    def _kill_children(self) -> bool:
        """One round of SIGKILL; False where all that is left belongs to another user.

        Children are killed on sight, their children are ours in the next round. And by group, since the kernel delivers
        that to a parent and to the child being forked, or to neither: a chain of processes that fork and exit would run
        ahead of anything else. Every group is the tree's own: the command began with a new session.
        """
        own = os.getpid()
        sent = [_send(os.killpg, process.group, signal.SIGKILL) for process in _processes() if process.parent == own]
        return not sent or any(sent)


def _descendants(root: int) -> list[Process]:
    children: dict[int, list[Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    found = children.get(root, [])
    for process in found:  # the list grows as it is walked
        found += children.get(process.pid, [])
    return found


def _processes() -> Iterator[Process]:
    """All processes of the machine, the youngest pids first: those of a fork chain live only for a moment."""
    # /proc/<pid>/task/*/children would be quicker, but not every kernel is built with it.
    for name in reversed(os.listdir("/proc")):  # noqa: PTH208 (pathlib would double the keeper's start)
        if name.isdigit() and (stat := _read(f"/proc/{name}/stat")):
            # The command's name, in brackets, may hold anything, also brackets and spaces.
            _state, *numbers = stat[stat.rindex(b")") + 2 :].split(maxsplit=4)[:4]
            yield Process(int(name), *map(int, numbers))


def _is_marked(pid: int, folder: str) -> bool:
    return f"{MARK}={folder}".encode() in _read(f"/proc/{pid}/environ").split(b"\0")


def _read(path: str) -> bytes:
    """A file under /proc; nothing where its process is gone or another user's."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (see above)
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _send(kill: Callable[[int, int], None], target: int, number: int) -> bool:
    """False where the target is another user's; one that is gone needs no signal."""
    try:
        kill(target, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # somebody else's child


def _is_subreaper() -> bool:
    answer = ctypes.c_int(0)
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(answer))
    return bool(answer.value)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
