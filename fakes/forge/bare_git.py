"""A bare repository on disk, and the one place of the forge that runs git to its end."""

from __future__ import annotations

import asyncio
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

# Objects of closed pull requests stay. As at GitHub, refs/pull is fetched by anybody and pushed by nobody.
_CONFIG = """\
[gc]
\tauto = 0
[receive]
\tautogc = false
\thideRefs = refs/pull
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
"""
_SHA = re.compile(r"[0-9a-f]{40}")
_ANSWERS = 1_000
_FIELDS = "%x00".join(("%H", "%P", "%T", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"))


class GitFailed(Exception):
    """git ended with an error; the text holds the command and its stderr."""


@dataclass(frozen=True)
class Signature:
    """Who did something to a commit, and when."""

    name: str
    email: str
    at: str
    """ISO 8601, with the time zone."""


@dataclass(frozen=True)
class Commit:
    sha: str
    parents: tuple[str, ...]
    tree: str
    author: Signature
    committer: Signature
    message: str

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


def git_environment() -> dict[str, str]:
    """Nothing of the user's own configuration reaches the forge's git."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


def identity(name: str, email: str, at: datetime | None = None) -> dict[str, str]:
    """The environment in which a commit is this person's; `at` is when, default: when git makes it."""
    whose = {f"GIT_{role}_{part}": value for role in _ROLES for part, value in (("NAME", name), ("EMAIL", email))}
    return whose | ({f"GIT_{role}_DATE": at.isoformat() for role in _ROLES} if at else {})


_ROLES = ("AUTHOR", "COMMITTER")


@dataclass(frozen=True)
class BareRepository:
    """`sha`, `base`, `head` and the like are commits by their full names: what git says of such is asked once."""

    path: Path
    _answers: dict[tuple[str, ...], str] = field(default_factory=dict, compare=False, repr=False)

    async def create(self, default_branch: str, source: str | None = None) -> None:
        """Make it, empty or with all branches and tags of the repository at `source` (a path or URL)."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        await run_git("init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(self.path))
        await asyncio.to_thread(_append, self.path / "config", _CONFIG)
        if source:
            specs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            await self.run("fetch", "--quiet", "--no-tags", "--end-of-options", source, *specs)

    async def run(self, *args: str, stdin: str = "", env: dict[str, str] | None = None) -> str:
        """The output of a git command; GitFailed when its exit code is not 0."""
        return await run_git(f"--git-dir={self.path}", *args, stdin=stdin, env=env)

    async def branches(self) -> dict[str, str]:
        """Branch → commit. Read where git keeps them: they are asked for in nearly every request, and a git that is
        started for it takes longer than all the rest.
        """
        return _branches_below(self.path)

    async def refs(self, prefix: str) -> dict[str, str]:
        """Full name of each ref under `prefix` → its object."""
        lines = await self.run("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        return dict(line.partition(" ")[::2] for line in lines.splitlines())

    async def resolve(self, revision: str) -> str | None:
        """The commit that a branch, tag, ref or (short) SHA names."""
        if branch := (await self.branches()).get(revision):
            return branch
        asked = self._once if _SHA.fullmatch(revision) else self.run
        try:
            found = await asked("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
        except GitFailed:
            return None
        return found.strip()

    async def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        return await self._once("rev-list", "--count", "--max-count=1", ancestor, f"^{descendant}") == "0\n"

    async def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of both commits merged; None where they are in conflict or have no history in common."""
        try:
            return (await self.run("merge-tree", "--write-tree", base, head)).strip()
        except GitFailed:
            return None

    async def commits(self, base: str, head: str) -> tuple[Commit, ...]:
        """What `head` holds and `base` doesn't, oldest first."""
        output = await self._once("log", "--reverse", "--topo-order", f"--format={_FIELDS}%x1e", head, f"^{base}")
        return tuple(_commit(record.lstrip("\n")) for record in output.split("\x1e") if record.strip())

    async def commit(self, sha: str) -> Commit:
        return _commit(await self._once("log", "--max-count=1", f"--format={_FIELDS}", sha))

    async def diff(self, base: str, head: str, *options: str) -> str:
        """What `head` changes since it left `base`; all that differs where they have no commit in common."""
        how = ("--no-color", "--no-ext-diff", "-M", *options)
        try:
            return await self._once("diff", *how, f"{base}...{head}", "--")
        except GitFailed:
            return await self._once("diff", *how, f"{base}..{head}", "--")

    async def commit_tree(self, tree: str, parents: tuple[str, ...], message: str, env: dict[str, str]) -> str:
        flags = tuple(part for parent in parents for part in ("-p", parent))
        return (await self.run("commit-tree", tree, *flags, "-F", "-", stdin=message, env=env)).strip()

    async def move(self, ref: str, new: str, old: str) -> None:
        """Move a ref from `old` (empty: it isn't there yet) to `new`; GitFailed when it is elsewhere by now."""
        await self.run("update-ref", ref, new, old or "0" * 40)

    async def delete(self, ref: str) -> None:
        await self.run("update-ref", "-d", ref)

    async def _once(self, *args: str) -> str:
        """`run` for what nothing but commits decides, which never change."""
        if args not in self._answers:
            if len(self._answers) >= _ANSWERS:
                self._answers.clear()
            self._answers[args] = await self.run(*args)
        return self._answers[args]


async def run_git(*args: str, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """The output of git; GitFailed when its exit code is not 0. Killed when the caller is cancelled."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *args,
        env=git_environment() | (env or {}),
        cwd=cwd,
        stdin=PIPE if stdin else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        output, errors = await process.communicate(stdin.encode() if stdin else None)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise GitFailed(f"git {' '.join(args[:3])} …: {errors.decode(errors='replace').strip()}")
    return output.decode(errors="replace")


def _commit(record: str) -> Commit:
    sha, parents, tree, *people, message = record.split("\x00")
    author, committer = Signature(*people[:3]), Signature(*people[3:])
    return Commit(sha, tuple(parents.split()), tree, author, committer, message.rstrip("\n"))


def _branches_below(repository: Path) -> dict[str, str]:
    """Those in files of their own before those in `packed-refs`, where git moves them."""
    heads, packed = repository / "refs" / "heads", repository / "packed-refs"
    found = {str(file.relative_to(heads)): sha for file in _files(heads) if _SHA.fullmatch(sha := _content(file))}
    for line in _content(packed).splitlines():
        sha, _, name = line.partition(" ")
        if name.startswith("refs/heads/"):
            found.setdefault(name.removeprefix("refs/heads/"), sha)
    return dict(sorted(found.items()))


def _files(folder: Path) -> Iterator[Path]:
    """One that git is writing ends with `.lock`, as no branch does."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if not name.endswith(".lock"))


def _content(file: Path) -> str:
    """Without the white space around it; nothing where the file has just gone."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""


def _append(file: Path, text: str) -> None:
    with file.open("a") as open_file:
        open_file.write(text)
