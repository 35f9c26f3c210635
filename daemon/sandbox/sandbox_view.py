"""What of a machine a process in the sandbox sees (rule 6.2), as operations of bubblewrap."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

View = dict[Path, tuple[str, ...]]
"""A path inside → the operation that puts something there, without that path. A deeper path covers what lies above."""

_SYSTEM = tuple(Path("/", name) for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"))
# Names, addresses, certificates, time, and what programs of /usr read here: nothing that can hold a password or a key.
_ETC = (
    *("alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version", "fonts"),
    *("gai.conf", "group", "host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias"),
    *("localtime", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd", "perl", "protocols", "python3"),
    *("resolv.conf", "services", "shells", "terminfo", "timezone"),
    *("ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf"),
    *("pki/ca-trust", "pki/java", "pki/tls/cert.pem", "pki/tls/certs", "pki/tls/openssl.cnf"),
)
_AGENTS_COMMANDS = ("cli", "domain", "runtime")
"""The packages that the `makima` command is made of."""
_SHEBANG_BYTES = 256


def system_view() -> View:
    """The system's programs and libraries, some of /etc, and /proc and /dev of the sandbox's own."""
    links = [path for path in _SYSTEM if path.is_symlink()]
    folders = [path for path in _SYSTEM if path not in links]
    etc = [*(Path("/etc", name) for name in _ETC), *Path("/etc").glob("java-*")]
    return {
        **readable([*folders, *etc]),
        **{path: ("--symlink", str(path.readlink())) for path in links},
        Path("/proc"): ("--proc",),
        # The machine's own knobs. Its root may write them without any capability; bubblewrap 0.8 leaves them open.
        Path("/proc/sys"): ("--ro-bind", "/proc/sys"),
        Path("/dev"): ("--dev",),
    }


def is_systems(path: Path) -> bool:
    """Whether every sandbox shows it already."""
    return any(path.is_relative_to(each) for each in _systems())


@cache
def _systems() -> tuple[Path, ...]:
    return tuple(path for path in system_view() if path.parts[1] not in ("proc", "dev"))


def readable(paths: Iterable[Path]) -> View:
    """These paths, where they exist, to be read: by the name given, which may lead through links, and by the real one
    that a program finds when it follows them.
    """
    return {at: ("--ro-bind-try", str(at)) for path in paths for at in (path, path.resolve())}


def writable(paths: Iterable[Path]) -> View:
    """These paths, to be changed."""
    return {path: ("--bind", str(path)) for path in paths}


def hidden(paths: Iterable[Path]) -> View:
    """These folders, empty."""
    return {at: ("--tmpfs",) for path in paths for at in (path, path.resolve())}


def own_programs() -> set[Path]:
    """Where this Python lies, and of our code no more than the agent's commands need."""
    specs = [importlib.util.find_spec(name) for name in _AGENTS_COMMANDS]
    packages = {Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()}
    return packages | {Path(sys.prefix), Path(sys.base_prefix), *folders_of(Path(sys.executable))}


def program_at(name: str, path: str | None = None) -> Path | None:
    """Where the program is found on `path` (None: the daemon's own PATH); None: nowhere."""
    found = shutil.which(name, path=path) if name else None
    return Path(found).absolute() if found else None


def folders_of(program: Path) -> Iterator[Path]:
    """What `program`, wherever it was installed, needs beside it: the folder of each link on the way to it, its own
    folder (for one from npm the modules' folder), and the same of the interpreter that its first line names.
    """
    for hop in _hops(program):
        modules = [parent for parent in hop.parents if parent.name == "node_modules"]
        folder = modules[-1] if modules else hop.parent
        # A script that lies in the home folder itself must not bring all of it along.
        yield hop if Path.home().is_relative_to(folder) else folder
    if interpreter := _interpreter(program):
        yield from folders_of(interpreter)


def _hops(program: Path) -> Iterator[Path]:
    yield program
    # The limit is the kernel's own for a chain of links.
    for _ in range(40):
        if not program.is_symlink():
            break
        program = Path(os.path.normpath(program.parent / program.readlink()))
        yield program
    yield program.resolve()


def _interpreter(program: Path) -> Path | None:
    try:
        with program.open("rb") as file:
            line = file.read(_SHEBANG_BYTES).split(b"\n")[0]
    except OSError:
        return None
    words = line[2:].decode(errors="replace").split() if line.startswith(b"#!") else []
    if words and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    found = shutil.which(words[0]) if words else None
    return Path(found) if found and Path(found) != program else None
