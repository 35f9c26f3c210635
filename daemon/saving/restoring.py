"""A task's work, laid into a fresh folder for a person to look at (rule 6.12)."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from daemon import agent_files
from daemon.core.attempt_key import AttemptKey
from daemon.git.loose_ends import put_back
from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import in_all_places, outcome_name
from daemon.git.worktrees import Worktree
from daemon.sandbox.environment import GitIdentity
from daemon.sandbox.sandbox import Sandbox
from daemon.saving.checkpoints import UNSAVED, Checkpoints
from daemon.saving.foreign_state import ForeignState
from daemon.saving.housekeeping import WORKTREE
from daemon.saving.outcomes import Outcomes
from daemon.workspace.delivery_note import DeliveryNote, last_alive, noted_folders, read_note
from daemon.workspace.workspace import Workspace
from domain.errors import Refused, WorktreeBroken

SHORTEST = 4
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_STATES = ("outcomes", "checkpoints")


class Restorer:
    """Finds what is left of a task: on this machine, else on the remote."""

    def __init__(
        self, tasks: Path, target: Path, repositories: Repositories, identity: GitIdentity, sandbox: Sandbox
    ) -> None:
        """A folder for each restored task is made below `target`."""
        self._tasks = tasks
        self._target = target
        self._repositories = repositories
        self._identity = identity
        self._sandbox = sandbox
        self.warnings: list[str] = []
        """What whoever looks at the folder should know."""

    async def restore(self, task: str, repository: str = "") -> Path:
        """The fresh folder: a git worktree on the task's last commit, with what wasn't committed as changes.

        `task` is an id or the beginning of one. Where this machine has not run it, `repository` says where to look.
        Raises Refused where there is nothing to restore; RepositoryError, GitUnreachable, GitError.
        """
        task = task.lower()
        if len(task) < SHORTEST:
            raise Refused(f"{task!r} is too short: give at least {SHORTEST} characters of the task's id")
        found = await asyncio.to_thread(self._found, task)
        if kept := [each for each in found if (each[0] / WORKTREE).exists()]:
            try:
                return await self._from_worktree(*kept[-1])
            except (WorktreeBroken, OSError):
                if (kept[-1][0] / WORKTREE).exists():
                    raise
                # The daemon keeps house meanwhile: what has just gone is on the remote.
        repository = repository or (found[-1][1].command.repository if found else "")
        if not repository:
            raise Refused(f"this machine knows no task {task}: name its repository with --repo to look there")
        return await self._from_remote(task, await self._repositories.at(repository), found)

    def _found(self, task: str) -> list[tuple[Path, DeliveryNote]]:
        """The task's deliveries here, the last one at the end."""
        noted = [(folder, note) for folder in noted_folders(self._tasks) if (note := read_note(folder))]
        found = [(folder, note) for folder, note in noted if str(note.command.task).startswith(task)]
        _only_one(task, {str(note.command.task) for _, note in found})
        return sorted(found, key=lambda each: (each[1].command.attempt, last_alive(each[0])))

    async def _from_worktree(self, folder: Path, note: DeliveryNote) -> Path:
        """Its files as they are, on its head; nothing of its own repository, in which an agent may have left code."""
        cache = await self._repositories.at(note.command.repository)
        kept = Workspace.at(folder, note.command, note.delivery, self._identity, self._sandbox, cache.folder)
        with closing(kept.keeper):
            worktree = await self._fresh(str(note.command.task), cache, await self._head_of(kept, cache, note))
        await asyncio.to_thread(_copy_files, kept.work_path, worktree.path)
        if not kept.work_path.exists():  # so that of what was copied nobody knows whether it is all
            await asyncio.to_thread(agent_files.remove_tree, worktree.path.parent)
            raise WorktreeBroken("the worktree has gone while it was copied")
        return worktree.path

    async def _head_of(self, kept: Workspace, cache: RepositoryCache, note: DeliveryNote) -> str:
        """Where its agent had come to, brought into the cache; by a repository of our own, for its daemon may be at
        work in the other one at this moment.
        """
        begun = (
            note.began,
            note.head,
            note.command.base_commit,
            await cache.branch_commit(note.command.base_branch) or "",
        )
        known = [commit for commit in begun if commit and await cache.has(commit)]
        if not known:
            raise Refused(f"the cache of {cache.url.display} has nothing that this task has begun with")
        self._target.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._target, ignore_cleanup_errors=True) as made:
            return (await kept.side_repository(cache, Path(made)).snapshot(known[:1], UNSAVED)).head

    async def _from_remote(self, task: str, cache: RepositoryCache, found: list[tuple[Path, DeliveryNote]]) -> Path:
        """The last attempt's outcome; else its newest checkpoint."""
        there = await cache.listed(*(ref for kind in _STATES for ref in in_all_places(f"{kind}/*")))
        names = [ref.split("/")[-3 if "/checkpoints/" in ref else -2 :] for ref in there]
        attempts = {(name[0], int(name[1])) for name in names if name[0].startswith(task) and _is_attempt(*name[:2])}
        _only_one(task, {each for each, _ in attempts})
        keys = {note.command.attempt: note.key for _, note in found}
        for identity, attempt in sorted(attempts, reverse=True):
            if path := await self._of_attempt(identity, attempt, cache, keys.get(attempt)):
                return path
        raise Refused(f"nothing of task {task} is left on {cache.url.display}")

    async def _of_attempt(self, task: str, attempt: int, cache: RepositoryCache, key: AttemptKey | None) -> Path | None:
        """Nothing is moved: whoever has no key can't tell what is the attempt's."""
        looking = ForeignState(cache, outcome_name(task, attempt), most=0)
        if key is None:
            self.warnings.append(f"attempt {attempt} did not run here: whether the task has left this can't be told")
        if head := await Outcomes(cache, key, foreign=looking).find_head(task, attempt):
            return (await self._fresh(task, cache, head)).path
        if newest := await Checkpoints(cache, task, attempt, key, looking).newest():
            worktree = await self._fresh(task, cache, newest.head)
            await worktree.lay_over(newest.commit)
            await put_back(worktree, newest.beside)
            return worktree.path
        return None

    async def _fresh(self, task: str, cache: RepositoryCache, commit: str) -> Worktree:
        self._target.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix=f"{task[:8]}-", dir=self._target))
        runs = cache.git.run_plainly
        return await Worktree.make(
            folder / WORKTREE, cache=cache.folder, commit=commit, runs=runs, identity=self._identity
        )


def _is_attempt(task: str, attempt: str) -> bool:
    """Whether names of refs, which anybody may have made, could be an attempt's: a whole id, a number."""
    return bool(_ID.fullmatch(task) and _NUMBER.fullmatch(attempt))


def _only_one(task: str, found: Collection[str]) -> None:
    if len(found) > 1:
        raise Refused(f"{task!r} may mean {', '.join(sorted(found))}")


def _copy_files(source: Path, target: Path) -> None:
    """Without repositories, at any depth: git would run what their configuration names."""
    for inside in target.iterdir():
        if inside.name != ".git":
            agent_files.remove_tree(inside)
    agent_files.copy_tree(source, target, leave_out=".git")
