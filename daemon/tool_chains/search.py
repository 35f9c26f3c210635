"""Finds a tool chain on this machine, and decides what of it is shown: programs, and no file with credentials."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from daemon.sandbox.sandbox_view import is_systems
from daemon.tool_chains.credentials import MOST, holds_credentials
from daemon.tool_chains.places import MachinePlaces
from daemon.tool_chains.tool_chain import ToolChain

_ALIASES = 10
"""How often one alias may name another."""
_LONGEST_ALIAS = 200
_ALL = "*"
_PROGRAM_FOLDERS = ("bin", "conf", "include", "jmods", "legal", "lib", "lib64", "libexec", "share")
"""What is shown instead of all, where a version lies somewhere else."""


@dataclass
class FoundToolChain:
    """A tool chain of this machine; all paths are absolute."""

    name: str
    folder: Path | None
    """None: only commands or a cache of it were found."""
    versions: list[str] = field(default_factory=list)
    shown: list[Path] = field(default_factory=list)
    """By the names under which they were found."""
    masked: list[Path] = field(default_factory=list)
    """Files and folders with credentials in what is shown: they are empty in the sandbox."""
    path: list[Path] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What is not shown, with the reason."""


def search(name: str, chain: ToolChain, places: MachinePlaces) -> FoundToolChain | None:
    """None: nothing of it is on this machine. Reads folders, follows links and opens no file but the one that names the
    version in use.
    """
    folder = places.first_folder(chain.variable, chain.folders)
    found = FoundToolChain(name, folder)
    if folder is not None and places.is_too_wide(folder.resolve()):
        found.refused.append(f"{folder} leads to a folder that holds more than a tool chain")
        found.folder = folder = None
    if folder is not None:
        _Search(chain, places, folder, found).run()
    for command in places.commands(chain.commands):
        if not is_systems(command.resolve()) and _may_show(found, command, command.resolve()):
            found.shown.append(command)
            found.path.append(command.parent)
    is_there = found.shown or found.path or found.refused or found.versions
    return found if is_there else None


class _Search:
    """One tool chain in its folder."""

    def __init__(self, chain: ToolChain, places: MachinePlaces, folder: Path, found: FoundToolChain) -> None:
        self._chain = chain
        self._places = places
        self._folder = folder
        self._real = folder.resolve()
        self._found = found

    def run(self) -> None:
        for path in _matches(self._folder, self._chain.show):
            self._show(path, within=self._real)
        versions = [each for each in _matches(self._folder, self._chain.versions) if self._is_version(each)]
        for version in versions:
            self._show_version(version)
        self._found.path = [path for path in self._path(versions) if path.is_dir()]

    def _is_version(self, version: Path) -> bool:
        return version.is_dir() and next(_matches(version, self._chain.proof), None) is not None

    def _show_version(self, version: Path) -> None:
        real = version.resolve()
        is_elsewhere = not (real.is_relative_to(self._real) or is_systems(real))
        if self._places.is_too_wide(real):
            self._found.refused.append(f"{version} leads to a folder that holds more than a tool chain")
            return
        if is_elsewhere and not any(os.access(each, os.X_OK) for each in _matches(real, ("bin/*",))):
            self._found.refused.append(f"{version} leads elsewhere, and there are no programs")
            return
        self._found.versions.append(str(version.relative_to(self._folder)))
        for part in _matches(version, self._parts(is_elsewhere)):
            self._show(part, within=real)

    def _parts(self, is_elsewhere: bool) -> tuple[str, ...]:
        if is_elsewhere and _ALL in self._chain.parts:
            return _PROGRAM_FOLDERS
        return self._chain.parts

    def _show(self, path: Path, within: Path) -> None:
        real = path.resolve()
        if not (real.is_relative_to(within) or is_systems(real)):
            self._found.refused.append(f"{path} leads out of its tool chain")
        elif _may_show(self._found, path, real):
            masked = list(islice(self._credentials(path, real), MOST + 1))
            if len(masked) > MOST:
                self._found.refused.append(f"{path} holds more than {MOST} files that may hold credentials")
                return
            self._found.shown.append(path)
            self._found.masked += masked

    def _credentials(self, path: Path, real: Path) -> Iterator[Path]:
        """By both names of what holds them."""
        known = self._places.credentials
        if real.is_file():
            status = real.stat()
            if (status.st_dev, status.st_ino) in known:
                yield from {path, real}
            return
        for each in self._places.finder.find(real, known):
            yield each
            if path != real:
                yield path / each.relative_to(real)

    def _path(self, versions: list[Path]) -> Iterator[Path]:
        if self._chain.default:
            used = self._version_in_use(versions)
            yield from (used / "bin",) if used else ()
        yield from _matches(self._folder, self._chain.path)

    def _version_in_use(self, versions: list[Path]) -> Path | None:
        """The one that the default names, through aliases; else the newest."""
        ordered = sorted(versions, key=_version_number)
        assert self._chain.default is not None
        file = self._folder / self._chain.default
        for _ in range(_ALIASES):
            try:
                wanted = file.read_text(errors="replace")[:_LONGEST_ALIAS].strip()
            except OSError:
                break
            named = [each for each in ordered if _names(wanted, each.name)]
            if named:
                return named[-1]
            if ".." in wanted or wanted.startswith("/"):
                break
            file = self._folder / "alias" / wanted
        return ordered[-1] if ordered else None


def _may_show(found: FoundToolChain, path: Path, real: Path) -> bool:
    if holds_credentials(path) or holds_credentials(real):
        found.refused.append(f"{path} may hold credentials")
        return False
    return True


def _matches(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from [folder] if pattern == "." else sorted(folder.glob(pattern))


def _names(wanted: str, version: str) -> bool:
    wanted, version = wanted.removeprefix("v"), version.removeprefix("v")
    return bool(wanted) and (version == wanted or version.startswith(f"{wanted}."))


def _version_number(version: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in version.name.removeprefix("v").split(".") if part.isdecimal())
