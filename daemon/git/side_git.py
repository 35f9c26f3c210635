"""git in the daemon's own repository, on an agent's files; part of the program `snapshot`."""

from __future__ import annotations

import os
import subprocess

from daemon.git.agents_git import write_ignored

MEMORY = 4 * 1024**3
"""Bytes of one git: a link to a device without an end is read into memory."""
FIRST_TRY = 20.0
"""Seconds for what takes a moment; what takes longer waits for something that an agent has put in its way."""
OUT = "out.pack"
LAST_HEAD = "refs/makima/head"


class Waited(Exception):
    """git waits for something in the worktree."""


def environment(side: str) -> dict[str, str]:
    who = {"NAME": "Makima", "EMAIL": "makima@localhost"}
    people = {f"GIT_{role}_{what}": said for role in ("AUTHOR", "COMMITTER") for what, said in who.items()}
    return people | {
        "GIT_DIR": side,
        "GIT_WORK_TREE": os.getcwd(),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C",
    }


class SideGit:
    """Runs git in the daemon's repository, on the agent's files."""

    def __init__(self, side: str, seconds: float) -> None:
        self.side = side
        self._seconds = seconds
        ignored = write_ignored(side)
        self._argv = ("git", "-c", f"core.excludesFile={ignored}", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")

    def __call__(self, *args: str, stdin: str | bytes = b"", also: tuple[int, ...] = (), index: str = "") -> str:
        done = self.run(*args, stdin=stdin, index=index)
        if done.returncode not in (0, *also):
            said = done.stderr.decode(errors="replace").strip()
            raise SystemExit(f"git {args[0]} ended with {done.returncode}: {said[:600]}")
        return done.stdout.decode(errors="surrogateescape").rstrip("\n")

    def run(
        self,
        *args: str,
        stdin: str | bytes = b"",
        index: str = "",
        objects: str = "",
        stdout: int = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[bytes]:
        given = stdin.encode(errors="surrogateescape") if isinstance(stdin, str) else stdin
        env = {**os.environ, "GIT_INDEX_FILE": index or os.path.join(self.side, "index")}
        if args[0] == "update-index":
            # git writes no object that it believes to have: not one of the agent's, which may be none, counts for that.
            env |= {"GIT_ALTERNATE_OBJECT_DIRECTORIES": ""}
        if objects:
            env |= {"GIT_OBJECT_DIRECTORY": objects, "GIT_ALTERNATE_OBJECT_DIRECTORIES": ""}
        try:
            return subprocess.run(
                (*self._argv, *args), input=given, env=env, stdout=stdout, stderr=subprocess.PIPE,
                timeout=self._seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            if self._seconds == FIRST_TRY:
                raise Waited from error
            raise SystemExit(f"git {args[0]} was stopped after {self._seconds:g} s") from error

    def has_all(self, commit: str, known: list[str]) -> bool:
        """Whether the commit is here with all that it holds, beyond what the daemon has."""
        if commit in known:
            return True
        wanted = f"{commit}\n" + "".join(f"^{each}\n" for each in known)
        return self.run("rev-list", "--objects", "--quiet", "--stdin", stdin=wanted).returncode == 0

    def borrows(self, commit: str) -> bool:
        """Whether the agent's repository itself, and not only ours, has the commit."""
        return self.run("cat-file", "-e", commit, objects=os.path.abspath(".git/objects")).returncode == 0

    def last_head(self, known: list[str]) -> str:
        last = self.run("rev-parse", "--verify", "--quiet", f"{LAST_HEAD}^{{commit}}").stdout.decode().strip()
        return last if last and self.has_all(last, known) else known[-1]

    def remember_head(self, commit: str) -> None:
        """For a run in which the agent's HEAD names nothing any more."""
        ref = os.path.join(self.side, LAST_HEAD)
        os.makedirs(os.path.dirname(ref), exist_ok=True)
        with open(f"{ref}.lock", "w") as file:
            file.write(f"{commit}\n")
        os.replace(f"{ref}.lock", ref)

    def commits(self, names: list[str]) -> dict[str, str]:
        """Name → the commit that it stands for, of those that stand for one."""
        asked = "".join(f"{name}^{{commit}}\n" for name in names)
        form = "--batch-check=%(objectname) %(objecttype)"
        done = self.run("cat-file", form, stdin=asked) if names else None
        if done is None or (done.returncode != 0 and len(names) == 1):
            return {}
        if done.returncode != 0:  # one of them can't be read
            return {name: commit for each in names for name, commit in self.commits([each]).items()}
        told = (line.split(" ") for line in done.stdout.decode().splitlines())
        return {name: line[0] for name, line in zip(names, told, strict=True) if line[1] == "commit"}

    def pack(self, commits: list[str], known: list[str]) -> None:
        """All that the daemon lacks of these commits, into one file."""
        wanted = "".join(f"{each}\n" for each in (*commits, *(f"^{each}" for each in known)))
        with open(os.path.join(self.side, OUT), "wb") as out:
            options = ("--revs", "--thin", "--delta-base-offset", "--quiet", "--stdout")
            done = self.run("pack-objects", *options, stdin=wanted, stdout=out.fileno())
        if done.returncode != 0:
            raise SystemExit(f"git pack-objects: {done.stderr.decode(errors='replace').strip()[:600]}")
