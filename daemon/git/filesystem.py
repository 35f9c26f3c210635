"""What a filesystem can do, as `git init` finds out: an agent's configuration that says otherwise costs files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path


def settings_of(folder: Path) -> Mapping[str, str]:
    """git's settings for files in this folder, in which a temporary one can be made."""
    device = folder.stat().st_dev
    if device not in _KNOWN:
        _KNOWN[device] = _found_in(folder)
    return _KNOWN[device]


_KNOWN: dict[int, Mapping[str, str]] = {}
"""By filesystem: the first folder of it is looked at before any agent has been there."""


def _found_in(folder: Path) -> Mapping[str, str]:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".probe-") as name:
        probe = Path(name) / "probe"
        probe.touch()
        return {
            "core.fileMode": _said(_keeps_modes(probe)),
            "core.ignoreCase": _said(probe.with_name("PROBE").exists()),
            "core.symlinks": _said(_has_links(probe)),
        }


def _keeps_modes(file: Path) -> bool:
    before = file.stat().st_mode
    file.chmod(before ^ 0o100)
    return file.stat().st_mode != before


def _has_links(file: Path) -> bool:
    try:
        file.with_name("link").symlink_to(file)
    except OSError:
        return False
    return True


def _said(value: bool) -> str:
    return "true" if value else "false"
