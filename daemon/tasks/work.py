"""The work of one delivery: a worktree on the right commits, an agent in it, and a verdict on what it left (rule 6)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from daemon import agent_files
from daemon.agents.base import AgentResult
from daemon.git.commits import measured, touches
from daemon.git.worktrees import Incoming
from daemon.judgement.check import ROUNDS, Examined, Fault
from daemon.judgement.judge import Judge
from daemon.judgement.unfinished import refused_by_git, unfinished, without_a_change, without_a_commit
from daemon.judgement.work_questions import asked_about_left, asked_about_secret, given_up
from daemon.saving.checkpoints import Checkpoint
from daemon.secrets.secret_search import fit_to_leave
from daemon.session.continuing import Ask
from daemon.session.runs import AgentRuns
from daemon.session.task_programs import Programs
from daemon.tasks.beginning import Beginning, begin, copy_files, set_up, without_agent
from daemon.tasks.clashing import with_clashes, without_advice
from daemon.tasks.decided import decided, go_on
from daemon.tasks.left_plan import LAST_WORDS, planned
from daemon.tasks.start import Start, TaskParts, start_of
from daemon.tasks.verification import Judged, passed
from daemon.workspace.project import Commands, ProjectFile, project_of
from domain.errors import WorktreeBroken
from domain.failures import Failure, FailureCategory
from domain.handover import Handover
from domain.models import Work
from domain.spawn_task import Outcome, OutcomeStatus, cut, failed
from domain.statuses import TaskKind


class AgentWork:
    """Does a planning or step task; `outcome` is its whole story. A completion is one of its own kind."""

    def __init__(self, parts: TaskParts) -> None:
        self._command = parts.command
        self._cache = parts.cache
        self._workspace = parts.workspace
        self._agent = parts.agent
        self._heartbeat = parts.heartbeat
        self._log = parts.log
        self._saver = parts.saver
        self._host = parts.host
        self._copy_files = parts.copy_files
        self._allowed: tuple[str, ...] = ()
        self._allow_secrets = parts.allow_secrets
        self._seen = parts.seen
        self._judge = Judge(parts.workspace, parts.saver.take)
        self.runs: AgentRuns | None = None
        """Of the agent, once it has been started."""
        self._laid: tuple[str, ...] = ()
        self._programs = Programs(
            parts.workspace,
            parts.agent,
            parts.heartbeat,
            parts.log,
            memory=parts.memory,
            before_kill=parts.saver.before_kill,
        )

    async def outcome(self) -> Outcome:
        """Raises RepositoryError, GitUnreachable, GitError, CannotServe; a failure of the work is an Outcome."""
        if over := given_up(self._command):
            return over
        start = await start_of(self._command, self._cache, self._seen)
        begun = await self._begin(start)
        project = await self._project(start)
        await self._prepare(begun, project.setup)
        return await self._sound(begun, start, begun.ask(self._command), project.verify)

    async def _project(self, start: Start) -> ProjectFile:
        project = await project_of(self._command, self._cache, start.settled)
        self._allowed = (*project.setup, *project.verify)
        self._allow_secrets = tuple(dict.fromkeys((*self._allow_secrets, *project.allow_secrets)))
        self._saver.allow(self._allow_secrets)
        return project

    async def _begin(self, start: Start) -> Beginning:
        self._heartbeat.phase = "checking out"
        parts = (self._command, self._cache, self._workspace, self._saver)
        begun = await begin(*parts, start.base, start.incoming, self._seen, partial(self._fits, start))
        for note in begun.notes:
            self._log.add_line(note)
        return begun

    async def _fits(self, start: Start, checkpoint: Checkpoint) -> bool:
        """Whether the work may go on from it: what a step starts from never changes."""
        return True

    async def _sound(self, begun: Beginning, start: Start, ask: Ask | None, commands: Commands = ()) -> Outcome:
        """The work on `ask`, once nothing is wrong with it and the commands pass. What is wrong goes back to the agent,
        which has some rounds; then the attempt fails with it (rules 6.5, 6.9).
        """
        if self.runs is None and (question := await decided(self._command, self._cache, begun.restored)):
            await self._committed(begun, start)
            going = await go_on(question, self._workspace.agents_worktree, self._cache, begun, self._follows_prompts)
            if going.failure:
                return await self._with_left(begun, start, await self._failed_with_work(begun, start, going.failure))
            self._judge.dismiss(begun.restored.beside if begun.restored else ())
            begun, start = going.begun, replace(start, incoming=(*start.incoming, *going.incoming))
            ask = begun.ask(self._command) if begun.conflict else None
        rounds, worktree = ROUNDS if self._follows_prompts else 0, self._workspace.agents_worktree
        while True:
            try:
                judged = without_advice(await self._round(begun, start, ask), rounds)
                again = partial(self._judged, begun, start, known_only=True)
                judged = await passed(judged, commands, worktree, self._programs, again)
                self._judge.something_ran(*commands)
                found = await with_clashes(self._host.radar, judged, rounds, self.runs)
            except WorktreeBroken as broken:
                if not rounds or not agent_files.is_folder(self._workspace.work_path):
                    raise
                found = refused_by_git(broken)
            if found is None:
                outcome, found = await self._in_lfs(begun, start, judged.outcome)
            if found is None:
                return await self._with_left(begun, start, outcome)
            if not rounds:
                return await self._with_left(begun, start, await self._failed(begun, start, found))
            rounds -= found.takes_round
            self._log.add_line(f"back to the agent: {found.report.splitlines()[0]}")
            ask = found.ask(self._command.prompt)

    async def _in_lfs(self, begun: Beginning, start: Start, outcome: Outcome) -> tuple[Outcome, Fault | None]:
        """The same, its files in Git LFS uploaded; what was verified are the contents, which stay the same."""
        work = outcome.work
        if outcome.status is not OutcomeStatus.COMPLETED or work is None or self._command.kind is TaskKind.PLANNING:
            return outcome, None
        head, found = await self._judge.into_lfs(self._examined(begun, start, work.head))
        if found is None and head != work.head:
            kept = {"verified": work.verified, "left_out": work.left_out}
            parts = (self._cache, start.branch, start.base, head, start.replaces, self._since(begun, start))
            outcome = outcome.model_copy(update={"work": (await measured(*parts)).model_copy(update=kept)})
        return outcome, found

    async def _with_left(self, begun: Beginning, start: Start, outcome: Outcome) -> Outcome:
        """The attempt's end, once all that its agent has committed beside the work is saved, too."""
        if self.runs is None or outcome.status is OutcomeStatus.WAITING or self._command.kind is TaskKind.PLANNING:
            return outcome
        head = outcome.work.head if outcome.work else begun.began
        said = (await self._judge.save_left(self._examined(begun, start, head))).said
        return outcome.model_copy(update={"warnings": (*outcome.warnings, said)}) if said else outcome

    async def _failed(self, begun: Beginning, start: Start, found: Fault) -> Outcome:
        """With the work, which the next attempt, or a person, can look at; about a secret a person is asked."""
        if found.category is FailureCategory.SECRET:
            return asked_about_secret(self._command, found)
        if found.category is FailureCategory.LEFT:
            head = (await self._committed(begun, start)).head
            kept = await self._judge.save_left(self._examined(begun, start, head))
            self._saver.keep_beside(kept.ends)
            return asked_about_left(self._command, found, head, kept.said)
        return await self._failed_with_work(begun, start, Failure(category=found.category, report=found.report))

    async def _failed_with_work(self, begun: Beginning, start: Start, failure: Failure) -> Outcome:
        """With what of the work may leave the machine."""
        work = await self._committed(begun, start)
        head = await fit_to_leave(self._cache, work.head, begun.began, self._allow_secrets)
        if head != work.head:
            since = self._since(begun, start)
            work = await measured(self._cache, start.branch, start.base, head, start.replaces, since)
        return failed(self._command, failure.category, failure.report).model_copy(update={"work": work})

    @property
    def _follows_prompts(self) -> bool:
        return self._agent is not None and self._agent.follows_prompts

    async def _prepare(self, begun: Beginning, setup: Commands) -> None:
        if self._command.kind is not TaskKind.PLANNING:
            self._laid = await copy_files(self._copy_files, begun.worktree, self._log)
            worktree, conflict = self._workspace.agents_worktree, begun.conflict is not None
            made = await set_up(setup, worktree, self._programs, may_fail=conflict)
            await asyncio.to_thread(self._saver.side.exclude, (*self._laid, *made))

    async def _round(self, begun: Beginning, start: Start, ask: Ask | None) -> Judged:
        """The agent's work on `ask` (None: there is nothing for an agent to do), judged but not verified."""
        result = await self._run_agent(begun, ask) if ask is not None else AgentResult()
        failure = result.failure
        said = await self._workspace.handover()
        if said.gave_up:
            failure = Failure(category=FailureCategory.AGENT, report=f"gave up: {said.gave_up}")
        elif said.open_questions:
            return Judged(self._outcome(OutcomeStatus.WAITING, questions=said.open_questions))
        elif self.runs and (waits := self.runs.waits(result)):
            return Judged(waits)
        if self._command.kind is TaskKind.PLANNING:
            last_words = (self.runs.last_words if self.runs else "") or self._log.tail(LAST_WORDS)
            folder = self._workspace.folder.path
            outcome = await planned(self._command, start, said, failure, folder, last_words)
            return Judged(outcome.model_copy(update={"branch_prefix": start.prefix}))
        if ask is not None:
            await self._saver.mend()
        if failure:
            return Judged(await self._failed_with_work(begun, start, failure))
        last_words = cut(self.runs.last_words) if self.runs and ask is not None else ""
        done = self._outcome(OutcomeStatus.COMPLETED, summary=said.nothing_to_do or last_words)
        ours = {one.commit for one in start.incoming}
        given = (self._workspace.agents_worktree, ours, self._saver.was_unborn, self._saver.may_be_unmerged)
        if ask is not None and (found := await unfinished(*given)):
            return Judged(done, found)  # nothing is committed: the agent can end what it has begun
        return await self._judged(begun, start, done, said, is_agents=ask is not None)

    async def _judged(
        self,
        begun: Beginning,
        start: Start,
        outcome: Outcome,
        said: Handover | None = None,
        *,
        is_agents: bool = True,
        known_only: bool = False,
    ) -> Judged:
        """`outcome` with all that is in the worktree as its work, and what is wrong with that."""
        work = await self._committed(begun, start, is_agents=is_agents, known_only=known_only)
        if await touches(self._cache, begun.began, work.head, self._laid):
            # Without the work, which would be pushed with the outcome.
            report = f"one of {', '.join(self._laid)} was committed: they are this machine's (copy_files)"
            return Judged(failed(self._command, FailureCategory.AGENT, report))
        examined = self._examined(begun, start, work.head)
        found = await self._judge.examine(examined)
        if found is None and said and (nothing := self._nothing_done(work, begun, said)):
            return Judged(failed(self._command, nothing.category, nothing.report).model_copy(update={"work": work}))
        if found is None and said and not said.nothing_to_do and begun.conflict is None:
            found = await without_a_change(examined)
        if known_only and outcome.work:
            work = work.model_copy(update={"left_out": outcome.work.left_out})
        elif is_agents:
            own = await asyncio.to_thread(self._saver.side.excluded)
            left_out, heard = await self._judge.left_out(examined, self._saver.left_out, own)
            work, found = work.model_copy(update={"left_out": left_out}), found or heard
        return Judged(outcome.model_copy(update={"work": work}), found)

    def _examined(self, begun: Beginning, start: Start, head: str) -> Examined:
        conflicted = begun.conflict.files if begun.conflict else ()
        held, allowed = self._held(begun, start), self._allow_secrets
        return Examined(self._cache, head, begun.began, held, conflicted, allowed, settled=start.settled)

    async def _committed(
        self, begun: Beginning, start: Start, *, is_agents: bool = True, known_only: bool = False
    ) -> Work:
        """What is in the worktree, as commits in the cache."""
        worktree = self._workspace.agents_worktree
        unfit = await self._saver.unfit() if is_agents else ()
        given = (self._subject(begun), self._trailers())
        made = await self._saver.committing(partial(worktree.commit_all, *given, without=unfit, known_only=known_only))
        head = made.commit if made else await worktree.head()
        await self._saver.take(head, made.content if made else b"")
        return await measured(self._cache, start.branch, start.base, head, start.replaces, self._since(begun, start))

    async def _run_agent(self, begun: Beginning, ask: Ask) -> AgentResult:
        command = self._command
        if self._agent is None or command.agent is None:
            return without_agent(begun.conflict)
        if self.runs is None:
            parts = (
                self._workspace,
                self._agent,
                command.agent,
                self._programs,
                self._heartbeat,
                self._log,
                self._host,
            )
            self.runs = AgentRuns(*parts, changes=lambda: self._changes(begun), commands=self._allowed)
        self._judge.agent_starts()
        return await self.runs.run(ask)

    async def _changes(self, begun: Beginning) -> tuple[str, str]:
        return begun.began, await self._workspace.agents_worktree.stat_since(begun.began)

    def _held(self, begun: Beginning, start: Start) -> tuple[Incoming, ...]:
        """What must be in the history of the work: what it began on, and everything that was to be merged."""
        before = self._command.continue_from
        return (Incoming(start.base, before.name if before else "the base commit"), *start.incoming)

    def _nothing_done(self, work: Work, begun: Beginning, said: Handover) -> Failure | None:
        if work.head != begun.began or said.nothing_to_do:
            return None
        return without_a_commit(self.runs.denied if self.runs else ())

    def _since(self, begun: Beginning, start: Start) -> str:
        """The commit after which files count as changed."""
        return begun.began

    def _outcome(self, status: OutcomeStatus, **fields: object) -> Outcome:
        command = self._command
        return Outcome.model_validate({"task": command.task, "attempt": command.attempt, "status": status, **fields})

    def _subject(self, begun: Beginning) -> str:
        return self._command.step_name or self._command.name

    def _trailers(self) -> dict[str, str]:
        command = self._command
        step = {"Makima-Step": str(command.step)} if command.step else {}
        return {"Makima-Directive": str(command.directive), **step, "Makima-Task": str(command.task)}
