"""The work of one delivery: a worktree on the right commits, an agent in it, and a verdict on what it left (SPEC 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from daemon.agent_runs.continuing import Ask
from daemon.agent_runs.runs import AgentRuns, Host
from daemon.agents import ConfiguredAgent
from daemon.agents.base import AgentResult
from daemon.agents.events import Ending
from daemon.git.repositories import RepositoryCache
from daemon.git.worktrees import Conflict, Incoming, Worktree
from daemon.logs.task_log import TaskLog
from daemon.processes.programs import Programs
from daemon.pull_requests.bridges import bridge, under
from daemon.saving.checkpoints import Checkpoint
from daemon.saving.saver import Saver
from daemon.tasks.beginning import Beginning, begin
from daemon.tasks.copied_files import CopiedFile
from daemon.tasks.left_plan import LAST_WORDS, left_plan
from daemon.tasks.preparing import copy_files, set_up
from daemon.tasks.project import Commands, Project, project_of
from daemon.tasks.pulse import Pulse
from daemon.tasks.verification import ROUNDS, Broken, verify
from daemon.tasks.workspace import Workspace
from domain.errors import PlanRefused
from domain.failures import Failure, FailureCategory
from domain.handover import Handover
from domain.models import TaskKind, Work
from domain.spawn_task import ContinueFrom, Outcome, OutcomeStatus, SpawnTask, cut, failed


@dataclass(frozen=True)
class Start:
    """What the work begins with."""

    base: str
    """The generation's base, the first dependency's head, or the branch that is merged into."""
    replaces: str
    """The target branch's commit at this moment; empty: there is none."""
    settled: str = ""
    """Where `.makima.toml` counts: a commit of the base branch, which no task can have edited (SPEC 6.5)."""
    incoming: tuple[Incoming, ...] = ()
    """What is merged into the base first, in this order."""
    branch: str = ""
    """Where the work is pushed to."""
    joined: tuple[str, ...] = ()
    """What `base` is a bridge to."""
    merged: tuple[str, ...] = ()
    """All heads that it would be a bridge to if there were work on top of them."""


