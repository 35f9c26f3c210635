"""Repositories of this machine: which ones the daemon works on, and how it keeps their code from running (rule 6.13).

git gives a repository's own configuration and hooks to the programs that serve a push or a fetch from a local path.
They would run as the daemon, with its credentials and outside of the sandbox.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.git.config import NO_CODE_OF_THE_REPOSITORY, as_environment
from domain.errors import RepositoryError

HOOK_EVENTS = (
    *("pre-receive", "update", "post-receive", "post-update", "proc-receive", "push-to-checkout"),
    *("reference-transaction", "pre-auto-gc", "post-index-change"),
)
"""What git may run where it receives a push."""
_SUFFIXES = ("/.git", "", ".git/.git", ".git")
"""Where git looks for a repository that a path names, in this order."""
_PARTS = ("objects", "refs", "packed-refs", "HEAD", "config")
_PARTIAL = re.compile(
    r"^[^\S\n]*(?:\[[^\]\n]*\][^\S\n]*)?(?:promisor[^\S\n]*(?:$|=[^\S\n]*(?:true|yes|on|1)\b)|partialclone[^\S\n]*=)",
    re.IGNORECASE | re.MULTILINE,
)
"""What the configuration of a partial clone says, also where its packs are marked no more."""
_HOOKS = re.compile(r"hook|include", re.IGNORECASE)
_UNREAD = "hook"
"""What stands for a configuration that can't be read."""
_LONGEST_PATH = 8192
_BORROWED_FROM = 10
"""Repositories that may lend each other objects, one after the other."""
_LINKS = 40
"""The kernel's own limit for a chain of links."""


@dataclass(frozen=True)
class LocalRepositories:
    """What the daemon's settings say of repositories on this machine."""

    folders: tuple[Path, ...] = ()
    """Where they must lie; empty: anywhere."""
    refused: tuple[Path, ...] = ()
    """Where none may lie: folders that agents can write, and the daemon's own."""
    task_note: str = ""
    """The name of the file beside a task's worktree: below a folder that has it none may lie, whichever daemon's."""
    hooks: bool = False
    """Whether their hooks run, as the daemon (`local_hooks`)."""

    def git_dir(self, path: str) -> Path:
        """The git directory that `path` stands for, without links in it; RepositoryError where it is none that the
        settings allow. It is looked for anew at each use: a link may lead elsewhere by now.
        """
        try:
            return self._looked_at(path)
        except OSError as error:
            raise RepositoryError(f"{path} can't be read: {error.strerror}") from error

    def _looked_at(self, path: str) -> Path:
        found = next((git_dir for suffix in _SUFFIXES if (git_dir := _git_dir(Path(path + suffix)))), None)
        if found is None:
            raise RepositoryError(f"{path}: it does not appear to be a git repository")
        common = _common_dir(found)
        visited = {at for each in _parts_of(Path(path), found, common) for at in _visited(each)}
        self._refuse(path, visited, {found.resolve(), common.resolve()})
        _refuse_incomplete(path, common)
        return found.resolve()

    def _refuse(self, path: str, visited: set[Path], git_dirs: set[Path]) -> None:
        refused = [each.resolve() for each in self.refused]
        if any(at.is_relative_to(each) for at in visited for each in refused) or any(
            each.is_relative_to(git_dir) for each in refused for git_dir in git_dirs
        ):
            raise RepositoryError(
                f"{path} lies where agents can write, or in the daemon's own data folder: no repository is taken there"
            )
        if self.task_note and any((at / self.task_note).exists() for at in visited):
            raise RepositoryError(f"{path} lies in the folder of a task: no repository is taken there")
        folders = [each.resolve() for each in self.folders]
        if folders and not all(any(git_dir.is_relative_to(each) for each in folders) for git_dir in git_dirs):
            named = ", ".join(map(str, self.folders))
            raise RepositoryError(f"{path} lies in none of the folders of allow_local_repositories: {named}")

    def program(self, name: str, hook_names: Iterable[str], **settings: str) -> str:
        """The command line with which git starts `name` (receive-pack, upload-pack) for a local repository, so that no
        code runs that its configuration names. `hook_names`: of the hooks in that configuration.

        It is set here and not in the daemon's environment: git takes its settings away from what it starts elsewhere.
        """
        code = NO_CODE_OF_THE_REPOSITORY | {"core.alternateRefsCommand": "true"}
        if self.hooks:
            del code["core.hooksPath"]
        else:
            code |= {f"hook.{each}.enabled": "false" for each in (*HOOK_EVENTS, *hook_names)}
        # A partial clone would fetch what it lacks by itself, with programs that its configuration names.
        chosen = as_environment(code | settings) | {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}
        return " ".join((*(f"{key}={shlex.quote(value)}" for key, value in chosen.items()), "git", name))


