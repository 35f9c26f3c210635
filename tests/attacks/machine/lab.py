"""A machine of its own for the tests of what an agent reaches: network namespaces, a daemon and an internet in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest
import trustme

from daemon.sandbox.certificates import CERTIFICATES
from tests.attacks.machine.addresses import NAMES
from tests.attacks.machine.delivering import Delivered, Order
from tests.needs import need

ROOT = Path(__file__).parents[3]
PRELUDE = """\
say() { name="$1"; shift; printf '%s: %s\\n' "$name" "$("$@" 2>&1 | tr '\\n' ' ')"; }
"""


class Lab:
    """The machine, from outside: each `does` is a delivery there."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self.folder = folder

    def does(self, script: str, *, env: Mapping[str, str] | None = None, **fields: Any) -> Delivered:
        """What came of a shell script in place of an agent; `fields` of an Order, or of the agent's settings."""
        order = {name: fields.pop(name) for name in list(fields) if name in Order.model_fields}
        agent = {"kind": "command", "argv": ["sh", "-c", PRELUDE + script], "env": dict(env or {}), **fields}
        return self.delivers(Order.model_validate({"agent": agent, **order}))

    def delivers(self, order: Order) -> Delivered:
        assert self._process.stdin is not None
        self._process.stdin.write(order.model_dump_json() + "\n")
        self._process.stdin.flush()
        return Delivered.model_validate_json(_line(self._process.stdout))


def _line(pipe: IO[str] | None) -> str:
    assert pipe is not None
    line = pipe.readline()
    assert line, "the machine of the test has ended"
    return line


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Lab]]:
    """By who the daemon is: `root`, and an `ordinary` user."""
    for program, package in (("bwrap", "bubblewrap"), ("ip", "iproute2"), ("curl", "curl"), ("unshare", "util-linux")):
        need(program, package)
    found = {user: start(user, tmp_path_factory.mktemp(user)) for user in ("root", "ordinary")}
    processes = [process for process, _ in found.values()]
    try:
        for process in processes:
            assert _line(process.stdout) == "ready\n"
        yield {user: Lab(*made) for user, made in found.items()}
    finally:
        for process in processes:
            process.communicate()  # with the end of its input it ends, too
    assert [process.returncode for process in processes] == [0, 0]


def start(user: str, folder: Path) -> tuple[subprocess.Popen[str], Path]:
    authority = trustme.CA()
    names = (*(name for names in NAMES.values() for name in names), *NAMES)
    certificate = authority.issue_cert(*names)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    certificates = dict.fromkeys(CERTIFICATES - {"SSL_CERT_DIR"}, str(folder / "ca.pem"))
    environ.pop("SSL_CERT_DIR", None)
    argv = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--")
    return (
        subprocess.Popen(
            (*argv, sys.executable, "-m", "tests.attacks.machine", str(folder), user),
            cwd=ROOT,
            env=environ | certificates,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ),
        folder,
    )


@pytest.fixture(params=["root", "ordinary"])
def lab(request: pytest.FixtureRequest, labs: Mapping[str, Lab]) -> Lab:
    return labs[request.param]


@pytest.fixture
def ordinary(labs: Mapping[str, Lab]) -> Lab:
    return labs["ordinary"]
