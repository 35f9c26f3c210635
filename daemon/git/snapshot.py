"""Makes a commit of what a worktree's files are, in a repository of the daemon's own (rule 6.7, docs/decisions/0020).

A program of its own, handed to `python -I -S - SIDE OPTIONS` on its stdin (`daemon.git.side_repository`), run in the
worktree, because a sandbox shows nothing of the daemon's code and lets no link lead out. SIDE is the daemon's
repository: its index, objects and configuration, which nothing that the agent runs can see. Of the agent's `.git` only
HEAD, the index's names and the objects are read, and only as data: none of its configuration counts here, and without
it the files are saved all the same. OPTIONS is a JSON file (`Options`), and JSON is printed (`Answer`); the objects
that the daemon lacks are left in SIDE/out.pack.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple, TypedDict

from daemon.git.agents_git import (
    git_trouble,
    head_of,
    kind_of,
    made_readable,
    objects_trouble,
    plain,
    quoted,
    remove_pipes,
    remove_traps,
    unlock,
)
from daemon.git.side_git import FIRST_TRY, LAST_HEAD, MEMORY, Git, Waited, environment

LEFT_OUT_LIMIT = 200
"""Files that are named; a folder of keys must not become a report of megabytes."""
LAST_TRY = 200.0
NOTHING = re.compile(r"0+")


class Options(TypedDict):
    names: list[str]
    """Patterns of secrets, of whole file names."""
    contents: list[str]
    """Patterns of secrets in files."""
    largest: int
    """Bytes of a file that is saved."""
    alternates: str
    """The only content that the agent's objects/info/alternates may have."""
    known: list[str]
    """Commits that the daemon has, the last one being where the agent began."""
    never: list[str]
    """Files of this machine that lie here, and folders of what setup has made."""
    take: list[str]
    """Commits to be packed in place of a snapshot."""
    is_over: bool
    """Nothing of the task runs any more: what it locked stays locked by nobody."""
    distrust: bool
    """The agent's own commits turned out to be broken."""


class Answer(TypedDict):
    commit: str
    head: str
    """What the commit's parent is: the agent's HEAD, or where it was last known to be."""
    left_out: dict[str, str]
    """File → why it isn't in there."""
    trouble: str
    """Why the agent's own repository can't be used as it is; empty: it can."""
    unlocked: list[str]
    """Lock files that were removed."""


class Change(NamedTuple):
    """A file of the snapshot that isn't as its parent has it."""

    path: str
    old_mode: str
    old: str
    new: str


def main() -> int:
    side = sys.argv[1]
    with open(sys.argv[2]) as file:
        options: Options = json.load(file)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.environ.update(environment(side))
    answer: Answer = {"commit": "", "head": "", "left_out": {}, "trouble": "", "unlocked": []}
    if options["is_over"]:
        answer["unlocked"] = unlock()
        remove_traps()
    unread = objects_trouble(options["alternates"])
    answer["trouble"] = unread or git_trouble()
    objects = quoted(os.path.abspath(".git/objects"))
    os.environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = "" if unread or options["distrust"] else objects
    git = Git(side, FIRST_TRY)
    try:
        save(git, options, answer)
    except Waited:
        remove_traps()
        save(Git(side, LAST_TRY), options, answer)
    print(json.dumps(answer))
    return 0


def save(git: Git, options: Options, answer: Answer) -> None:
    if options["take"]:
        git.pack(options["take"], options["known"])
        return
    if not answer["trouble"] and not git.borrows(options["known"][-1]):
        answer["trouble"] = "it has nothing of what the work began with"
        options["distrust"] = True
    found = "" if options["distrust"] else head_of(".git")
    if found and not git.has_all(found, options["known"]):
        answer["trouble"] = answer["trouble"] or f"its commit {found} is not whole"
        found = ""
    elif not found:
        why = "what it holds is not whole" if options["distrust"] else "its HEAD names no commit"
        answer["trouble"] = answer["trouble"] or why
    head = found or git.last_head(options["known"])
    files = Files(git, options, head)
    answer["head"], answer["left_out"] = head, dict(list(files.add().items())[:LEFT_OUT_LIMIT])
    answer["commit"] = git("commit-tree", git("write-tree"), "-p", head, "-m", "Snapshot")
    git.pack([answer["commit"]], options["known"])
    if found:
        git("update-ref", LAST_HEAD, found)


