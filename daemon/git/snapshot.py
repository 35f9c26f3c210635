"""Makes a commit of what a worktree holds, beside the work: HEAD, index, branch and files stay as they are (SPEC 6.7).

A program of its own, handed to `python -I -S - OPTIONS` on its stdin, because it runs where the agent runs and a
sandbox shows nothing of the daemon's code: the agent's filters and configuration take part in it. OPTIONS and what it
prints are JSON: {"names", "contents": patterns of secrets, "largest": bytes} → {"commit", "left_out": {file: reason}}.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

GIT = ("git", "--git-dir=.git", "--work-tree=.", "--literal-pathspecs")
NOTHING = re.compile(r"0+")
LEFT_OUT_LIMIT = 200
"""Files that are named; a folder of keys must not become a report of megabytes."""


class Change(NamedTuple):
    """A file of the snapshot that isn't as HEAD has it."""

    path: str
    old_mode: str
    old: str
    new: str


def main() -> int:
    options = json.loads(sys.argv[1])
    names = re.compile("|".join(options["names"]), re.IGNORECASE)
    contents = re.compile("|".join(options["contents"]).encode())
    # By os and not by pathlib, whose import would double the time to start; it runs every two minutes in every task.
    with tempfile.TemporaryDirectory(dir=".git", prefix="makima-") as folder:
        index = os.path.join(folder, "index")  # noqa: PTH118
        if os.path.exists(".git/index"):  # noqa: PTH110
            shutil.copyfile(".git/index", index)
        os.environ["GIT_INDEX_FILE"] = os.path.abspath(index)  # noqa: PTH100
        left_out = add_changes(names, options["largest"])
        left_out |= take_secrets_out(names, contents, options["largest"])
        commit = git("commit-tree", git("write-tree"), "-p", git("rev-parse", "HEAD"), "-m", "Snapshot")
    print(json.dumps({"commit": commit, "left_out": dict(list(left_out.items())[:LEFT_OUT_LIMIT])}))  # noqa: T201
    return 0


def add_changes(names: re.Pattern[str], largest: int) -> dict[str, str]:
    """Bring the index to what the files are; what can be told to stay out without reading it isn't even hashed."""
    new = parts(git("ls-files", "-z", "--others", "--exclude-standard"))
    changed = parts(git("diff-files", "-z", "--name-only", "--ignore-submodules=dirty"))
    left_out = {path: reason for path in new if (reason := why_not_new(path, names))}
    left_out |= {path: reason for path in [*new, *changed] if (reason := too_large(size_of(path), largest))}
    wanted = [path for path in dict.fromkeys([*new, *changed]) if path not in left_out]
    if wanted:
        given = "\0".join(wanted)
        git("add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=given, also=(1,))
    return left_out


def take_secrets_out(names: re.Pattern[str], contents: re.Pattern[bytes], largest: int) -> dict[str, str]:
    """Put back what HEAD has of every file that mustn't go in, also of those that were in the index already."""
    changes = list(changes_to_head())
    wanted = [blob for change in changes for blob in (change.old, change.new) if not NOTHING.fullmatch(blob)]
    found = dict(secrets_in(wanted, contents, largest))
    left_out = {change.path: reason for change in changes if (reason := why_not(change, names, found))}
    back = [change for change in changes if change.path in left_out]
    if back:
        lines = "".join(f"{change.old_mode} {change.old}\t{change.path}\0" for change in back)
        git("update-index", "-z", "--index-info", stdin=lines)
    return left_out


def why_not_new(path: str, names: re.Pattern[str]) -> str:
    if path.endswith("/"):
        return "a repository of its own"
    return "its name is that of a secret" if names.fullmatch(path.rpartition("/")[2]) else ""


def why_not(change: Change, names: re.Pattern[str], found: dict[str, set[bytes] | None]) -> str:
    """Empty: it may go in. A secret that HEAD holds already is no news."""
    now = found.get(change.new, set())
    if now is None:
        return too_large(1, 0)
    if now - (found.get(change.old) or set()):
        return "it holds what looks like a secret"
    return why_not_new(change.path, names) if NOTHING.fullmatch(change.old) else ""


def too_large(size: int, largest: int) -> str:
    return "too large" if size > largest else ""


def size_of(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def changes_to_head() -> Iterator[Change]:
    fields = parts(git("diff-index", "--cached", "-z", "--raw", "--no-renames", "--no-abbrev", "HEAD"))
    for told, path in zip(fields[0::2], fields[1::2], strict=True):
        old_mode, new_mode, old, new, _ = told.lstrip(":").split(" ")
        if new_mode != "160000":  # a submodule's commit is no file
            yield Change(path, old_mode, old if old_mode != "160000" else "0" * len(new), new)


def secrets_in(blobs: list[str], contents: re.Pattern[bytes], largest: int) -> Iterator[tuple[str, set[bytes] | None]]:
    """Each blob with the secrets found in it; None for one that is too large to be read."""
    asked = "".join(f"{blob}\n" for blob in dict.fromkeys(blobs))
    known = git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).splitlines()
    sizes = {name: int(size) for name, size in (line.split() for line in known)}
    yield from ((name, None) for name, size in sizes.items() if size > largest)
    small = [name for name, size in sizes.items() if size <= largest]
    reading = subprocess.Popen((*GIT, "cat-file", "--batch"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with reading:
        assert reading.stdin
        assert reading.stdout
        for name in small:
            reading.stdin.write(f"{name}\n".encode())
            reading.stdin.flush()
            size = int(reading.stdout.readline().split()[2])
            content = reading.stdout.read(size + 1)
            yield name, {match.group() for match in contents.finditer(content)}
        reading.stdin.close()


def git(*args: str, stdin: str = "", also: tuple[int, ...] = ()) -> str:
    given = stdin.encode(errors="surrogateescape")
    done = subprocess.run((*GIT, *args), input=given, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, *also):
        raise SystemExit(f"git {args[0]} ended with {done.returncode}")
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


def parts(listing: str) -> list[str]:
    """What `-z` separates."""
    return listing.split("\0")[:-1]


def options(names: tuple[str, ...], contents: tuple[str, ...], largest: int) -> str:
    """The program's argument."""
    given: dict[str, Any] = {"names": names, "contents": contents, "largest": largest}
    return json.dumps(given)


if __name__ == "__main__":
    sys.exit(main())
