"""What the work of a task begins with: its parts, a commit, and what is merged into that (rules 6.4, 7.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daemon.agents import ConfiguredAgent
from daemon.core.reporting import Heartbeat
from daemon.git.bridges import bridge, under
from daemon.git.pushing import try_branch
from daemon.git.repository_cache import RepositoryCache
from daemon.git.worktrees import Incoming
from daemon.logs.task_log import TaskLog
from daemon.saving.saver import Saver
from daemon.session.host import Host
from daemon.workspace.copied_files import CopiedFile
from daemon.workspace.project import read_project
from daemon.workspace.workspace import Workspace
from domain.errors import UnrelatedHistories
from domain.names import PREFIX
from domain.spawn_task import ContinueFrom, SpawnTask
from domain.statuses import TaskKind


@dataclass(frozen=True, kw_only=True)
class TaskParts:
    """What a delivery of a task works with."""

    command: SpawnTask
    cache: RepositoryCache
    workspace: Workspace
    agent: ConfiguredAgent | None
    heartbeat: Heartbeat
    log: TaskLog
    saver: Saver
    memory: int
    """Bytes that the agent's processes may use together; 0: no limit."""
    host: Host
    copy_files: tuple[CopiedFile, ...]
    allow_secrets: tuple[str, ...]
    """The daemon's."""
    seen: Mapping[str, str]
    """Where refs were on the remote when the delivery began (Publisher.seen)."""


@dataclass(frozen=True)
class Start:
    """What the work begins with."""

    base: str
    """The generation's base, the first dependency's head, or the branch that is merged into."""
    replaces: str
    """The target branch's commit at this moment; empty: there is none."""
    settled: str = ""
    """Where `.makima.toml` counts: a commit of the base branch, which no task can have edited (rule 6.5)."""
    incoming: tuple[Incoming, ...] = ()
    """What is merged into the base first, in this order."""
    branch: str = ""
    """Where the work is pushed to."""
    prefix: str = ""
    """Planning: what the repository wants branches to begin with."""
    joined: tuple[str, ...] = ()
    """What `base` is a bridge to."""
    base_branch: str = ""
    """Of planning: the branch that `base` is the head of."""
    merged: tuple[str, ...] = ()
    """All heads that it would be a bridge to if there were work on top of them."""


async def start_of(command: SpawnTask, cache: RepositoryCache, seen: Mapping[str, str]) -> Start:
    """Of a planning or step task; everything that is named is in the cache. `seen`: where its branch is on the remote.
    Raises RepositoryError, GitUnreachable, GitError.
    """
    if command.kind is TaskKind.PLANNING:
        branch = command.base_branch or await cache.default_branch()
        base, prefix = await prepared(command, cache, branch)
        return Start(base=base, replaces="", base_branch=branch, prefix=prefix)
    replaced = seen.get(f"refs/heads/{command.target_branch}", "")
    if command.bridges or not command.base_commit:
        return await _bridged(command, cache, replaced)
    await _refuse_lost_base(command, cache)
    base = command.continue_from.commit if command.continue_from else command.base_commit
    # What the step was to begin at is here by now.
    await cache.ensure([each for each in (base, *(one.commit for one in command.merge)) if each != command.base_commit])
    incoming = _incoming(command.merge)
    return Start(base, replaced, command.base_commit, incoming=incoming, branch=command.target_branch)


async def prepared(command: SpawnTask, cache: RepositoryCache, base_branch: str) -> tuple[str, str]:
    """The head of the base branch, and what the repository wants branches to begin with (empty: nothing is said),
    once the remote has shown that it takes such branches (rule 2.3). Raises RepositoryError, GitUnreachable, GitError.
    """
    base = await cache.base(base_branch)
    wanted = "" if command.branch_prefix else (await read_project(cache, base)).branch_prefix
    prefix = command.branch_prefix or wanted or PREFIX
    await cache.check_push(base, prefix)
    await try_branch(cache, base, prefix)
    return base, wanted


async def _refuse_lost_base(command: SpawnTask, cache: RepositoryCache) -> None:
    """The recorded commit is nowhere any more where its branch was deleted, or people have put another history there;
    then the step can only begin anew, once an operator says so. Raises BaseBranchMissing, UnrelatedHistories.
    """
    if not await cache.within_reach(command.base_commit):
        now = await cache.base(command.base_branch)
        raise UnrelatedHistories(
            f"the commit {command.base_commit} that {command.step_name!r} was to begin at is gone from "
            f"{command.base_branch!r}, which is at {now}: `retry-step` begins it there"
        )


async def _bridged(command: SpawnTask, cache: RepositoryCache, replaced: str) -> Start:
    """From the base branch as it is now, which holds what was merged of what the step depends on (rule 7.2)."""
    settled = await cache.prepare(command.base_branch, command.branch_prefix or PREFIX)
    built_on = (*((command.continue_from,) if command.continue_from else ()), *command.merge)
    await cache.ensure([settled, *(one.commit for one in built_on)])
    joined = await under(cache, settled, command.bridges, [one.commit for one in built_on])
    base = await bridge(cache, settled, joined)
    return Start(base, replaced, settled, incoming=_incoming(built_on), branch=command.target_branch)


def _incoming(work: Sequence[ContinueFrom]) -> tuple[Incoming, ...]:
    return tuple(Incoming(one.commit, one.name) for one in work)