class Files:
    """The files, brought into the daemon's index."""

    def __init__(self, git: Git, options: Options, head: str) -> None:
        self._git = git
        self._head = head
        self._names = re.compile("|".join(options["names"]), re.IGNORECASE)
        self._contents = re.compile("|".join(options["contents"]).encode())
        self._largest = options["largest"]
        self._is_over = options["is_over"]
        self._never = frozenset(path.rstrip("/") for path in options["never"])
        if not os.path.exists(os.path.join(git.side, "index")):
            git("read-tree", head)

    def add(self) -> dict[str, str]:
        """Bring the index to what the files are; what stays out, and why. What can be told to stay out without reading
        it isn't even hashed.
        """
        git = self._git
        new = [path for path in parts(git("ls-files", "-z", "--others", "--exclude-standard")) if self._may(path)]
        changed, gone = self._changed()
        # The agent may have made git know what is ignored.
        new += [path for path in self._forced() if path not in gone]
        left_out = {path: reason for path in new if (reason := self._why_not_new(path))}
        kinds = {path: kind_of(path) for path in dict.fromkeys([*new, *changed]) if path not in left_out}
        left_out |= {path: "too large" for path, (_, size) in kinds.items() if size > self._largest}
        self._update([path for path, (is_file, _) in kinds.items() if is_file and path not in left_out], left_out)
        missing = [*gone, *(path for path, (is_file, _) in kinds.items() if not is_file and path in changed)]
        if self._is_over:
            remove_pipes(missing)
        if missing:
            git("update-index", "-z", "--force-remove", "--stdin", stdin="".join(f"{each}\0" for each in missing))
        return left_out | self._take_secrets_out()

    def _may(self, path: str) -> bool:
        at = path.rstrip("/")
        while at:
            if at in self._never:
                return False
            at = at.rpartition("/")[0]
        return True

    def _changed(self) -> tuple[dict[str, None], dict[str, None]]:
        """The known files that are not as the index has them, and those that are gone."""
        fields = parts(self._git("diff-files", "-z", "--raw", "--no-renames", "--ignore-submodules=dirty"))
        changed: dict[str, None] = {}
        gone: dict[str, None] = {}
        for told, path in zip(fields[0::2], fields[1::2], strict=True):
            (gone if told.endswith("D") else changed)[path] = None
        return changed, {path: None for path in gone if path not in changed}

    def _forced(self) -> list[str]:
        """What the agent's commits and its index know and our index doesn't."""
        git, own = self._git, "agents-index"
        wanted = ("diff-index", "--cached", "--name-only", "--diff-filter=D", "-z", "--no-renames", self._head)
        names = parts(git(*wanted))
        copy = os.path.join(git.side, own)
        try:
            with open(copy, "wb") as file:
                file.write(plain(".git/index", 512 * 1024**2))
        except OSError:
            return [path for path in names if kind_of(path)[0]]
        listed = git.run("ls-files", "-z", "--cached", index=copy)
        known = frozenset(parts(git("ls-files", "-z", "--cached")))
        names += parts(listed.stdout.decode(errors="surrogateescape")) if listed.returncode == 0 else []
        return [path for path in dict.fromkeys(names) if path not in known and kind_of(path)[0] and self._may(path)]

    def _update(self, paths: list[str], left_out: dict[str, str]) -> None:
        """Hash them all at once; where one can't be, by halves, until it is found."""
        if not paths:
            return
        given = "".join(f"{path}\0" for path in paths)
        done = self._git.run("update-index", "-z", "--add", "--remove", "--replace", "--stdin", stdin=given)
        if done.returncode == 0:
            return
        if len(paths) == 1:
            if (
                not made_readable(paths[0])
                or self._git.run(
                    "update-index", "-z", "--add", "--remove", "--replace", "--stdin", stdin=given
                ).returncode
            ):
                left_out[paths[0]] = "it can't be read"
            return
        half = len(paths) // 2
        self._update(paths[:half], left_out)
        self._update(paths[half:], left_out)

    def _take_secrets_out(self) -> dict[str, str]:
        """Put back what the parent has of every file that mustn't go in."""
        changes = list(self._changes())
        wanted = [blob for change in changes for blob in (change.old, change.new) if not NOTHING.fullmatch(blob)]
        found = dict(self._secrets_in(wanted))
        left_out = {change.path: reason for change in changes if (reason := self._why_not(change, found))}
        back = [change for change in changes if change.path in left_out]
        if back:
            lines = "".join(f"{change.old_mode} {change.old}\t{change.path}\0" for change in back)
            self._git("update-index", "-z", "--index-info", stdin=lines)
        return left_out

    def _why_not_new(self, path: str) -> str:
        if path.endswith("/"):
            return "a repository of its own"
        return "its name is that of a secret" if self._names.fullmatch(path.rpartition("/")[2]) else ""

    def _why_not(self, change: Change, found: dict[str, set[bytes] | None]) -> str:
        """Empty: it may go in. A secret that the parent holds already is no news."""
        now = found.get(change.new, set())
        if now is None:
            return "too large"
        if now - (found.get(change.old) or set()):
            return "it holds what looks like a secret"
        return self._why_not_new(change.path) if NOTHING.fullmatch(change.old) else ""

    def _changes(self) -> Iterator[Change]:
        asked = ("diff-index", "--cached", "-z", "--raw", "--no-renames", "--no-abbrev", self._head)
        fields = parts(self._git(*asked))
        for told, path in zip(fields[0::2], fields[1::2], strict=True):
            old_mode, new_mode, old, new, _ = told.lstrip(":").split(" ")
            if new_mode != "160000":  # a submodule's commit is no file
                yield Change(path, old_mode, old if old_mode != "160000" else "0" * len(new), new)

    def _secrets_in(self, blobs: list[str]) -> Iterator[tuple[str, set[bytes] | None]]:
        """Each blob with the secrets found in it; None for one that is too large to be read."""
        asked = "".join(f"{blob}\n" for blob in dict.fromkeys(blobs))
        known = self._git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).splitlines()
        sizes = {name: int(size) for name, size in (line.split() for line in known)}
        yield from ((name, None) for name, size in sizes.items() if size > self._largest)
        reading = subprocess.Popen(("git", "cat-file", "--batch"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with reading:
            assert reading.stdin
            assert reading.stdout
            for name in (name for name, size in sizes.items() if size <= self._largest):
                reading.stdin.write(f"{name}\n".encode())
                reading.stdin.flush()
                size = int(reading.stdout.readline().split()[2])
                content = reading.stdout.read(size + 1)
                yield name, {match.group() for match in self._contents.finditer(content)}
            reading.stdin.close()


def parts(listing: str) -> list[str]:
    """What `-z` separates."""
    return listing.split("\0")[:-1]


if __name__ == "__main__":
    sys.exit(main())