def may_name_hooks(git_dir: Path) -> bool:
    """Whether the configuration has to be read by git to know whether it names hooks. Neither their section nor that of
    a file that is read with it can be written without its name.
    """
    places = {folder / name for folder in (git_dir, _common_dir(git_dir)) for name in ("config", "config.worktree")}
    return any(_HOOKS.search(_text(path)) for path in places if path.exists())


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape") if path.is_file() else _UNREAD
    except OSError:
        return _UNREAD


def _git_dir(path: Path) -> Path | None:
    """`path`, if it is a git directory, or the one that a `.git` file there names."""
    if path.is_file():
        with path.open(errors="surrogateescape") as file:  # it may be anything, and of any size
            path = path.parent / file.read(_LONGEST_PATH).removeprefix("gitdir:").strip()
    return path if (path / "HEAD").exists() and (_common_dir(path) / "objects").is_dir() else None


def _common_dir(git_dir: Path) -> Path:
    """Where the objects and the configuration of a linked worktree's git directory lie; else the same."""
    named = git_dir / "commondir"
    return git_dir / named.read_text(errors="surrogateescape").strip() if named.is_file() else git_dir


def _parts_of(path: Path, git_dir: Path, common: Path) -> Iterator[Path]:
    yield path.absolute()
    for folder in (git_dir, common):
        yield from (folder.absolute(), *(folder.absolute() / name for name in _PARTS))


def _visited(path: Path) -> Iterator[Path]:
    """Every place that the kernel passes on its way to `path`: whoever can write one of them decides where it ends."""
    at, links, todo = Path("/"), 0, list(reversed(path.parts[1:]))
    while todo:
        part = todo.pop()
        at = at.parent if part == ".." else at / part
        yield at
        if part != ".." and at.is_symlink():
            links += 1
            if links > _LINKS:
                raise RepositoryError(f"{path} leads through too many links")
            target = at.readlink()
            at = Path("/") if target.is_absolute() else at.parent
            todo += reversed([each for each in target.parts if each != "/"])


def _refuse_incomplete(path: str, common: Path) -> None:
    """A clone without its whole history would give our branches parents that nobody else has (rule 6.1)."""
    if (common / "shallow").is_file() and (common / "shallow").stat().st_size:
        raise RepositoryError(
            f"{path} is a shallow clone: run `git -C {shlex.quote(path)} fetch --unshallow`, "
            "or give the address of its own remote"
        )
    config = common / "config"
    is_partial = config.is_file() and bool(_PARTIAL.search(config.read_text(errors="surrogateescape")))
    for objects in _object_folders(common / "objects"):
        if is_partial or next((objects / "pack").glob("*.promisor"), None):
            raise RepositoryError(
                f"{path} is a partial clone, without all of its files: give the address of its own remote, "
                "or the path of a full clone"
            )
        if not objects.is_dir():
            raise RepositoryError(
                f"{path} borrows objects from {objects}, which is not there: give the address of its own remote, "
                "or the path of a full clone"
            )


def _object_folders(objects: Path) -> Iterator[Path]:
    """`objects`, and the folders of other repositories that it borrows from, and so on."""
    todo, known = [objects], set[Path]()
    while todo and len(known) < _BORROWED_FROM:
        at = todo.pop()
        if at in known:
            continue
        known.add(at)
        yield at
        named = at / "info" / "alternates"
        lines = named.read_text(errors="surrogateescape").splitlines() if named.is_file() else []
        todo += [at / line for line in lines if line and not line.startswith("#")]
