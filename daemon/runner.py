"""Runs SpawnTask commands on this machine: behind it are git, agents and processes, before it only the port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from daemon.agents import ConfiguredAgent
from daemon.delivering import Publisher
from daemon.environment import GitIdentity
from daemon.outcomes import Outcomes
from daemon.ports import Core
from daemon.pulse import Pulse
from daemon.repositories import Repositories, RepositoryCache
from daemon.task_log import TaskLog
from daemon.work import AgentWork
from daemon.workspace import Workspace
from domain.errors import CannotServe, GitUnreachable, LeaseLost, RefRefused, RepositoryError
from domain.models import FailureCategory, TaskKind
from domain.spawn_task import (
    Delivery,
    Outcome,
    OutcomeStatus,
    SpawnTask,
    Usage,
    failed,
    refuse_foreign,
)


@dataclass(frozen=True)
class Machine:
    """What this machine offers to tasks."""

    name: str
    owner: str
    tasks_folder: Path
    repositories: Repositories
    agents: dict[str, ConfiguredAgent]
    identity: GitIdentity
    core: Core
    after_outcome: Callable[[], Awaitable[None]]
    """Called between publishing an outcome and reporting it: where tests let the machine die."""


class Runner:
    """The daemon behind the port `Daemon.spawn`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.running: set[UUID] = set()

    async def spawn(self, command: SpawnTask, delivery: Delivery) -> Outcome:
        """Run one delivery of an attempt to its end; see activities.ports.Daemon."""
        refuse_foreign(command, self._machine.owner)
        self.running.add(command.task)
        pulse = Pulse(delivery, self._machine.name)
        try:
            async with pulse.beating(command.pulse, command.settle):
                return await self._outcome(command, delivery, pulse)
        except (RepositoryError, RefRefused, LeaseLost) as error:
            return failed(command, FailureCategory.REPOSITORY, str(error))
        except GitUnreachable as error:
            raise CannotServe(str(error)) from error
        finally:
            self.running.discard(command.task)

    async def _outcome(self, command: SpawnTask, delivery: Delivery, pulse: Pulse) -> Outcome:
        pulse.phase = "reading the repository"
        cache = await self._machine.repositories.at(command.repository)
        if command.kind is TaskKind.PREPARE:
            return await _prepared(command, cache)
        publisher = Publisher(Outcomes(cache), command, delivery)
        if (stored := await publisher.earlier()) is not None:
            return stored
        return await self._work(command, delivery, pulse, cache, publisher)

    async def _work(
        self, command: SpawnTask, delivery: Delivery, pulse: Pulse, cache: RepositoryCache, publisher: Publisher
    ) -> Outcome:
        agent = self._agent(command)
        machine = self._machine
        workspace = Workspace.make(machine.tasks_folder, command, delivery.name, machine.identity)
        log = TaskLog(workspace.folder.log, command, delivery.name, machine.core)
        began = time.monotonic()
        async with log.sending():
            work = AgentWork(command, cache, workspace, agent, pulse, log)
            outcome = await work.outcome()
            usage = Usage(seconds=round(time.monotonic() - began, 3))
            pulse.phase = "publishing"
            published = await publisher.publish(outcome.model_copy(update={"usage": usage}), work.take)
            await machine.after_outcome()
        if published.status is OutcomeStatus.COMPLETED:
            await workspace.clean()
        return published

    def _agent(self, command: SpawnTask) -> ConfiguredAgent | None:
        """The agent that the command names; CannotServe where this daemon doesn't serve it or it isn't installed."""
        if command.agent is None:
            return None
        agent = self._machine.agents.get(command.agent.name)
        if agent is None:
            served = ", ".join(self._machine.agents) or "none"
            raise CannotServe(f"{self._machine.name} does not serve agent {command.agent.name!r}, only: {served}")
        agent.check()
        return agent


async def _prepared(command: SpawnTask, cache: RepositoryCache) -> Outcome:
    base = await cache.prepare(command.base_branch)
    return Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, base_commit=base)


async def nothing_more() -> None:
    """What happens after an outcome was published, outside of tests."""
    await asyncio.sleep(0)
