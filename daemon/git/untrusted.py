"""Checks on a repository that an agent had in its hands, made before the daemon's git reads from it (SPEC 6.2)."""

from __future__ import annotations

import os
from pathlib import Path

from domain.errors import GitError


def refuse_borrowed_objects(worktree: Path, cache: Path) -> None:
    """Raise GitError unless the worktree's objects are its own or the cache's.

    An agent in a sandbox could otherwise name a commit of any other repository of this machine, have the daemon find
    it through a link or an alternate, and see it pushed to the remote.
    """
    git_dir = worktree / ".git"
    links = [name for name in ("commondir", "shallow", "info/grafts") if os.path.lexists(git_dir / name)]
    links += [str(found.relative_to(git_dir)) for found in _links(git_dir)]
    if links:
        raise GitError(f"{git_dir} is not the repository that was made for this task: it has {', '.join(links[:3])}")
    alternates = git_dir / "objects" / "info" / "alternates"
    if not alternates.is_file() or alternates.read_text().split("\n") != [str(cache / "objects"), ""]:
        raise GitError(f"{alternates} no longer names {cache / 'objects'} alone")


def _links(git_dir: Path) -> list[Path]:
    top = [path for path in (git_dir, git_dir / "objects") if path.is_symlink() or not path.is_dir()]
    if top:
        return top
    inside = (Path(folder, name) for folder, *names in os.walk(git_dir / "objects") for name in names[0] + names[1])
    return [path for path in inside if path.is_symlink()]
