"""`python -m tests.attacks.machine FOLDER USER`: in namespaces of its own, lays the network, and becomes a daemon.

To be started by `unshare --user --map-root-user --net --mount`. USER is `root`, or `ordinary`: then the daemon has a
user's id, and no capability.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.attacks.machine.addresses import NAMES, OWN, OWN6, PRIVATE, WEB, WEB6

ORDINARY = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


def ip(*words: str, at: int = 0) -> None:
    entered = ("nsenter", "--target", str(at), "--net", "--") if at else ()
    subprocess.run((*entered, "ip", *words), check=True)


def main(folder: Path, user: str) -> None:
    # Its stdin ends with us; it waits for its addresses.
    reading, writing = os.pipe()
    argv = ("unshare", "--net", "--", sys.executable, "-m", "tests.attacks.machine.internet", str(folder))
    with subprocess.Popen(argv, stdin=reading, stdout=subprocess.PIPE, text=True) as internet:
        assert internet.stdout is not None
        assert internet.stdout.readline() == "waiting\n"
        lay_network(internet.pid)
        os.write(writing, b"go\n")
        assert internet.stdout.readline() == "ready\n"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
            names.bind(("127.0.0.1", 53))
            serving = (sys.executable, "-m", "tests.attacks.machine.turning_names", str(names.fileno()))
            subprocess.Popen(
                serving, stdin=reading, pass_fds=(names.fileno(),)
            )  # it ends with its stdin, as the internet
        bind(folder / "hosts", "/etc/hosts", "".join(f"{at} {' '.join(names)}\n" for at, names in NAMES.items()))
        bind(folder / "resolv.conf", "/etc/resolv.conf", "nameserver 127.0.0.1\n")
        os.set_inheritable(writing, True)
        daemon = (sys.executable, "-m", "tests.attacks.machine.delivering", str(folder))
        become = daemon if user == "root" else (*ORDINARY, *daemon)
        os.execvp(become[0], become)


def lay_network(internet: int) -> None:
    ip("link", "set", "lo", "up")
    ip("link", "add", "w0", "type", "veth", "peer", "name", "w1", "netns", str(internet))
    for address in (f"{OWN}/24", f"{PRIVATE}/24"):
        ip("addr", "add", address, "dev", "w0")
    ip("link", "set", "w0", "up")
    ip("route", "add", "default", "dev", "w0")
    ip("link", "set", "lo", "up", at=internet)
    ip("addr", "add", f"{WEB}/32", "dev", "w1", at=internet)
    ip("link", "set", "w1", "up", at=internet)
    ip("route", "add", "default", "dev", "w1", at=internet)
    ip("-6", "addr", "add", f"{WEB6}/64", "dev", "w1", "nodad", at=internet)
    ip("-6", "addr", "add", f"{OWN6}/64", "dev", "w0", "nodad")
    ip("-6", "route", "add", "default", "dev", "w0")
    ip("-6", "route", "add", "default", "dev", "w1", at=internet)


def bind(file: Path, over: str, text: str) -> None:
    file.write_text(text)
    subprocess.run(("mount", "--bind", str(file), over), check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
