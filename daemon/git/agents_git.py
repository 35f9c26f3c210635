"""What of an agent's repository and files can be known without trusting either; part of the program `snapshot`.

It runs where the agent's files are, in the sandbox, and imports nothing but Python's own.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator

LOOKED_AT = 15.0
"""Seconds for a look at all files."""
LONGEST_PATH = 3800
"""Bytes of a folder's: a name in it fits behind."""
GIVEN_BY_GIT = (".gitattributes", ".gitignore", ".gitmodules")
"""What git opens in any folder."""
READ_FOLDERS = ("refs", "info", "logs")
READ_FILES = ("config", "index", "packed-refs", "config.worktree")
COMMIT = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
BRANCH = re.compile(r"refs/[^\x00-\x20]{1,1000}")
UNBORN = "its HEAD is on a new branch without a commit"


def head_of(git_dir: str) -> str:
    """The commit that HEAD names, read without git; empty: none, or nothing that could be read."""
    try:
        said = plain(f"{git_dir}/HEAD", 4096).strip()
        if said.startswith(b"ref: ") and BRANCH.fullmatch(ref := said[5:].decode(errors="replace")):
            said = _ref(git_dir, ref)
    except OSError:
        return ""
    return said.decode() if COMMIT.fullmatch(said) else ""


def why_no_head(git_dir: str) -> str:
    """Of a repository whose HEAD names no commit: whether the agent has begun a history of its own, or it is broken."""
    try:
        said = plain(f"{git_dir}/HEAD", 4096).strip().decode(errors="replace")
    except OSError:
        said = ""
    is_branch = said.startswith("ref: refs/heads/") and BRANCH.fullmatch(said.removeprefix("ref: "))
    return UNBORN if is_branch else "its HEAD names no commit"


def _ref(git_dir: str, ref: str) -> bytes:
    if ".." in ref.split("/"):
        return b""
    try:
        return plain(f"{git_dir}/{ref}", 4096).strip()
    except OSError:
        lines = plain(f"{git_dir}/packed-refs", 64 * 1024**2).splitlines()
    return next((line.split(b" ")[0] for line in lines if line.endswith(b" " + ref.encode())), b"")


def plain(path: str, limit: int) -> bytes:
    """What is in a regular file of at most `limit` bytes; OSError where it, or a folder on its way, is none."""
    *folders, name = path.split("/")
    at = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)
    with os.fdopen(file, "rb") as reading:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            raise OSError(f"{path} is not a plain file")
        return reading.read(limit)


def objects_trouble(alternates: str) -> str:
    """Why the objects of the agent's repository may not be read; empty: they may."""
    if not os.path.lexists(".git"):
        return "it was removed"
    if not is_folder(".git") or not is_folder(".git/objects"):
        return "it, or its objects, is no folder any more"
    try:
        if plain(".git/objects/info/alternates", 65536).decode(errors="replace") != alternates:
            return "its objects/info/alternates is not what it was"
    except FileNotFoundError:
        pass
    except OSError:
        return "its objects/info/alternates is no plain file"
    return next(odd_files("objects"), "")


def git_trouble() -> str:
    """Why git should not be run in the agent's repository; empty: it may try."""
    if found := [name for name in ("commondir", "shallow", "info/grafts") if os.path.lexists(f".git/{name}")]:
        return f"it has {found[0]}"
    for name in os.listdir(".git"):
        mode = os.lstat(f".git/{name}").st_mode
        if name in READ_FOLDERS and not stat.S_ISDIR(mode):
            return f"its {name} is no folder"
        if (name in READ_FILES or name.isupper()) and not stat.S_ISREG(mode):
            return f"its {name} is no plain file"
    return next((odd for folder in READ_FOLDERS for odd in odd_files(folder)), "")


