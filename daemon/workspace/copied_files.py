"""Files of this machine that its owner wants in every worktree, such as settings for tests (rule 6.5)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from daemon.git.worktrees import excluding
from daemon.settings_path import SettingsPath
from domain.errors import CannotServe


def _target(text: str) -> str:
    path = PurePosixPath(text)
    if (
        path.is_absolute()
        or not path.parts
        or {"..", ".git"} & {part.lower() for part in path.parts}
        or {"\n", "\0"} & {*text}
    ):
        raise ValueError(f"{text!r} is not a path inside of a worktree")
    return str(path)


class CopiedFile(BaseModel):
    """`[[copy_files]]` of the daemon's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    source: Annotated[SettingsPath, Field(alias="from")]
    target: Annotated[str, Field(alias="to"), AfterValidator(_target)]
    """Where in the worktree."""
    repository: str = ""
    """Its address as directives name it; empty: all repositories."""


def chosen(files: Iterable[CopiedFile], repository: str) -> tuple[CopiedFile, ...]:
    """Those for a repository; pure."""
    return tuple(file for file in files if file.repository in ("", repository))


def lay_files(files: Sequence[CopiedFile], worktree: Path) -> None:
    """Put them into a worktree in which nothing has run yet, and where no `git add --all` finds them.

    Raises CannotServe where one can't be read, or where a link that the repository holds leads out of the worktree.
    """
    exclude = worktree / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    with exclude.open("a") as excluded:
        excluded.writelines(f"{excluding(file.target)}\n" for file in files)
    for file in files:
        try:
            _lay(file, worktree)
        except OSError as error:
            raise CannotServe(f"copy_files: {file.source} can't be laid at {file.target}: {error.strerror}") from error


def _lay(file: CopiedFile, worktree: Path) -> None:
    target = worktree / file.target
    parent = target.parent.resolve()
    if not parent.is_relative_to(worktree.resolve()) or ".git" in parent.relative_to(worktree.resolve()).parts:
        raise CannotServe(f"copy_files: {file.target} leads out of the worktree by a link in the repository")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy(file.source, target)
