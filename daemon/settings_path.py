"""A path of this machine in a daemon's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def whole(path: Path) -> Path:
    """Whole, whatever the daemon's working directory; ValueError where it is none."""
    if "\0" in str(path):
        raise ValueError("a path holds no NUL character")
    try:
        expanded = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no such user, or no home folder: write the whole path") from error
    if not expanded.is_absolute():
        raise ValueError(f"{path} must begin with / or ~")
    return expanded


SettingsPath = Annotated[Path, AfterValidator(whole)]
