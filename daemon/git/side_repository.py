"""A repository of the daemon's own beside a worktree: it holds the files, whatever becomes of the worktree's `.git`.

Its index, configuration and objects lie where nothing that an agent runs can see them. The files get there by a program
(`daemon.git.snapshot`) in the task's sandbox, for a folder of the worktree may be a link; what it made comes out as one
pack, which git takes apart as it does what a stranger sends (docs/decisions/0020).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from daemon import agent_files
from daemon.git import agents_git, agents_refs, arguments, empty_repository, side_files, side_git, snapshot
from daemon.git.agents_failures import of_agent
from daemon.git.agents_refs import LooseEnd
from daemon.git.git import commit_id
from daemon.git.objects import GitObject, Kind, algorithm_of, packed
from daemon.git.quarantine import loose_commit, receive
from daemon.git.repository_cache import RepositoryCache
from daemon.git.unlocking import unlock
from daemon.git.worktrees import SHA256_DIGITS
from daemon.process import own_program
from daemon.process.run import Runs
from domain.errors import ProcessTimedOut, WorktreeBroken

SNAPSHOT_TIMEOUT = 300.0
TAKE_TIMEOUT = 300.0
NAME = "saved.git"
LARGEST_INDEX = 512 * 1024 * 1024
_EXCLUDED = "makima-excluded"


class Snapshot(BaseModel):
    """The files as a commit, which is in the cache now."""

    model_config = ConfigDict(frozen=True)

    commit: str
    head: str
    """Its parent: the agent's HEAD, or where it was last known to be."""
    left_out: dict[str, str]
    """File → why it isn't in there."""
    trouble: str = ""
    """Why the worktree's own repository can't be worked in as it is; empty: it can."""
    unlocked: tuple[str, ...] = ()
    """Stale locks that were removed."""
    beside: tuple[LooseEnd, ...] = ()
    """Commits that the agent has left beside HEAD; they are in the cache now, too."""
    may_be_unmerged: bool = True
    """The agent's index holds a conflict, as far as it can be read."""
    refused: str = ""
    """Why some of the agent's commits are not: what git said of them."""


@dataclass(frozen=True)
class Unsaved:
    """What a snapshot leaves out."""

    names: tuple[str, ...] = ()
    """Patterns of secrets, of whole file names."""
    contents: tuple[str, ...] = ()
    """Patterns of secrets in files."""
    largest: int = 1 << 62
    """Bytes of a file."""


@dataclass(frozen=True)
class _Try:
    """How much of the agent's own is saved: less where git doesn't take it, its files at last."""

    beside: bool = True
    distrust: bool = False
    refused: tuple[str, ...] = ()


_READ_BY_GIT = (".gitmodules", ".gitattributes", ".gitignore")
_TRIES = (
    _Try(),
    _Try(beside=False),
    _Try(beside=False, refused=_READ_BY_GIT),
    _Try(beside=False, distrust=True),
    _Try(beside=False, distrust=True, refused=_READ_BY_GIT),
)


