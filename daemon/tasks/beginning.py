"""How a delivery begins its work: on the right commits, where an earlier one stopped (rules 6.4, 6.7), and prepared.

The worktree gets files of this machine, and what the setup commands make (rule 6.5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from daemon.agents.base import AgentResult
from daemon.agents.stream_events import Ending
from daemon.core.attempt_key import AttemptKey
from daemon.git.loose_ends import put_back
from daemon.git.peculiarities import as_prompt, peculiarities
from daemon.git.repository_cache import RepositoryCache
from daemon.git.worktrees import Conflict, Incoming, Worktree
from daemon.logs.task_log import TaskLog
from daemon.saving.checkpoints import Checkpoint, Checkpoints
from daemon.saving.outcomes import Outcomes
from daemon.saving.saver import Saver
from daemon.session.continuing import Ask
from daemon.session.task_programs import Programs, ending_text
from daemon.workspace.copied_files import CopiedFile, lay_files
from daemon.workspace.workspace import Workspace
from domain.errors import CannotServe
from domain.failures import Failure, FailureCategory
from domain.prompts import conflict_note
from domain.spawn_task import SpawnTask
from domain.statuses import TaskKind

INTERRUPTED = """\
## You were interrupted
An earlier run of this task was cut off. What it had done is in your working directory: its commits, and changes that
are not committed yet. Look at `git log`, `git status` and `git diff` first, then go on from there.
"""
EARLIER_WORK = """\
## The earlier attempt's work
Attempt {attempt} left its work in commit {commit}. Your working directory starts without it: `git diff {base} {commit}`
shows it. Take from it what is good.
"""
SETUP_LIMIT = timedelta(minutes=15)
"""For each setup command."""


@dataclass(frozen=True)
class Beginning:
    """A worktree that is ready for its agent."""

    worktree: Worktree
    began: str
    """The base with the dependencies merged in: what the task itself does comes after it."""
    conflict: Conflict | None = None
    restored: Checkpoint | None = None
    earlier: str = ""
    """What the attempt before this one left."""
    notes: tuple[str, ...] = ()
    """What the repository holds and the worktree doesn't (daemon.git.peculiarities)."""

    def ask(self, command: SpawnTask) -> Ask:
        """The command's prompt, after what the agent must know of its worktree."""
        notes = [INTERRUPTED] if self.restored else []
        notes += [as_prompt(self.notes)] if self.notes else []
        if self.conflict:
            notes.append(conflict_note(self.conflict.files, [one.commit for one in self.conflict.remaining]))
        if self.earlier:
            known = {"attempt": command.attempt - 1, "commit": self.earlier, "base": self.began}
            notes.append(EARLIER_WORK.format(**known))
        return Ask("\n".join([*notes, command.prompt]), "\n".join(notes))


async def begin(
    command: SpawnTask,
    cache: RepositoryCache,
    workspace: Workspace,
    saver: Saver,
    base: str,
    incoming: Sequence[Incoming],
    seen: Mapping[str, str],
    fits: Callable[[Checkpoint], Awaitable[bool]],
) -> Beginning:
    """Check out, merge what has to be merged, and lay the attempt's newest checkpoint over it, if that `fits`. `seen`:
    refs of the remote, the attempt's checkpoints among them.
    """
    if command.kind is TaskKind.PLANNING:
        worktree = await workspace.check_out(cache, base)
        return Beginning(worktree, base, notes=await peculiarities(worktree))
    restored = await saver.restore(seen)
    if restored and not await fits(restored):
        restored = None
    worktree = await workspace.check_out(cache, restored.head if restored else base)
    if restored and command.kind is TaskKind.COMPLETION:
        # No more than the saved files knew of: laid over a later merge they would take it back.
        incoming = [Incoming(restored.merging, "what is in conflict")] if restored.merging else []
    heads = await cache.independent([one.commit for one in incoming])
    conflict = await worktree.merge([one for one in incoming if one.commit in heads])
    is_merged, merging = bool(heads), conflict.incoming.commit if conflict else ""
    head = await worktree.head() if is_merged else restored.head if restored else base
    began = head
    notes = await peculiarities(worktree)
    if restored:
        await worktree.lay_over(restored.commit)
        await put_back(worktree, restored.beside)
        began = restored.began if await cache.has(restored.began) else began
    earlier, handed_over = await _earlier_work(command, cache), command.handed_over
    if earlier and handed_over and not (restored or conflict) and command.kind is TaskKind.STEP:
        await worktree.lay_over(earlier)  # the next agent goes on from it (rule 5.9)
        earlier = ""
    await saver.watch(workspace.agents_worktree, head, began, merging, base)
    workspace.note(began=began, merging=merging)
    return Beginning(worktree, began, conflict, restored, earlier, notes)


async def _earlier_work(command: SpawnTask, cache: RepositoryCache) -> str:
    """The commit that holds what the attempt before this one left, brought into the cache; empty: none, or nothing."""
    task, attempt = str(command.task), command.attempt - 1
    if command.handed_over:
        attempt = min(attempt, command.handed_over.attempt)
    if attempt == 0:
        return ""
    key = AttemptKey.of(command, attempt)
    stored = await Outcomes(cache, key).find_outcome(task, attempt)
    if stored and stored.head:
        return stored.head
    newest = await Checkpoints(cache, task, attempt, key).newest()
    return newest.commit if newest else ""


def conflict_report(conflict: Conflict | None) -> str:
    """Why work that stands in `conflict` can't go on without an agent."""
    if conflict is None:
        return "there is no agent to do this"
    return f"merging {conflict.incoming.name!r} conflicts in {', '.join(conflict.files)}, and no agent can resolve it"


def without_agent(conflict: Conflict | None) -> AgentResult:
    """The result of work that would need an agent, and has none that could do it."""
    return AgentResult(Ending.GAVE_UP, Failure(category=FailureCategory.CONFLICT, report=conflict_report(conflict)))


async def copy_files(files: Sequence[CopiedFile], worktree: Worktree, log: TaskLog) -> tuple[str, ...]:
    """Lay the files into a worktree in which nothing has run yet; which ones. The repository's own stay as they are: a
    copy over one would be committed as a change. Raises CannotServe.
    """
    own = await worktree.tracked([file.target for file in files])
    for file in files:
        if file.target in own:
            log.add_line(f"copy_files: {file.target} is the repository's own here, and stays as it is")
    laid = [file for file in files if file.target not in own]
    await asyncio.to_thread(lay_files, laid, worktree.path)
    return tuple(file.target for file in laid)


async def set_up(
    commands: Sequence[str], worktree: Worktree, programs: Programs, *, may_fail: bool = False
) -> Sequence[str]:
    """Run the commands as the agent; `worktree` is run so, too. What they leave that git doesn't know, which is
    returned, is never committed: it is no work of the task. Raises CannotServe where one fails, for another machine may
    manage. `may_fail`: files are in conflict, which the agent has to resolve first.
    """
    if not commands:
        return ()
    before = await worktree.untracked()
    for line in commands:
        ended = await programs.run_line(line, "setup", SETUP_LIMIT)
        if not (ended.succeeded or may_fail):
            raise CannotServe(f"setup failed: {ending_text(line, ended)}: {last_lines(ended.tail)}")
    made = sorted(await worktree.untracked() - before)
    await worktree.exclude(made)
    return made


def last_lines(tail: str) -> str:
    """The end of an output on one line."""
    return " / ".join(line.strip() for line in tail.splitlines() if line.strip())[-600:] or "it said nothing"
