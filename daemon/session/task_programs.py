"""Runs what belongs to a task — its agent, setup, verify — where the agent works, with all output in the log."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from daemon.agents import ConfiguredAgent
from daemon.core.reporting import Heartbeat
from daemon.logs.task_log import TaskLog
from daemon.process.agent_process import TAIL_LIMIT, run_agent
from daemon.process.program import AgentCommand, EndedBy, ProcessEnd
from daemon.session.follower import Follower
from daemon.workspace.workspace import Workspace
from domain.directive_settings import Limits


class Programs:
    """One after the other, within the task's limits: its time is that of all of them together."""

    def __init__(
        self,
        workspace: Workspace,
        agent: ConfiguredAgent | None,
        heartbeat: Heartbeat,
        log: TaskLog,
        *,
        memory: int,
        before_kill: Callable[[], Awaitable[None]],
    ) -> None:
        """`memory`: bytes that a program's processes may use together; 0: no limit."""
        self._workspace = workspace
        self._agent = agent
        self._heartbeat = heartbeat
        self._log = log
        self._memory = memory
        self._before_kill = before_kill
        self._until: float | None = None
        self._log_began = 0

    async def run(
        self,
        command: AgentCommand,
        phase: str,
        at_most: timedelta | None = None,
        follower: Follower | None = None,
    ) -> ProcessEnd:
        """How `command` ended; the tail is without secrets. `at_most` takes the place of the limit on silence, too.
        `follower` understands what it prints.
        """
        self._heartbeat.phase = phase
        self._log_began = self._log.size
        limits = self._workspace.command.limits
        self._until = self._until or time.monotonic() + limits.time.total_seconds()
        left = timedelta(seconds=max(0, self._until - time.monotonic()))
        if at_most is not None:
            limits = Limits(time=at_most, no_output=at_most)
        ended = await run_agent(
            replace(command, argv=self._boxed(command)),
            cwd=self._workspace.work_path,
            env=self._workspace.environment(command),
            sink=follower.take if follower else self._append,
            talk=follower.talk if follower else None,
            stop=follower.stop if follower else None,
            limits=limits.model_copy(update={"time": min(limits.time, left)}),
            memory=self._memory,
            before_kill=self._before_kill,
        )
        return replace(ended, tail=self.output(TAIL_LIMIT))

    def _boxed(self, command: AgentCommand) -> tuple[str, ...]:
        workspace = self._workspace
        return workspace.boxed(command.argv, writes=command.writes, door=workspace.doorway)

    async def run_line(self, line: str, phase: str, at_most: timedelta | None = None) -> ProcessEnd:
        """The same for a line of a shell, with the variables that the agent gets."""
        self._log.add_line(f"{phase}: {line}")
        env, passed = (self._agent.env, self._agent.pass_env) if self._agent else ({}, ())
        return await self.run(AgentCommand(("sh", "-c", line), env=env, pass_env=passed), phase, at_most)

    def output(self, limit: int) -> str:
        """The last `limit` bytes that the last program has printed, without secrets."""
        return self._log.tail(limit, since=self._log_began)

    def _append(self, text: str) -> None:
        self._log.append(text)
        self._heartbeat.last_line = self._log.last_line


def ending_text(line: str, ended: ProcessEnd) -> str:
    """How a line of a shell ended, for a report."""
    how = f"ended with exit code {ended.exit_code}" if ended.ended_by is EndedBy.EXIT else f"stopped: {ended.ended_by}"
    return f"`{line}` {how}"


def closed(server: str) -> str:
    """What the log says of a program that was ended after its turn, with the server that it had left, if it had."""
    left = f"what it had left in its background, {server}, listens for connections and" if server else "its program"
    return f"closed after its turn: {left} did not end by itself"
