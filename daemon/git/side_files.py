"""The files of a worktree, brought into the daemon's own index; part of the program `snapshot`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple, TypedDict

from daemon.git.agents_git import inode_changed, kind_of, made_readable, plain, remove_pipes, set_executable
from daemon.git.arguments import batches
from daemon.git.side_git import SideGit

NOTHING = re.compile(r"0+")
TOO_LARGE = "too large"
REFUSED = "git refuses it"
MOST_MODES = 1000
"""Files that git alone was told the mode of."""
_REMEMBERED = re.compile(r"([^\0]+)\0  ctime: (\d+):(\d+)\n(?:  [a-z]+: .*\n){4}")


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
    beside: bool
    """Save the commits beside HEAD, too."""
    refused: list[str]
    """Names of files that git reads itself, and whose content it doesn't take."""


class ChangedEntry(NamedTuple):
    """A file of the snapshot that isn't as its parent has it."""

    path: str
    old_mode: str
    old: str
    new: str


class Files:
    """The files, brought into the daemon's index."""

    def __init__(self, git: SideGit, options: Options, head: str) -> None:
        self._git = git
        self._head = head
        self._names = re.compile("|".join(options["names"]), re.IGNORECASE)
        self._contents = re.compile("|".join(options["contents"]).encode())
        self._largest = options["largest"]
        self._is_over = options["is_over"]
        self._refused = frozenset(options["refused"])
        self._never = frozenset(path.rstrip("/") for path in options["never"])
        if not os.path.exists(os.path.join(git.side, "index")):
            git("read-tree", head)
        self._agents_copy = self._copied_index()
        self._agents_entries = self._entries_of(self._agents_copy)
        self.may_be_unmerged = self._agents_entries is None or any(mark == "M" for mark, _ in self._agents_entries)
        """The agent's index holds a conflict, as far as it can be read."""

    def add(self) -> dict[str, str]:
        """Bring the index to what the files are; what stays out, and why. What can be told to stay out without reading
        it isn't even hashed.
        """
        git = self._git
        listed = marked(git("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard"))
        new = [path for mark, path in listed if mark == "?" and self._may(path)]
        changed, gone = self._changed()
        # The agent may have made git know what is ignored.
        known = frozenset(path for mark, path in listed if mark != "?")
        new += [path for path in self._forced(known) if path not in gone]
        left_out = {path: reason for path in new if (reason := self._why_not_new(path))}
        left_out |= {path: REFUSED for path in (*new, *changed) if self._is_refused(path)}
        kinds = {path: kind_of(path) for path in dict.fromkeys([*new, *changed]) if path not in left_out}
        left_out |= {path: TOO_LARGE for path, (_, size) in kinds.items() if size > self._largest}
        wanted = [path for path, (is_file, _) in kinds.items() if is_file and path not in left_out]
        told = self._update(wanted, left_out)
        lines = frozenset(told.split("\n"))
        taken = {path for path in wanted if (f"add '{path}'" in (told if "\n" in path else lines))}
        left_out |= {path: REFUSED for path in wanted if path not in taken and path not in left_out}
        missing = [*gone, *(path for path, (is_file, _) in kinds.items() if not is_file and path in changed)]
        if self._is_over:
            remove_pipes(missing)
        if missing:
            git("update-index", "-z", "--force-remove", "--stdin", stdin="".join(f"{each}\0" for each in missing))
        self._keep_hidden()
        self._take_modes()
        return left_out | self._take_secrets_out()

    def _keep_hidden(self) -> None:
        """What the agent has git leave out of its worktree (`git sparse-checkout`) isn't there, and not deleted."""
        agents = self._agents_entries or ()
        hidden = frozenset(path for mark, path in agents if mark == "S" and not os.path.lexists(path))
        if hidden:
            entries = parts(self._git("ls-tree", "-r", "-z", "--full-tree", self._head))
            lines = "".join(f"{entry}\0" for entry in entries if entry.partition("\t")[2] in hidden)
            self._git("update-index", "-z", "--index-info", stdin=lines)

    def _take_modes(self) -> None:
        """Take the modes that the agent has given to git alone (`git add --chmod=+x`), and once nothing runs any more
        give them to the files, or git would take them back with the next commit.
        """
        told = {path: mode for path, mode in self._told_modes().items() if self._may(path)}
        known = [
            entry for names in batches(told) for entry in parts(self._git("ls-files", "-z", "--stage", "--", *names))
        ]
        lines = ""
        for entry in known:
            (_, blob, _), path = entry.partition("\t")[0].split(" "), entry.partition("\t")[2]
            if mode := told.get(path):
                lines += f"{mode} {blob}\t{path}\0"
                if self._is_over:
                    set_executable(path, is_on=mode == "100755")
        if lines:
            self._git("update-index", "-z", "--index-info", stdin=lines)

    def _told_modes(self) -> dict[str, str]:
        """File → mode, where the agent's index has another one than the disk, and the file was not touched since."""
        if not (copy := self._agents_copy):
            return {}
        asked = ("diff-files", "-z", "--raw", "--no-renames", "--ignore-submodules=all")
        fields = parts(self._listed(asked, copy) or "")
        modes = {
            path: told[1:7]
            for told, path in zip(fields[0::2], fields[1::2], strict=True)
            if {told[1:7], told[8:14]} == {"100644", "100755"}
        }
        told = list(modes)[:MOST_MODES]
        known: dict[str, int] = {}
        for names in batches(told):
            known |= changed_at(self._listed(("ls-files", "-z", "--debug", "--", *names), copy) or "")
        return {path: modes[path] for path in told if path in known and known[path] == inode_changed(path)}

    def _listed(self, asked: tuple[str, ...], index: str) -> str | None:
        done = self._git.run(*asked, index=index)
        return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else None

    def _may(self, path: str) -> bool:
        at = path.rstrip("/")
        while at:
            if at in self._never:
                return False
            at = at.rpartition("/")[0]
        return True

    def _is_refused(self, path: str) -> bool:
        return path.rpartition("/")[2] in self._refused

    def _changed(self) -> tuple[dict[str, None], dict[str, None]]:
        """The known files that are not as the index has them, and those that are gone."""
        fields = parts(self._git("diff-files", "-z", "--raw", "--no-renames", "--ignore-submodules=dirty"))
        changed: dict[str, None] = {}
        gone: dict[str, None] = {}
        for told, path in zip(fields[0::2], fields[1::2], strict=True):
            (gone if told.endswith("D") else changed)[path] = None
        return changed, {path: None for path in gone if path not in changed}

    def _forced(self, known: frozenset[str]) -> list[str]:
        """What the agent's commits and its index know and our index doesn't."""
        git = self._git
        wanted = ("diff-index", "--cached", "--name-only", "--diff-filter=D", "-z", "--no-renames", self._head)
        names = parts(git(*wanted))
        names += [path for _, path in self._agents_entries or ()]
        return [path for path in dict.fromkeys(names) if path not in known and kind_of(path)[0] and self._may(path)]

    def _entries_of(self, index: str) -> list[tuple[str, str]] | None:
        """Each name in the index with git's mark for it; None: git can't read it."""
        listed = self._listed(("ls-files", "-z", "-t"), index) if index else None
        return None if listed is None else marked(listed)

    def _copied_index(self) -> str:
        """A copy of it; empty: there is none that could be read."""
        copy = os.path.join(self._git.side, "agents-index")
        try:
            with open(copy, "wb") as file:
                file.write(plain(".git/index", 512 * 1024**2))
        except OSError:
            return ""
        return copy

    def _update(self, paths: list[str], left_out: dict[str, str]) -> str:
        """Hash them all at once; where one can't be, by halves, until it is found. What git says it has added."""
        if not paths:
            return ""
        asked = ("update-index", "-z", "--verbose", "--add", "--remove", "--replace", "--stdin")
        given = "".join(f"{path}\0" for path in paths)
        done = self._git.run(*asked, stdin=given)
        if done.returncode != 0 and len(paths) > 1:
            half = len(paths) // 2
            return self._update(paths[:half], left_out) + self._update(paths[half:], left_out)
        if done.returncode != 0 and made_readable(paths[0]):
            done = self._git.run(*asked, stdin=given)
        if done.returncode != 0:
            left_out[paths[0]] = "it can't be read"
            return ""
        return done.stdout.decode(errors="surrogateescape")

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

    def _why_not(self, change: ChangedEntry, found: dict[str, set[bytes] | None]) -> str:
        """Empty: it may go in. A secret that the parent holds already is no news."""
        if self._is_refused(change.path):
            return REFUSED
        now = found.get(change.new, set())
        if now is None:
            return TOO_LARGE
        if now - (found.get(change.old) or set()):
            return "it holds what looks like a secret"
        return self._why_not_new(change.path) if NOTHING.fullmatch(change.old) else ""

    def _changes(self) -> Iterator[ChangedEntry]:
        asked = ("diff-index", "--cached", "-z", "--raw", "--no-renames", "--no-abbrev", self._head)
        fields = parts(self._git(*asked))
        for told, path in zip(fields[0::2], fields[1::2], strict=True):
            old_mode, new_mode, old, new, _ = told.lstrip(":").split(" ")
            if new_mode != "160000":  # a submodule's commit is no file
                yield ChangedEntry(path, old_mode, old if old_mode != "160000" else "0" * len(new), new)

    def _secrets_in(self, blobs: list[str]) -> Iterator[tuple[str, set[bytes] | None]]:
        """Each blob with the secrets found in it; None for one that is too large to be read."""
        if not blobs:
            return
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


def changed_at(listing: str) -> dict[str, int]:
    """File → when its inode was changed, in ns, as an index remembers it (`git ls-files -z --debug`).

    git itself compares the seconds alone.
    """
    return {path: int(seconds) * 10**9 + int(rest) for path, seconds, rest in _REMEMBERED.findall(listing)}


def marked(listing: str) -> list[tuple[str, str]]:
    """What `ls-files -z -t` lists: a mark of one letter, and the name."""
    return [(entry[:1], entry[2:]) for entry in parts(listing)]


def parts(listing: str) -> list[str]:
    """What `-z` separates."""
    return listing.split("\0")[:-1]
