"""Commits of tests without a process for each: loose objects, written as git writes them.

A commit takes git five processes, and most tests begin with a few.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

_SHA = re.compile(r"[0-9a-f]{40}")
_FOLDER = b"40000"
_SOMEBODY = "person@example.com <person@example.com>"


def put_commit(
    repository: Path, files: Mapping[str, str], parent: str = "", *, branch: str = "", without: Collection[str] = (),
    who: str = _SOMEBODY, message: str = "",
) -> str:  # fmt: skip
    """A commit in a bare repository: what `parent` (a revision; empty: none) holds, with `files` at its top and
    `without` these; `branch` is moved there.
    """
    message = message or f"change {', '.join(files)}"
    before = _commit_of(repository, parent) if parent else ""
    entries = _entries(repository, before) if before else {}
    for name in without:
        del entries[name.encode()]
    for name, text in files.items():
        entries[name.encode()] = (b"100644", _put(repository, "blob", text.encode()))
    # As git sorts: a folder as if its name ended with a slash.
    ordered = sorted(entries.items(), key=lambda entry: entry[0] + b"/" * (entry[1][0] == _FOLDER))
    tree = _put(repository, "tree", b"".join(b"%s %s\0%s" % (mode, name, sha) for name, (mode, sha) in ordered))
    when = f"{who} {int(time.time())} +0000"
    lines = [f"tree {tree.hex()}", *([f"parent {before}"] if before else []), f"author {when}", f"committer {when}"]
    made = _put(repository, "commit", "\n".join([*lines, "", message, ""]).encode()).hex()
    if branch:
        _git(repository, "update-ref", f"refs/heads/{branch}", made)
    return made


def _put(repository: Path, kind: str, content: bytes) -> bytes:
    whole = b"%s %d\0%s" % (kind.encode(), len(content), content)
    sha = hashlib.sha1(whole, usedforsecurity=False)
    file = _file(repository, sha.hexdigest())
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(zlib.compress(whole))
    return sha.digest()


def _get(repository: Path, kind: str, sha: str) -> bytes:
    file = _file(repository, sha)
    if file.exists():
        return zlib.decompress(file.read_bytes()).partition(b"\0")[2]
    return _git(repository, "cat-file", kind, sha)


def _file(repository: Path, sha: str) -> Path:
    return repository / "objects" / sha[:2] / sha[2:]


def _commit_of(repository: Path, revision: str) -> str:
    if _SHA.fullmatch(revision):
        return revision
    branch = repository / "refs" / "heads" / revision
    return branch.read_text().strip() if branch.is_file() else _git(repository, "rev-parse", revision).decode().strip()


def _entries(repository: Path, commit: str) -> dict[bytes, tuple[bytes, bytes]]:
    """Name → mode and hash, of a commit's top folder."""
    tree = _get(repository, "commit", commit).partition(b"\n")[0].removeprefix(b"tree ").decode()
    found = re.findall(rb"(\d+) ([^\0]+)\0(.{20})", _get(repository, "tree", tree), re.DOTALL)
    return {name: (mode, sha) for mode, name, sha in found}


def _git(repository: Path, *args: str) -> bytes:
    # What the machine's owner, or a test, has configured runs no hook here.
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(["git", f"--git-dir={repository}", *args], env=env, capture_output=True, check=True).stdout
