"""All that is examined of finished work, in one table: of steps, completions and resolved conflicts alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from daemon.git.agents_refs import LeftIn, LooseEnd
from daemon.git.commits import holds
from daemon.git.loose_ends import loose_ends
from daemon.git.side_files import TOO_LARGE
from daemon.judgement.check import Check, Examined, Fault, Take, fault, named
from daemon.judgement.conflict_markers import conflict_markers
from daemon.judgement.left_commits import Kept, left_commits, save_left
from daemon.judgement.lfs_uploads import into_lfs, is_in_lfs, lost_lfs_files
from daemon.judgement.omissions import hidden, lines, omissions, referred_to
from daemon.judgement.submodules import lost_submodules
from daemon.secrets.secret_search import SECONDS, scan
from daemon.workspace.workspace import Workspace
from domain.failures import FailureCategory

_MERGE = "Bring it back with `git merge {commit}`, and don't reset, rebase or amend past it."
_UNRELATED = (
    "Your files can be put on top of it: `git reset --soft {commit}`, then look at `git diff --cached --stat` (what "
    "you did not mean to delete has to be there; `git checkout {commit} -- PATH` brings it back) and `git commit`."
)
_TAKE_OUT = (
    "Take it out of the history of your work, not only of its end: every commit of yours is pushed. For instance "
    "`git reset --soft {began}`, then take it out of the files (`git rm --cached FILE`, an entry in .gitignore, a "
    "variable of the environment in its place) and commit anew. If it is an example, write one that no real one looks "
    "like."
)


async def lost_history(work: Examined) -> Fault | None:
    """The first commit that the work must hold and doesn't: it was built on that (rule 6.4)."""
    for one in work.held:
        if await holds(work.cache, work.head, one.commit):
            continue
        shared = await work.cache.local("merge-base", one.commit, work.head, also=(1,))
        if shared.exit_code == 0:
            wrong, remedy = f"{one.name!r} ({one.commit}) is not in the history of the work", _MERGE
        else:
            wrong, remedy = f"the work has no commit in common with {one.name!r} ({one.commit})", _UNRELATED
        return fault(FailureCategory.HISTORY, wrong, remedy.format(commit=one.commit))
    return None


async def added_secrets(work: Examined, within: float = SECONDS) -> Fault | None:
    """What looks like a secret in a commit of the work; or that not all was looked through in `within` seconds."""
    found = await scan(work.cache, work.head, work.parents, work.allowed, within)
    if found.is_clean:
        return None
    if not found.hits:
        wrong = f"the work adds more than can be looked through for secrets in {within:g} s"
        return fault(FailureCategory.SECRET, wrong, "Leave out what doesn't belong into a repository, also before.")
    wrong = f"what looks like a secret is in your commits: {named([str(hit) for hit in found.hits])}"
    return fault(FailureCategory.SECRET, wrong, _TAKE_OUT.format(began=work.began))


CHECKS: tuple[Check, ...] = (
    lost_history,
    conflict_markers,
    left_commits,
    lost_submodules,
    lost_lfs_files,
    added_secrets,
)
"""In this order: the first fault goes back to the agent. Before them, and before anything is committed, comes
`unfinished`; after them the verify commands."""


class Judge:
    """Examines the work of one delivery, as often as its agent has worked on it."""

    def __init__(self, workspace: Workspace, take: Take) -> None:
        """`take` brings a commit of the worktree into the cache."""
        self._workspace = workspace
        self._take = take
        self._since = 0.0
        self._ends: tuple[LooseEnd, ...] | None = None
        """As they were found last; None: something has run in the worktree since."""
        self._known: dict[Hashable, object] = {}
        self._told: set[str] = set()
        """Files that the agent was told are left out."""
        self._heard: set[str] = set()
        """Commits on no branch that the agent was told of: what it then leaves there it doesn't want."""

    async def examine(self, work: Examined) -> Fault | None:
        """The first thing that is wrong with the work; None: nothing is. Raises GitError."""
        work = self._with(work, ())
        looking = asyncio.create_task(self._loose())
        checks = [asyncio.create_task(self._checked(check, work, looking)) for check in CHECKS]
        try:
            for check in checks:
                if found := await check:
                    if found.is_advice and found.report in self._told:
                        continue
                    self._told |= {found.report} if found.is_advice else set()
                    if found.category is FailureCategory.LEFT:
                        ends = await looking
                        self._heard |= {end.commit for end in ends if end.kind in (LeftIn.DETACHED, LeftIn.NOTES)}
                    return found
            return None
        finally:
            await _ended(*checks, looking)

    async def _checked(self, check: Check, work: Examined, looking: asyncio.Task[tuple[LooseEnd, ...]]) -> Fault | None:
        """All run at once: the search for secrets takes longest, and has the other core."""
        if check is left_commits:
            # Not to be ended with the one that waits for it.
            ends = await asyncio.shield(looking)
            work = replace(work, loose=tuple(end for end in ends if end.commit not in self._heard))
        return await check(work)

    def something_ran(self, *commands: str) -> None:
        """If it did, it may have left commits in the worktree."""
        self._ends = None if commands else self._ends

    def dismiss(self, ends: Iterable[LooseEnd]) -> None:
        """A person has decided about these commits."""
        self._heard |= {end.commit for end in ends}

    def agent_starts(self) -> None:
        """What is written from now on is an agent's, also commits."""
        self._ends = None
        self._since = self._since or time.time()

    async def left_out(
        self, work: Examined, stays_out: Mapping[str, str], own: Sequence[str]
    ) -> tuple[tuple[str, ...], Fault | None]:
        """What the agent wrote and the work doesn't hold, as lines for people; and what the agent hears, once. `own`:
        what the daemon itself has git ignore.
        """
        in_lfs = [path for path, why in stays_out.items() if why == TOO_LARGE and await is_in_lfs(work, path)]
        stays_out = {path: why for path, why in stays_out.items() if path not in in_lfs}
        unseen = await hidden(self._workspace.agents_worktree, self._since, own)
        found = {**stays_out, **unseen, **await referred_to(work, self._workspace.agents_worktree, self._since)}
        news = found.keys() - self._told
        self._told |= news
        return lines(found), omissions({path: found[path] for path in news}) if news else None

    async def into_lfs(self, work: Examined) -> tuple[str, Fault | None]:
        """The head of the work once everybody can get its files in Git LFS, or what is wrong with that."""
        return await into_lfs(self._with(work, ()))

    async def save_left(self, work: Examined) -> Kept:
        """Keep what the agent has left beside its work."""
        command = self._workspace.command
        ends = await self._loose() if self._ends is None else self._ends
        return await save_left(self._with(work, ends), str(command.task), command.attempt)

    async def _loose(self) -> tuple[LooseEnd, ...]:
        self._ends = await loose_ends(self._workspace.agents_worktree)
        return self._ends

    def _with(self, work: Examined, loose: tuple[LooseEnd, ...]) -> Examined:
        run_script = self._workspace.agents_worktree.shell
        files = self._workspace.work_path
        return replace(work, loose=loose, take=self._take, run_script=run_script, files=files, known=self._known)


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """What nobody waits for any more."""
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)
    for each in tasks:
        if not each.cancelled():
            each.exception()  # said, or of a check behind the one that has found something