@dataclass(frozen=True)
class SideRepository:
    """The one of the worktree `work`, at the absolute `path` beside it; `runs` shows it to what it runs there."""

    path: Path
    work: Path
    cache: RepositoryCache
    runs: Runs
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _taken: set[str] = field(default_factory=set)
    """Commits that have come here."""
    _whole: set[tuple[bytes, ...]] = field(default_factory=set)
    """The first two lines, which name the files and the commit below, of the snapshots that have come here."""

    async def prepare(self, began: str) -> None:
        """Make it, at the latest when the files are to be saved for the first time: best before an agent has touched
        the index, which says what is unchanged. Raises OSError.
        """
        if await asyncio.to_thread((self.path / "ready").exists):
            return
        await asyncio.to_thread(self._make, len(began) == SHA256_DIGITS)

    def _make(self, is_sha256: bool) -> None:
        empty_repository.lay_out(self.path, self.cache.folder, is_sha256=is_sha256)
        # What its index says is unchanged needn't be read again. An agent that has left a false one deceives itself.
        with suppress(OSError):
            (self.path / "index").write_bytes(agent_files.read(self.work, ".git/index", LARGEST_INDEX))
        (self.path / "ready").touch()

    @property
    def _alternates(self) -> str:
        return f"{self.cache.folder / 'objects'}\n"

    def exclude(self, paths: Sequence[str]) -> None:
        """Never save these files, nor what is in these folders, whatever the agent tells git."""
        self.path.mkdir(exist_ok=True)
        with (self.path / _EXCLUDED).open("ab") as file:
            file.write("".join(f"{path}\0" for path in paths).encode(errors="surrogateescape"))

    async def snapshot(self, known: Sequence[str], unsaved: Unsaved, *, is_over: bool = False) -> Snapshot:
        """A commit of all files that may be saved, brought into the cache. `known`: commits of the cache, the last one
        being where the agent began. `is_over`: nothing of the task runs any more, so locks are stale.

        Raises WorktreeBroken where the files can't be read, GitError, OSError.
        """
        async with self._alone:
            await self.prepare(known[-1])
            if is_over and agent_files.is_folder(self.work):
                await asyncio.to_thread(unlock, self.work)
            refused = ""
            for trying in _TRIES:
                try:
                    made = await self._snapshot(known, unsaved, trying, is_over=is_over)
                except WorktreeBroken as broken:
                    if trying is _TRIES[-1]:
                        raise
                    refused = str(broken)
                else:
                    trouble = refused if trying.distrust else made.trouble
                    return made.model_copy(update={"refused": refused, "trouble": trouble})
            raise AssertionError("the last try returns or raises")

    async def take(self, commit: str, known: Sequence[str], content: bytes = b"") -> None:
        """Bring a commit of the agent's repository into the cache, with its history. `content`: what it is said to
        hold, which is believed by its name. Raises like `snapshot`.
        """
        async with self._alone:
            if commit in self._taken or (content and await self._took(commit, content)):
                return
            if await self.cache.has(commit_id(commit)):
                return
            await self.prepare(commit)
            await self._run(known, Unsaved(), TAKE_TIMEOUT, take=[commit_id(commit)])
            await self._receive(commit)

    async def _snapshot(self, known: Sequence[str], unsaved: Unsaved, trying: _Try, *, is_over: bool) -> Snapshot:
        told = await self._run(known, unsaved, SNAPSHOT_TIMEOUT, is_over=is_over, trying=trying)
        try:
            made = Snapshot.model_validate_json(told)
            await self._receive(commit_id(made.commit))
            if content := await asyncio.to_thread(loose_commit, self.cache.folder, made.commit):
                self._whole.add(tuple(content.splitlines()[:2]))
        except ValidationError as error:
            raise WorktreeBroken(f"the files could not be saved: {told[:200]!r} is no snapshot") from error
        return made

    async def _run(
        self,
        known: Sequence[str],
        unsaved: Unsaved,
        timeout: float,
        *,
        take: Sequence[str] = (),
        is_over: bool = False,
        trying: _Try = _Try(),
    ) -> str:
        """What the program prints."""
        if not agent_files.is_folder(self.work):
            raise WorktreeBroken("the worktree is gone, or no folder any more")
        options: side_files.Options = {
            "names": list(unsaved.names),
            "contents": list(unsaved.contents),
            "largest": unsaved.largest,
            "alternates": self._alternates,
            "known": [commit_id(each) for each in known],
            "never": await asyncio.to_thread(self.excluded),
            "take": list(take),
            "is_over": is_over,
            "distrust": trying.distrust,
            "beside": trying.beside,
            "refused": list(trying.refused),
        }
        await asyncio.to_thread(self._forget_locks)
        given = self.path / "options.json"
        await asyncio.to_thread(given.write_text, json.dumps(options))
        argv = own_program.argv(str(self.path), str(given))
        program = await asyncio.to_thread(own_program.program, *_PROGRAM)
        try:
            done = await self.runs(argv, cwd=self.work, env={}, stdin=program, timeout=timeout)
        except ProcessTimedOut as error:
            raise WorktreeBroken(f"the files could not be saved within {timeout:g} s") from error
        return of_agent(done, "the files could not be saved").text

    async def _took(self, commit: str, content: bytes) -> bool:
        """Whether the commit is here now, because all that it links to has come with a snapshot: its files, and the
        commit below. git looks at it as at all that comes from an agent.
        """
        links, made = tuple(content.splitlines()[:3]), GitObject(Kind.COMMIT, content)
        algorithm = await algorithm_of(self.cache)
        is_known = links[:2] in self._whole and not links[-1].startswith(b"parent ")
        if not is_known or made.name(algorithm) != commit:
            return False
        out = self.path / side_git.OUT
        await asyncio.to_thread(out.write_bytes, packed((made,), algorithm))
        try:
            await self._receive(commit)
        except WorktreeBroken:
            return False
        return True

    async def _receive(self, commit: str) -> None:
        try:
            await receive(self.cache, self.path / side_git.OUT, commit)
            self._taken.add(commit)
        finally:
            await asyncio.to_thread((self.path / side_git.OUT).unlink, missing_ok=True)

    def excluded(self) -> list[str]:
        """What `exclude` was told."""
        with suppress(FileNotFoundError):
            listed = (self.path / _EXCLUDED).read_bytes().decode(errors="surrogateescape")
            return listed.split("\0")[:-1]
        return []

    def _forget_locks(self) -> None:
        """Left by a run that was stopped: we are alone here."""
        for lock in (*self.path.glob("*.lock"), *self.path.glob("refs/makima/*.lock")):
            lock.unlink(missing_ok=True)


_PROGRAM = (agents_git, agents_refs, arguments, side_git, side_files, snapshot)
"""Its modules, each after those that it needs."""
