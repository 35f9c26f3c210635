"""An empty repository as `git init --template=` makes it; git says what is in one in gitrepository-layout(5)."""

from __future__ import annotations

from pathlib import Path

from daemon.git.filesystem import settings_of

_FOLDERS = ("objects/info", "objects/pack", "refs/heads", "refs/tags")


def lay_out(git_dir: Path, lender: Path | None = None, *, is_sha256: bool = False, is_bare: bool = True) -> None:
    """Make it at `git_dir`, where nothing of an agent is yet; it borrows the objects of the cache `lender`. It is one
    once it has a HEAD, which comes last: then only folders are made that have gone. Blocking; OSError.
    """
    for each in _FOLDERS:
        (git_dir / each).mkdir(parents=True, exist_ok=True)
    if lender:
        (git_dir / "objects" / "info" / "alternates").write_text(f"{lender / 'objects'}\n")
    if (head := git_dir / "HEAD").exists():
        return
    (git_dir / "config").write_text(_config(git_dir, is_sha256=is_sha256, is_bare=is_bare))
    head.with_name("HEAD.new").write_text("ref: refs/heads/main\n")
    head.with_name("HEAD.new").replace(head)


def _config(git_dir: Path, *, is_sha256: bool, is_bare: bool) -> str:
    can = settings_of(git_dir.parent)
    lines = ["[core]", f"repositoryformatversion = {int(is_sha256)}", f"filemode = {can['core.fileMode']}"]
    lines += [f"bare = {str(is_bare).lower()}"]
    lines += [] if is_bare else ["logallrefupdates = true"]
    lines += ["symlinks = false"] if can["core.symlinks"] == "false" else []
    lines += ["ignorecase = true"] if can["core.ignoreCase"] == "true" else []
    lines += ["[extensions]", "objectformat = sha256"] if is_sha256 else []
    return "".join(f"{line}\n" if line.startswith("[") else f"\t{line}\n" for line in lines)
