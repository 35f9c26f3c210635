"""The work of one delivery: a worktree on the right commits, an agent in it, and a verdict on what it left (SPEC 6)."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.agent_process import run_agent
from daemon.agents import ConfiguredAgent
from daemon.agents.base import AgentRun
from daemon.pulse import Pulse
from daemon.repositories import RepositoryCache
from daemon.task_log import TaskLog
from daemon.workspace import Workspace
from daemon.worktrees import Conflict, Incoming, Worktree
from domain.handover import Handover
from domain.models import Failure, FailureCategory, TaskKind, Work
from domain.prompts import conflict_note
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask, failed


@dataclass(frozen=True)
class Start:
    """What the work begins with."""

    base: str
    """The generation's base, the first dependency's head, or the branch that is merged into."""
    replaces: str
    """The target branch's commit at this moment; empty: there is none."""


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
    ) -> None:
        self._command = command
        self._cache = cache
        self._workspace = workspace
        self._agent = agent
        self._pulse = pulse
        self._log = log

    async def outcome(self) -> Outcome:
        """Raises RepositoryError, GitUnreachable, GitError, CannotServe; a failure of the work is an Outcome."""
        start = await self._start()
        self._pulse.phase = "checking out"
        worktree = await self._workspace.check_out(self._cache, start.base)
        heads = await self._cache.independent([one.commit for one in self._incoming()])
        conflict = await worktree.merge([one for one in self._incoming() if one.commit in heads])
        merged = await worktree.head()
        failure = None
        if self._command.kind is not TaskKind.COMPLETION or conflict:
            failure = await self._run_agent(conflict)
            worktree = worktree.run_by(self._workspace.run_as_agent)
        if self._command.kind is TaskKind.PLANNING:
            return self._planned(start.base, failure)
        await worktree.commit_all(self._subject(), self._trailers())
        work = await self._measured(worktree, start, merged)
        verdict = failure or await self._verdict(worktree, work, merged, conflict)
        if verdict:
            return failed(self._command, verdict.category, verdict.report).model_copy(update={"work": work})
        return self._completed(work=work, summary=self._workspace.handover().nothing_to_do)

    async def take(self, commit: str) -> None:
        """Bring the work's commit from the worktree into the cache, from where it is pushed."""
        await self._cache.take(self._workspace.work_path, commit)

    async def _start(self) -> Start:
        command = self._command
        if command.kind is TaskKind.PLANNING:
            return Start(base=await self._cache.prepare(command.base_branch), replaces="")
        if command.kind is TaskKind.STEP:
            base = command.continue_from.commit if command.continue_from else command.base_commit
            await self._cache.ensure([base, *(one.commit for one in command.merge)])
            replaced = await self._cache.on_remote(f"refs/heads/{command.target_branch}")
            return Start(base=base, replaces=replaced or "")
        prepared = await self._cache.prepare(command.base_branch)
        await self._cache.ensure([one.commit for one in command.merge])
        branch = await self._cache.branch_commit(command.target_branch)
        return Start(base=branch or prepared, replaces=branch or "")

    def _incoming(self) -> list[Incoming]:
        return [Incoming(one.commit, one.name) for one in self._command.merge]

    async def _run_agent(self, conflict: Conflict | None) -> Failure | None:
        command = self._command
        if self._agent is None or command.agent is None:
            return Failure(category=FailureCategory.CONFLICT, report=_conflict_report(conflict))
        if conflict and command.kind is TaskKind.COMPLETION and not self._agent.follows_prompts:
            return Failure(category=FailureCategory.CONFLICT, report=_conflict_report(conflict))
        prompt = command.prompt if conflict is None else f"{_note(conflict)}\n{command.prompt}"
        run = AgentRun(
            prompt=prompt,
            folder=self._workspace.folder,
            script=command.script,
            model=command.agent.model,
            arguments=command.agent.arguments,
        )
        started = self._agent.command(run)
        self._pulse.phase = f"agent {command.agent.name}"
        ended = await run_agent(
            started,
            cwd=self._workspace.work_path,
            env=self._workspace.environment(started),
            sink=self._say,
            limits=command.limits,
        )
        return self._agent.judge(ended).failure

    def _say(self, text: str) -> None:
        self._log.append(text)
        self._pulse.last_line = self._log.last_line

    async def _verdict(self, worktree: Worktree, work: Work, merged: str, conflict: Conflict | None) -> Failure | None:
        """SPEC 6.9: there is work, or a declaration that none was needed; everything to be merged is merged."""
        handover: Handover = self._workspace.handover()
        if handover.gave_up:
            return Failure(category=FailureCategory.AGENT, report=f"gave up: {handover.gave_up}")
        for one in self._incoming():
            if not await worktree.contains(one.commit):
                return Failure(category=FailureCategory.CONFLICT, report=f"{one.name!r} ({one.commit}) was not merged")
        if conflict and await worktree.has_conflict_markers(conflict.files):
            return Failure(category=FailureCategory.CONFLICT, report=f"markers are left in {', '.join(conflict.files)}")
        if self._command.kind is TaskKind.STEP and work.head == merged and not handover.nothing_to_do:
            report = "the agent left no change, and did not say that nothing had to be changed"
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

    def _planned(self, base: str, failure: Failure | None) -> Outcome:
        handover = self._workspace.handover()
        if failure is None and handover.gave_up:
            failure = Failure(category=FailureCategory.AGENT, report=f"gave up: {handover.gave_up}")
        if failure:
            return failed(self._command, failure.category, failure.report)
        return self._completed(base_commit=base, plan=handover.plan, summary=handover.nothing_to_do)

    def _completed(self, **fields: object) -> Outcome:
        command = self._command
        known = {"task": command.task, "attempt": command.attempt, "status": OutcomeStatus.COMPLETED}
        return Outcome.model_validate({**known, **fields})

    def _subject(self) -> str:
        return self._command.step_name or self._command.name

    def _trailers(self) -> dict[str, str]:
        command = self._command
        step = {"Makima-Step": str(command.step)} if command.step else {}
        return {"Makima-Directive": str(command.directive), **step, "Makima-Task": str(command.task)}


def _note(conflict: Conflict) -> str:
    return conflict_note(conflict.files, [one.commit for one in conflict.remaining])


def _conflict_report(conflict: Conflict | None) -> str:
    if conflict is None:
        return "there is no agent to do this"
    return f"merging {conflict.incoming.name!r} conflicts in {', '.join(conflict.files)}, and no agent can resolve it"