class AgentWork:
    """Does a planning or step task; `outcome` is its whole story. A completion is one of its own kind."""

    def __init__(
        self,
        command: SpawnTask,
        cache: RepositoryCache,
        workspace: Workspace,
        agent: ConfiguredAgent | None,
        pulse: Pulse,
        log: TaskLog,
        saver: Saver,
        memory: int,
        host: Host,
        copy_files: tuple[CopiedFile, ...] = (),
    ) -> None:
        """`memory`: bytes that the agent's processes may use together; 0: no limit."""
        self._command = command
        self._cache = cache
        self._workspace = workspace
        self._agent = agent
        self._pulse = pulse
        self._log = log
        self._saver = saver
        self._host = host
        self._copy_files = copy_files
        self._allowed: tuple[str, ...] = ()
        self.runs: AgentRuns | None = None
        """Of the agent, once it has been started."""
        self._laid: tuple[str, ...] = ()
        self._programs = Programs(workspace, agent, pulse, log, memory=memory, before_kill=saver.before_kill)

    async def outcome(self) -> Outcome:
        """Raises RepositoryError, GitUnreachable, GitError, CannotServe; a failure of the work is an Outcome."""
        start = await self._start()
        begun = await self._begin(start)
        project = await self._project(start)
        await self._prepare(begun, project.setup)
        outcome = await self._round(begun, start, begun.ask(self._command))
        return await self._verified(outcome, begun, start, project.verify)

    async def _project(self, start: Start) -> Project:
        project = await project_of(self._command, self._cache, start.settled)
        self._allowed = (*project.setup, *project.verify)
        return project

    async def _begin(self, start: Start) -> Beginning:
        self._pulse.phase = "checking out"
        parts = (self._command, self._cache, self._workspace, self._saver)
        begun = await begin(*parts, start.base, start.incoming, partial(self._fits, start))
        for note in begun.notes:
            self._log.say(note)
        return begun

    async def _fits(self, start: Start, checkpoint: Checkpoint) -> bool:
        """Whether the work may go on from it: what a step starts from never changes."""
        return True

    async def _verified(self, outcome: Outcome, begun: Beginning, start: Start, commands: Commands) -> Outcome:
        """`outcome`, once its work passes: what fails goes back to the agent (SPEC 6.5)."""
        rounds = ROUNDS if self._follows_prompts else 0
        while broken := await self._broken(outcome, commands):
            if not rounds:
                report = failed(self._command, FailureCategory.VERIFY, broken.report)
                return report.model_copy(update={"work": outcome.work})
            rounds -= 1
            outcome = await self._round(begun, start, broken.ask(self._command.prompt))
        if outcome.status is not OutcomeStatus.COMPLETED or not outcome.work:
            return outcome
        return outcome.model_copy(update={"work": outcome.work.model_copy(update={"verified": commands})})

    @property
    def _follows_prompts(self) -> bool:
        return self._agent is not None and self._agent.follows_prompts

    async def _prepare(self, begun: Beginning, setup: Commands) -> None:
        if self._command.kind is not TaskKind.PLANNING:
            self._laid = await copy_files(self._copy_files, begun.worktree, self._log)
            worktree, conflict = self._workspace.agents_worktree, begun.conflict is not None
            await set_up(setup, worktree, self._programs, may_fail=conflict)

    async def _broken(self, outcome: Outcome, commands: Commands) -> Broken | None:
        """The verify command that fails on finished work."""
        if outcome.status is not OutcomeStatus.COMPLETED or not outcome.work:
            return None
        return await verify(commands, outcome.work.head, self._workspace.agents_worktree, self._programs)

    async def _round(self, begun: Beginning, start: Start, ask: Ask | None) -> Outcome:
        """The agent's work on `ask` (None: there is nothing for an agent to do), judged but not verified."""
        result = await self._run_agent(begun, ask) if ask is not None else AgentResult()
        failure = result.failure
        worktree, merged = self._workspace.agents_worktree, begun.began
        said = await self._workspace.handover()
        if said.gave_up:
            failure = Failure(category=FailureCategory.AGENT, report=f"gave up: {said.gave_up}")
        elif said.open_questions:
            return self._outcome(OutcomeStatus.WAITING, questions=said.open_questions)
        elif self.runs and (waits := self.runs.waits(result)):
            return waits
        if self._command.kind is TaskKind.PLANNING:
            return await self._planned(start.base, said, failure)
        unfit = await self._saver.unfit() if ask is not None else ()
        await worktree.commit_all(self._subject(begun), self._trailers(), without=unfit)
        if await worktree.touches(merged, self._laid):
            # Without the work, which would be pushed with the outcome.
            report = f"one of {', '.join(self._laid)} was committed: they are this machine's (copy_files)"
            return failed(self._command, FailureCategory.AGENT, report)
        work = await self._measured(worktree, start, merged)
        verdict = failure or await self._verdict(worktree, work, begun, start, said)
        if verdict:
            return failed(self._command, verdict.category, verdict.report).model_copy(update={"work": work})
        last_words = cut(self.runs.last_words) if self.runs and ask is not None else ""
        return self._outcome(OutcomeStatus.COMPLETED, work=work, summary=said.nothing_to_do or last_words)

    async def _start(self) -> Start:
        command = self._command
        if command.kind is TaskKind.PLANNING:
            return Start(base=await self._cache.prepare(command.base_branch), replaces="")
        replaced = await self._cache.on_remote(f"refs/heads/{command.target_branch}") or ""
        if command.bridges or not command.base_commit:
            return await self._bridged(replaced)
        base = command.continue_from.commit if command.continue_from else command.base_commit
        await self._cache.ensure([base, command.base_commit, *(one.commit for one in command.merge)])
        incoming = _incoming(command.merge)
        return Start(base, replaced, command.base_commit, incoming=incoming, branch=command.target_branch)

    async def _bridged(self, replaced: str) -> Start:
        """From the base branch as it is now, which holds what was merged of what the step depends on (SPEC 7.2)."""
        command = self._command
        settled = await self._cache.prepare(command.base_branch)
        built_on = (*((command.continue_from,) if command.continue_from else ()), *command.merge)
        await self._cache.ensure([settled, *(one.commit for one in built_on)])
        joined = await under(self._cache, settled, command.bridges, [one.commit for one in built_on])
        base = await bridge(self._cache, settled, joined)
        return Start(base, replaced, settled, incoming=_incoming(built_on), branch=command.target_branch)

    async def _run_agent(self, begun: Beginning, ask: Ask) -> AgentResult:
        command = self._command
        if self._agent is None or command.agent is None:
            return without_agent(begun.conflict)
        if self.runs is None:
            parts = (self._workspace, self._agent, command.agent, self._programs, self._pulse, self._log, self._host)
            self.runs = AgentRuns(*parts, changes=lambda: self._changes(begun), commands=self._allowed)
        return await self.runs.run(ask)

    async def _changes(self, begun: Beginning) -> tuple[str, str]:
        return begun.began, await self._workspace.agents_worktree.stat_since(begun.began)

    async def _verdict(
        self, worktree: Worktree, work: Work, begun: Beginning, start: Start, said: Handover
    ) -> Failure | None:
        """SPEC 6.9: there is work, or a declaration that none was needed; everything to be merged is merged."""
        for one in start.incoming:
            if not await worktree.contains(one.commit):
                return Failure(category=FailureCategory.CONFLICT, report=f"{one.name!r} ({one.commit}) was not merged")
        if unresolved := await left_markers(worktree, begun.conflict):
            return unresolved
        if work.head == begun.began and not said.nothing_to_do:
            report = "the agent left no change, and did not say that nothing had to be changed"
            if self.runs and self.runs.denied:
                report += f"; denied: {'; '.join(self.runs.denied)}"
                return Failure(category=FailureCategory.DENIED, report=report)
            return Failure(category=FailureCategory.NO_RESULT, report=report)
        return None

    async def _measured(self, worktree: Worktree, start: Start, since: str) -> Work:
        """`since`: the commit after which files count as changed."""
        head = await worktree.head()
        return Work(
            branch=start.branch,
            base=start.base,
            head=head,
            replaces=start.replaces,
            commits=len(await worktree.commits_since(start.base)),
            files_changed=len(await worktree.changed_files(since, head)),
        )

    async def _planned(self, base: str, said: Handover, failure: Failure | None) -> Outcome:
        if failure:
            return failed(self._command, failure.category, failure.report)
        try:
            # In a thread: looking for JSON in a long text takes its time.
            plan = await asyncio.to_thread(
                left_plan, said, self._command, self._workspace.folder.path, self._last_words()
            )
        except PlanRefused as refused:
            return failed(self._command, FailureCategory.PLAN, str(refused))
        return self._outcome(OutcomeStatus.COMPLETED, base_commit=base, plan=plan, summary=said.nothing_to_do)

    def _last_words(self) -> str:
        """What the agent said at its end: its final message, where it has one."""
        return (self.runs.last_words if self.runs else "") or self._log.tail(LAST_WORDS)

    def _outcome(self, status: OutcomeStatus, **fields: object) -> Outcome:
        command = self._command
        return Outcome.model_validate({"task": command.task, "attempt": command.attempt, "status": status, **fields})

    def _subject(self, begun: Beginning) -> str:
        return self._command.step_name or self._command.name

    def _trailers(self) -> dict[str, str]:
        command = self._command
        step = {"Makima-Step": str(command.step)} if command.step else {}
        return {"Makima-Directive": str(command.directive), **step, "Makima-Task": str(command.task)}


async def left_markers(worktree: Worktree, conflict: Conflict | None) -> Failure | None:
    """The failure of work that left what a conflict looks like in one of its files."""
    if conflict is None or not await worktree.has_conflict_markers(conflict.files):
        return None
    return Failure(category=FailureCategory.CONFLICT, report=f"markers are left in {', '.join(conflict.files)}")


def conflict_report(conflict: Conflict | None) -> str:
    """Why work that stands in `conflict` can't go on without an agent."""
    if conflict is None:
        return "there is no agent to do this"
    return f"merging {conflict.incoming.name!r} conflicts in {', '.join(conflict.files)}, and no agent can resolve it"


def _incoming(work: Sequence[ContinueFrom]) -> tuple[Incoming, ...]:
    return tuple(Incoming(one.commit, one.name) for one in work)


def without_agent(conflict: Conflict | None) -> AgentResult:
    """The result of work that would need an agent, and has none that could do it."""
    return AgentResult(Ending.GAVE_UP, Failure(category=FailureCategory.CONFLICT, report=conflict_report(conflict)))
