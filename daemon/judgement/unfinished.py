"""What an agent has begun in git and not brought to its end, or not begun at all (rule 6.9).

The first is judged before anything of its work is committed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.git.commits import changes
from daemon.git.worktrees import IMPOSSIBLE, Worktree
from daemon.judgement.check import Examined, Fault, fault, named
from domain.errors import WorktreeBroken
from domain.failures import Failure, FailureCategory

SEQUENCE_ENDS = "git cherry-pick --quit"
_OPERATIONS = (
    # The more exact one comes first: a rebase that stops at a conflict leaves a CHERRY_PICK_HEAD, too.
    ("rebase-merge", "rebase", "git rebase --continue", "git rebase --abort"),
    ("rebase-apply/applying", "git am", "git am --continue", "git am --abort"),
    ("rebase-apply", "rebase", "git rebase --continue", "git rebase --abort"),
    ("CHERRY_PICK_HEAD", "cherry-pick", "git cherry-pick --continue", "git cherry-pick --abort"),
    ("REVERT_HEAD", "revert", "git revert --continue", "git revert --abort"),
    # What is left to do after a commit that the agent has made itself; to abort it would take that back, too.
    ("sequencer", "cherry-pick or revert", "git cherry-pick --continue`, `git revert --continue", SEQUENCE_ENDS),
    ("BISECT_LOG", "bisect", "git bisect reset", "git bisect reset"),
)
"""What stands in .git, the operation that it belongs to, and the commands that end it."""
_REMEDY = (
    "Do what the task asks for. If nothing has to be changed, say so (`makima directive done --nothing-to-do REASON`), "
    "also where the commits are wanted as they are."
)


@dataclass(frozen=True)
class Unmerged:
    """A file whose conflict the index still holds; the blobs of either side, empty where that has none."""

    path: str
    ours: str
    theirs: str


async def unfinished(
    worktree: Worktree, merging: Collection[str] = (), was_unborn: bool = False, may_be_unmerged: bool = True
) -> Fault | None:
    """An operation that is in progress, or a file whose conflict nobody has decided. `merging`: the merges that the
    daemon has begun itself, which may be left to it once their files are resolved. `was_unborn`: HEAD was on a branch
    without a commit, and the repository was made anew since. `may_be_unmerged`: the index was not seen without one.
    """
    if operation := await asyncio.to_thread(_operation, worktree.path / ".git"):
        _, name, go_on, abort = operation
        wrong = f"a {name} is in progress in your working directory: it was begun and never ended"
        remedy = (
            f"Look at `git status`, then finish it (`{go_on}`), or give it up (`{abort}`) and do the work without it."
        )
        return fault(FailureCategory.UNFINISHED, wrong, remedy)
    merge = await worktree.merging()
    if merge and merge not in merging:
        wrong = f"a merge of {merge[:12]} is in progress in your working directory: it was begun and never ended"
        remedy = (
            "Look at `git status`, then resolve it and run `git commit --no-edit`, or give it up (`git merge --abort`)."
        )
        return fault(FailureCategory.UNFINISHED, wrong, remedy)
    held = await unmerged(worktree) if may_be_unmerged else ()
    undecided = [one.path for one in held if await _is_undecided(worktree, one)]
    if undecided:
        wrong = f"git still holds these files as unmerged: {named(undecided)}"
        remedy = (
            "Each of them has conflict markers, or is what one side of the conflict has. Make it what it has to be, "
            "then say so with `git add FILE`, or `git rm FILE` where it has to go."
        )
        return fault(FailureCategory.CONFLICT, wrong, remedy)
    return await _emptied(worktree) if was_unborn else None


async def _emptied(worktree: Worktree) -> Fault | None:
    """Files that went away with `git switch --orphan`, in a repository that was made anew at the commit before."""
    gone = (await worktree.git("ls-files", "-z", "--deleted")).names
    if not gone:
        return None
    wrong = f"HEAD was on a new branch without a commit, as `git switch --orphan` makes it, and gone are: {named(gone)}"
    remedy = (
        "Your working directory is at the commit before that again. `git checkout HEAD -- FILE` brings a file back; "
        "what the task wants to go can stay away."
    )
    return fault(FailureCategory.HISTORY, wrong, remedy)


async def unmerged(worktree: Worktree) -> tuple[Unmerged, ...]:
    """The files that the index holds as unmerged, in the order of their paths."""
    sides: dict[str, dict[str, str]] = {}
    for entry in (await worktree.git("ls-files", "-z", "--unmerged")).names:
        told, _, path = entry.partition("\t")
        _, blob, stage = told.split(" ")
        sides.setdefault(path, {})[stage] = blob
    return tuple(Unmerged(path, side.get("2", ""), side.get("3", "")) for path, side in sides.items())


def refused_by_git(broken: WorktreeBroken) -> Fault:
    """What the agent has left is nothing that git can commit, or that it takes from somebody else."""
    remedy = (
        "Your files are saved. See what git says (`git status`, `git fsck`, `git add --all --dry-run`), and make of it "
        "what git takes."
    )
    return fault(FailureCategory.AGENT, str(broken), remedy)


def _operation(git_dir: Path) -> tuple[str, str, str, str] | None:
    """By what stands in the folder: nothing is opened there."""
    return next((each for each in _OPERATIONS if os.path.lexists(git_dir / each[0])), None)


async def _is_undecided(worktree: Worktree, file: Unmerged) -> bool:
    """Whether the file is still what git left there, as far as that can be told: it has conflict markers, or one side's
    content. One that was edited to something else, or deleted, is decided.
    """
    if await worktree.has_conflict_markers(file.path):
        return True
    now = await _blob_of(worktree, file.path)
    return bool(now) and now in (file.ours, file.theirs)


def without_a_commit(denied: Sequence[str]) -> Failure:
    """What the end without a commit and without a word means; `denied`: what the agent was not allowed to do. Pure."""
    report = "the agent left no change, and did not say that nothing had to be changed"
    if denied:
        return Failure(category=FailureCategory.DENIED, report=f"{report}; denied: {'; '.join(denied)}")
    return Failure(category=FailureCategory.NO_RESULT, report=report)


async def without_a_change(work: Examined) -> Fault | None:
    """Commits after which every file is as it was. Raises GitError."""
    if work.head == work.began or await changes(work.cache, work.began, work.head):
        return None
    wrong = "your commits change no file, and you did not say that nothing had to be changed"
    return fault(FailureCategory.NO_RESULT, wrong, _REMEDY)


async def _blob_of(worktree: Worktree, path: str) -> str:
    """The name of the file's content as git would keep it; empty: there is no such file."""
    hashed = await worktree.git("hash-object", "--", path, also=(1, IMPOSSIBLE))
    return hashed.text if hashed.exit_code == 0 else ""
