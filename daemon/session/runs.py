"""Runs a task's agent until it has come to an end that counts: resumed, handed over, left waiting (rule 6.9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from daemon.agents import ConfiguredAgent
from daemon.agents.base import AgentResult, AgentRun, StreamSummary
from daemon.agents.stream_events import Ending
from daemon.core.reporting import Heartbeat
from daemon.logs.task_log import TaskLog
from daemon.process.program import EndedBy
from daemon.session import budget
from daemon.session.continuing import LOG_SHOWN, Ask, Move, Tried, handed_over, next_move, resumed, taken_on
from daemon.session.follower import Follower
from daemon.session.host import Host
from daemon.session.live_usage import LiveUsage
from daemon.session.met_accounts import Met
from daemon.session.parking import account_name, account_of, remedy_of
from daemon.session.permission import Asking
from daemon.session.session_folder import SessionFolder, SessionNote, login_folder
from daemon.session.task_programs import Programs, closed
from daemon.session.waiting import waiting
from daemon.workspace.workspace import Workspace
from domain.budget import USED_UP
from domain.directive_settings import AgentChoice
from domain.models import Question
from domain.questions import permission_id, question_id
from domain.spawn_task import Outcome
from domain.usage import ResumableSession, Usage


class AgentRuns:
    """All runs of the agent of one delivery."""

    def __init__(
        self,
        workspace: Workspace,
        agent: ConfiguredAgent,
        choice: AgentChoice,
        programs: Programs,
        heartbeat: Heartbeat,
        log: TaskLog,
        host: Host,
        *,
        changes: Callable[[], Awaitable[tuple[str, str]]],
        commands: tuple[str, ...] = (),
    ) -> None:
        """`changes`: the commit at which the task began, and `git diff --stat` since it. `commands`: those of setup and
        verify.
        """
        self._workspace = workspace
        self._command = workspace.command
        self._agent = agent
        self._choice = choice
        self._programs = programs
        self._heartbeat = heartbeat
        self._log = log
        self._host = host
        self._changes = changes
        self._commands = commands
        self._tasks = workspace.path.parent
        self._folder = SessionFolder.of(self._tasks, self._command)
        self._note = self._folder.read(choice.name, self._command.resume, host.delivery.used_before)
        self._has_run = False
        self._begun = self._note
        self._first_run = self._run_began = time.monotonic()
        heartbeat.used = lambda: self._used
        self._live = LiveUsage(host, self._command, account_name(agent), heartbeat.used, lambda: self._note.turns)
        self._is_bounded_by_day = False
        """A budget of the day has less left than all else that bounds the latest run's cost."""
        self.asking = Asking(self._command, host.delivery)
        self.last_words = ""
        """The text of the last final event."""
        self.denied: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        """What people should know of the limits that it runs under."""

    @property
    def account(self) -> str:
        """Whose use its runs are, as budgets of the day name it."""
        return self._live.account

    @property
    def usage(self) -> Usage:
        """Of the attempt, over all its deliveries that this machine knows of."""
        return self._note.usage

    @property
    def has_session(self) -> bool:
        """Its next run goes on where the last one ended, and knows what that did."""
        return self._has_run and bool(self._note.session)

    @property
    def resume(self) -> ResumableSession:
        """The session that a later delivery can go on with, if there is one."""
        note = self._note
        return ResumableSession(agent=note.agent, session=note.session, daemon=self._host.daemon, usage=note.usage)

    async def run(self, ask: Ask) -> AgentResult:
        """Ask the agent, in its session where it has one here; what it comes to, once there is nothing left to try."""
        whole = await self._live.with_day_note(ask.whole) if self._agent.follows_prompts else ask.whole
        ask = replace(ask, whole=self._with_network(whole))
        if not self._agent.has_sessions:
            return await self._once(await self._by_another(ask) or ask.whole)
        tried, prompt = Tried(), await self._first(ask)
        while True:
            result = await self._once(prompt)
            move, wait, tried = next_move(result.ending, tried)
            if move is Move.ACCEPT:
                return budget.with_what_follows(result, self._command.task)
            self._log.add_line(f"{result.ending}: {move}{f' in {wait:g} s' if wait else ''}")
            await asyncio.sleep(wait)
            prompt = await self._next(move, str(result.ending), ask)

    def _with_network(self, prompt: str) -> str:
        """What a session that knows nothing is told, with what its sandbox lets it reach."""
        doorway = self._workspace.doorway
        return f"{prompt.rstrip()}\n\n{doorway.note}" if doorway and self._agent.follows_prompts else prompt

    async def _first(self, ask: Ask) -> str:
        if self.has_session:
            return ask.further or ask.whole
        if self._note.session:
            return f"{self._resumed('the task was given back to its queue')}\n{ask.further}"
        if told := await self._by_another(ask):
            return told
        elsewhere = self._command.resume
        if elsewhere and elsewhere.session and not self._has_run:
            return await self._handed_over(f"it ran on {elsewhere.daemon}", ask)
        return ask.whole

    async def _by_another(self, ask: Ask) -> str:
        """What is told to the first run after another agent had the task (rule 5.9); empty: none had."""
        before = self._command.handed_over
        if before is None or self._has_run or not self._agent.follows_prompts:
            return ""
        base, stat = await self._changes()
        return taken_on(before.agent, before.reason, base, stat, self._log.tail(LOG_SHOWN), ask.whole)

    async def _next(self, move: Move, reason: str, ask: Ask) -> str:
        if move is Move.RESUME and self._note.session:
            return self._resumed(reason)
        self._keep(self._note.without_session)
        return await self._handed_over(reason, ask)

    def _resumed(self, reason: str) -> str:
        worktree = str(self._workspace.work_path)
        answers = [each for each in self._command.context.answers if _is_the_agents(each)]
        return resumed(reason, worktree, self._note.worktree, answers)

    async def _handed_over(self, reason: str, ask: Ask) -> str:
        base, stat = await self._changes()
        return handed_over(reason, base, stat, self._log.tail(LOG_SHOWN), ask.whole)

    async def _once(self, prompt: str) -> AgentResult:
        limits = self._command.limits
        reason = budget.spent(limits, self._note) or budget.share_used_up(limits, self._used)
        if reason := reason or await self._live.ask_before():
            return budget.over_budget(reason)
        run, agent = self._run(prompt), self._agent
        self._warn(budget.unbounded(agent, self._command.limits, run) or agent.unknown(run))
        self._begun, self._run_began = self._note, time.monotonic()
        follower = self._follower(run)
        command = agent.command(run)
        timed = budget.timed(limits, self._used, follower.stop_for)
        async with follower.following(), timed, self._live.reporting():
            end = await self._programs.run(command, self._phase, follower=follower)
        if end.ended_by is EndedBy.LINGERED:
            self._log.add_line(closed(follower.talk.linger.server))
        self._has_run = True
        self._learn(run, follower.seen)
        await self._live.report_at_the_end()
        agent.refuse(run, end, follower.seen)
        self.denied = (*self.denied, *follower.seen.denied)
        self.last_words = follower.seen.final.text if follower.seen.final else ""
        if follower.stopped_for and not (follower.seen.final and follower.seen.final.ending is Ending.COMPLETED):
            return budget.over_budget(follower.stopped_for)
        return agent.judge(end, replace(follower.seen, asks=follower.asks))

    def _run(self, prompt: str) -> AgentRun:
        limits, agent = self._command.limits, self._agent
        state = self._folder.state
        money, today = budget.money_left(limits, limits.rate.with_guess(self._note.usage)), self._live.money_left()
        self._is_bounded_by_day = bool(today) and (not money or today < money)
        return AgentRun(
            prompt=prompt,
            folder=self._workspace.folder,
            script=self._command.script,
            model=self._choice.model,
            arguments=self._choice.arguments,
            state=state,
            login=login_folder(self._tasks, agent.login_name) if agent.login_name else state,
            session=self._note.session,
            before=self._note.totals,
            unsettled_usd=self._note.unsettled_usd,
            turns=max(limits.turns - self._note.turns, 0) if limits.turns else 0,
            cost_usd=today if self._is_bounded_by_day else money,
            boxed=self._workspace.is_boxed,
            commands=self._commands,
            worktree=self._workspace.work_path,
        )

    def _follower(self, run: AgentRun) -> Follower:
        agent = self._agent
        return Follower(
            agent.stream(run),
            self._log,
            self._heartbeat,
            phase=self._phase,
            decide=self.asking.decide,
            check=lambda seen: self._learned(run, seen),
            raw=self._folder.raw,
            worktree=str(self._workspace.work_path),
            side_files=agent.side_files(run),
        )

    @property
    def _phase(self) -> str:
        return "; ".join((f"agent {self._choice.name}", *self.warnings))

    def _warn(self, warning: str) -> None:
        if warning and warning not in self.warnings:
            self.warnings = (*self.warnings, warning)
            self._log.add_line(warning)

    def _learned(self, run: AgentRun, seen: StreamSummary) -> str:
        """Why the run must be stopped, after what it has told; empty: it may go on."""
        self._learn(run, seen)
        limits, agent, used = self._command.limits, self._agent, self._used
        known = used if agent.counts_cost else limits.rate.with_guess(used)
        return budget.overspent(agent, limits, run, seen, used) or self._live.used_up(known)

    @property
    def _used(self) -> Usage:
        """By the attempt until now, with the time since this delivery's first run."""
        return self._note.usage + Usage(seconds=time.monotonic() - self._first_run)

    def _learn(self, run: AgentRun, seen: StreamSummary) -> None:
        """Keep what a later delivery must know, at once: this one may be killed at any moment. Counted from how the
        run began, so that what is told replaces what was estimated.
        """
        begun = self._begun
        unknown = self._agent.cost_unknown(seen)
        session = seen.session_totals or begun.totals
        used = Usage(
            cost_usd=seen.totals.cost_usd,
            tokens=seen.totals.tokens,
            cost_unknown=unknown,
            untold_tokens=seen.totals.tokens if unknown else 0,
            untold_seconds=time.monotonic() - self._run_began if unknown and not seen.totals.tokens else 0,
        )
        known = begun.model_copy(
            update={
                "session": seen.session or begun.session,
                "cost_usd": session.cost_usd,
                "tokens": session.tokens,
                "unsettled_usd": (0 if seen.session_totals else begun.unsettled_usd)
                + (seen.totals.cost_usd - seen.settled.cost_usd),
                "usage": begun.usage + used,
                "turns": begun.turns + seen.turns,
                "worktree": str(self._workspace.work_path) if seen.session else begun.worktree,
            }
        )
        self._keep(known)

    def _keep(self, note: SessionNote) -> None:
        if note != self._note:
            self._note = note
            self._folder.write(note)

    def waits(self, result: AgentResult) -> Outcome | None:
        """The outcome of a task whose agent's account, network or question, whose directive's budget, or one of the
        day's, makes it wait; None: it doesn't. What one task finds out about an account counts for all of this daemon.
        """
        limits, live, command = self._command.limits, self._live, self._command
        if result.ending is Ending.BUDGET and not budget.spent(limits, self._note):
            if not live.day_ended() and self._is_bounded_by_day:
                live.stop_at_the_nearest()
            if stop := live.stop:
                return waiting(command, summary=stop.reason, until=stop.until, away=stop.away)
        if budget.is_handed_back(result, limits, self._note):
            return waiting(command, summary=USED_UP, until=self._host.parking.now() + budget.AGAIN)
        if (account := account_of(self._agent)) is None:
            return None
        host, waits = self._host, self._note.network_waits
        if result.ending is Ending.ASKED:
            return waiting(command, questions=tuple(self.asking.open.values()))
        if result.is_completed or result.ending is Ending.NETWORK:
            self._keep(self._note.model_copy(update={"network_waits": 0 if result.is_completed else waits + 1}))
        met = Met(command, self._choice.name, account, host.daemon, remedy_of(self._agent, self._tasks), waits)
        return met.waits(host.parking, result)


def _is_the_agents(question: Question) -> bool:
    """Whether it was the agent that wanted to know, or asked for leave; what a daemon asks has another id."""
    return question.id in (question_id(question.task, question.text), permission_id(question.task, question.text))
