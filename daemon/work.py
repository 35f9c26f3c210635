"""The work of one delivery: a worktree on the right commits, an agent in it, and a verdict on what it left (SPEC 6)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from daemon.agent_runs import AgentRuns, Host
from daemon.agents import ConfiguredAgent
from daemon.agents.base import AgentResult
from daemon.agents.events import Ending
from daemon.beginning import Beginning, begin
from daemon.continuing import Ask
from daemon.copied_files import CopiedFile
from daemon.left_plan import LAST_WORDS, left_plan
from daemon.preparing import copy_files, set_up
from daemon.programs import Programs
from daemon.project import Commands, project_of
from daemon.pulse import Pulse
from daemon.repositories import RepositoryCache
from daemon.saver import Saver
from daemon.task_log import TaskLog
from daemon.verification import ROUNDS, Broken, verify
from daemon.workspace import Workspace
from daemon.worktrees import Conflict, Worktree
from domain.errors import PlanRefused
from domain.handover import Handover
from domain.models import Failure, FailureCategory, TaskKind, Work
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask, failed


@dataclass(frozen=True)
class Start:
    """What the work begins with."""

    base: str
    """The generation's base, the first dependency's head, or the branch that is merged into."""
    replaces: str
    """The target branch's commit at this moment; empty: there is none."""
    settled: str = ""
    """Where `.makima.toml` counts: a commit of the base branch, which no task can have edited (SPEC 6.5)."""


class AgentWork:
    """Does a planning, step or completion task; `outcome` is its whole story."""

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
        self._pulse.phase = "checking out"
        begun = await begin(self._command, self._cache, self._workspace, self._saver, start.base)
        for note in begun.notes:
            self._log.say(note)
        project = await project_of(self._command, self._cache, start.settled)
        self._allowed = (*project.setup, *project.verify)
        by_agent = self._command.kind is not TaskKind.COMPLETION or bool(begun.conflict or begun.restored)
        await self._prepare(begun, project.setup if by_agent or project.verify else ())
        outcome = await self._round(begun, start, Ask(begun.prompt(self._command)) if by_agent else None)
        rounds = ROUNDS if self._agent and self._agent.follows_prompts else 0
        while broken := await self._broken(outcome, project.verify):
            if not rounds:
                report = failed(self._command, FailureCategory.VERIFY, broken.report)
                return report.model_copy(update={"work": outcome.work})
            rounds -= 1
            outcome = await self._round(begun, start, broken.ask(self._command.prompt))
        return outcome

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
        worktree, merged, conflict = self._workspace.agents_worktree, begun.began, begun.conflict
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
        await worktree.commit_all(self._subject(), self._trailers(), without=unfit)
        if await worktree.touches(merged, self._laid):
            # Without the work, which would be pushed with the outcome.
            report = f"one of {', '.join(self._laid)} was committed: they are this machine's (copy_files)"
            return failed(self._command, FailureCategory.AGENT, report)
        work = await self._measured(worktree, start, merged)
        verdict = failure or await self._verdict(worktree, work, merged, conflict, said)
        if verdict:
            return failed(self._command, verdict.category, verdict.report).model_copy(update={"work": work})
        return self._outcome(OutcomeStatus.COMPLETED, work=work, summary=said.nothing_to_do)

    async def _start(self) -> Start:
        command = self._command
        if command.kind is TaskKind.PLANNING:
            return Start(base=await self._cache.prepare(command.base_branch), replaces="")
        if command.kind is TaskKind.STEP:
            base = command.continue_from.commit if command.continue_from else command.base_commit
            await self._cache.ensure([base, command.base_commit, *(one.commit for one in command.merge)])
            replaced = await self._cache.on_remote(f"refs/heads/{command.target_branch}")
            return Start(base=base, replaces=replaced or "", settled=command.base_commit)
        prepared = await self._cache.prepare(command.base_branch)
        await self._cache.ensure([one.commit for one in command.merge])
        branch = await self._cache.branch_commit(command.target_branch)
        return Start(base=branch or prepared, replaces=branch or "", settled=prepared)

    async def _run_agent(self, begun: Beginning, ask: Ask) -> AgentResult:
        command, conflict = self._command, begun.conflict
        if self._agent is None or command.agent is None:
            return _conflicting(conflict)
        if conflict and command.kind is TaskKind.COMPLETION and not self._agent.follows_prompts:
            return _conflicting(conflict)
        self.runs = self.runs or AgentRuns(
            self._workspace,
            self._agent,
            command.agent,
            self._programs,
            self._pulse,
            self._log,
            self._host,
            changes=lambda: self._changes(begun),
            commands=self._allowed,
        )
        return await self.runs.run(ask)

    async def _changes(self, begun: Beginning) -> tuple[str, str]:
        return begun.began, await self._workspace.agents_worktree.stat_since(begun.began)

    async def _verdict(
        self, worktree: Worktree, work: Work, merged: str, conflict: Conflict | None, said: Handover
    ) -> Failure | None:
        """SPEC 6.9: there is work, or a declaration that none was needed; everything to be merged is merged."""
        for one in self._command.merge:
            if not await worktree.contains(one.commit):
                return Failure(category=FailureCategory.CONFLICT, report=f"{one.name!r} ({one.commit}) was not merged")
        if conflict and await worktree.has_conflict_markers(conflict.files):
            return Failure(category=FailureCategory.CONFLICT, report=f"markers are left in {', '.join(conflict.files)}")
        if self._command.kind is TaskKind.STEP and work.head == merged and not said.nothing_to_do:
            report = "the agent left no change, and did not say that nothing had to be changed"
            if self.runs and self.runs.denied:
                return Failure(
                    category=FailureCategory.DENIED, report=f"{report}; denied: {'; '.join(self.runs.denied)}"
                )
            return Failure(category=FailureCategory.NO_RESULT, report=report)
        return None

    async def _measured(self, worktree: Worktree, start: Start, merged: str) -> Work:
        head = await worktree.head()
        return Work(
            branch=self._command.target_branch,
            base=start.base,
            head=head,
            replaces=start.replaces,
            commits=len(await worktree.commits_since(start.base)),
            files_changed=len(await worktree.changed_files(merged, head)),
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

    def _subject(self) -> str:
        return self._command.step_name or self._command.name

    def _trailers(self) -> dict[str, str]:
        command = self._command
        step = {"Makima-Step": str(command.step)} if command.step else {}
        return {"Makima-Directive": str(command.directive), **step, "Makima-Task": str(command.task)}


def _conflicting(conflict: Conflict | None) -> AgentResult:
    return AgentResult(Ending.GAVE_UP, Failure(category=FailureCategory.CONFLICT, report=_conflict_report(conflict)))


def _conflict_report(conflict: Conflict | None) -> str:
    if conflict is None:
        return "there is no agent to do this"
    return f"merging {conflict.incoming.name!r} conflicts in {', '.join(conflict.files)}, and no agent can resolve it"
