"""Where tool chains may lie on a machine, and which folders no tool chain is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from daemon.tool_chains.credentials import CredentialFinder, Identity, credentials_of_home, is_private
from daemon.tool_chains.tool_chain import ToolChain

_XDG = {"cache": (".cache", "XDG_CACHE_HOME"), "config": (".config", "XDG_CONFIG_HOME")}
_XDG |= {"data": (".local/share", "XDG_DATA_HOME")}
_NO_PROGRAMS = tuple(Path("/", name) for name in ("boot", "dev", "etc", "proc", "run", "sys"))
_OWN_PROGRAMS = (".local/bin", "bin")
"""Folders of a home folder in which installers lay single programs."""


@dataclass(frozen=True)
class MachinePlaces:
    """The home folder of the daemon's user, and what the daemon's environment says of it."""

    environ: Mapping[str, str]
    hidden: tuple[Path, ...] = ()
    """The daemon's own folders."""
    finder: CredentialFinder = field(default_factory=CredentialFinder)

    @cached_property
    def home(self) -> Path:
        return Path(self.environ.get("HOME") or Path.home())

    @cached_property
    def credentials(self) -> frozenset[Identity]:
        return credentials_of_home(self.home)

    @cached_property
    def _wide(self) -> set[Identity]:
        """The home folder and all above it, by whatever name they are mounted."""
        real = self.home.resolve()
        return {(status.st_dev, status.st_ino) for each in (real, *real.parents) if (status := each.stat())}

    def is_too_wide(self, real: Path) -> bool:
        """Whether a folder, given by its real path, holds more than programs: the home folder, one above it, what
        is the daemon's, and the system's folders that hold no programs.
        """
        try:
            status = real.stat()
        except OSError:
            return True
        if (status.st_dev, status.st_ino) in self._wide:
            return True
        hidden = [each.resolve() for each in self.hidden]
        if any(real.is_relative_to(each) or each.is_relative_to(real) for each in hidden):
            return True
        if is_private(real):
            return True
        return any(real.is_relative_to(each) for each in _NO_PROGRAMS)

    def expand(self, place: str, folder: Path | None = None) -> Path | None:
        """The path that a place of the table means; None: it needs the tool chain's folder, and there is none."""
        head, _, rest = place.partition("/")
        if head == "~":
            return self.home / rest
        if head == "{folder}":
            return folder / rest if folder else None
        if head.strip("{}") in _XDG:
            usual, variable = _XDG[head.strip("{}")]
            return Path(self.environ.get(variable) or self.home / usual) / rest
        return Path(place)

    def named(self, variable: str) -> Path | None:
        """What a variable of the daemon's names; None where that is no whole path."""
        value = self.environ.get(variable, "") if variable else ""
        return Path(os.path.normpath(value)) if value.startswith("/") and "\0" not in value else None

    def first_folder(self, variable: str, places: Iterable[str], folder: Path | None = None) -> Path | None:
        """The folder that the variable names, else the first of the places that is there."""
        if named := self.named(variable):
            return named if named.is_dir() else None
        found = (self.expand(place, folder) for place in places)
        return next((each for each in found if each and each.is_absolute() and each.is_dir()), None)

    def folder_of(self, chain: ToolChain) -> Path | None:
        """Where a tool chain lies; None where it doesn't, or where its folder holds more than that."""
        folder = self.first_folder(chain.variable, chain.folders)
        return folder if folder and not self.is_too_wide(folder.resolve()) else None

    def commands(self, names: Iterable[str]) -> Iterator[Path]:
        """Where these programs are."""
        folders = [Path(each) for each in self.environ.get("PATH", "").split(os.pathsep) if each.startswith("/")]
        folders += [self.home / each for each in _OWN_PROGRAMS]
        for name in names:
            found = (folder / name for folder in folders)
            if first := next((each for each in found if each.is_file() and os.access(each, os.X_OK)), None):
                yield first