def odd_files(folder: str) -> Iterator[str]:
    """What git would wait for, or would be led elsewhere by, in a folder of the agent's repository."""
    until = time.monotonic() + LOOKED_AT
    for at, folders, files in walked(f".git/{folder}"):
        for name in (*folders, *files):
            if stat.S_IFMT(os.lstat(f"{at}/{name}").st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                yield f"its {at[5:]}/{name} is no plain file"
        if time.monotonic() > until:
            yield "it holds more files than can be looked at"
            return


def walked(top: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder with what is in it. (os.walk needs a frame for each level, and fails at the thousandth.) Closed
    folders are opened for their owner. What is deeper than a path may be long is left out: git doesn't find it either.
    """
    waiting = [top]
    while waiting:
        at = waiting.pop()
        made_usable(at)
        try:
            entries = list(os.scandir(at)) if len(os.fsencode(at)) < LONGEST_PATH else []
        except OSError:
            continue
        inner = [entry.name for entry in entries if entry.is_dir()]
        yield at, inner, [entry.name for entry in entries if not entry.is_dir()]
        linked = {entry.name for entry in entries if entry.is_symlink()}
        waiting += [f"{at}/{name}" for name in reversed(inner) if name not in linked]


def unlock() -> list[str]:
    """Take away what git takes for the lock of another process, whatever it is; and let its owner change `.git`."""
    found: list[str] = []
    for at, folders, files in walked(".git"):
        folders[:] = [name for name in folders if at != ".git/objects" or name in ("info", "pack")]
        for name in [name for name in (*folders, *files) if name.endswith(".lock")]:
            path = f"{at}/{name}"
            if is_folder(path):
                os.rename(path, f".git/unlocked-{len(found)}")
                folders.remove(name)
            else:
                os.unlink(path)
            found.append(path)
    return found


def made_usable(folder: str) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK) and is_folder(folder):
        os.chmod(folder, 0o700)


def made_readable(path: str) -> bool:
    """Whether its owner can read the file now."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            os.chmod(path, stat.S_IMODE(mode) | stat.S_IRUSR)
        return stat.S_ISREG(mode)
    except OSError:
        return False


def remove_traps() -> None:
    """Remove pipes and devices, which hold nothing, from where git would open them: it waits for something. Let the
    owner of closed folders in.
    """
    until = time.monotonic() + LOOKED_AT
    for at, folders, files in walked("."):
        inside = at[2:].split("/")
        if inside[0] == ".git":
            folders.clear()
            continue
        for name in files:
            path = f"{at}/{name}"
            kind = stat.S_IFMT(os.lstat(path).st_mode)
            is_gits = ".git" in inside and kind != stat.S_IFREG
            if is_gits or (name in GIVEN_BY_GIT and kind in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK)):
                os.unlink(path)
        if time.monotonic() > until:
            return


def remove_pipes(paths: list[str]) -> None:
    """Remove what holds nothing from the places of known files: git can't commit a tree with it there."""
    for path in paths:
        try:
            if stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK):
                os.unlink(path)
        except OSError:
            continue


def set_executable(path: str, *, is_on: bool) -> None:
    """Let whoever may read the file run it, too; or nobody."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            now = stat.S_IMODE(mode)
            os.chmod(path, now | (now & 0o444) >> 2 if is_on else now & ~0o111)
    except OSError:
        return


def write_ignored(side: str) -> str:
    """What the agent has told git to ignore, beside the files that say it for everybody; the daemon's own list, and
    what the repository says, stand above it.
    """
    said = b""
    for path in (".git/info/exclude", f"{os.environ.get('HOME', '')}/.config/git/ignore"):
        try:
            said += plain_at(path) + b"\n"
        except OSError:
            continue
    with open(ignored := os.path.join(side, "ignored"), "wb") as file:
        file.write(said)
    return ignored


def plain_at(path: str) -> bytes:
    if not path.startswith("/"):
        return plain(path, 1024**2)
    before = os.getcwd()
    os.chdir("/")
    try:
        return plain(path[1:], 1024**2)
    finally:
        os.chdir(before)


def kind_of(path: str) -> tuple[bool, int]:
    """Whether it is a file or a link, and its size in bytes."""
    try:
        found = os.lstat(path)
    except OSError:
        return False, 0
    return stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode), found.st_size


def inode_changed(path: str) -> int:
    """When its inode was changed, in ns; -1: it isn't there."""
    try:
        return os.lstat(path).st_ctime_ns
    except OSError:
        return -1


def is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def quoted(path: str) -> str:
    """As git reads a path of a list that colons separate."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
