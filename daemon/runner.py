"""Runs SpawnTask commands on this machine: behind it are git, agents and processes, before it only the port."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

from daemon.agent_runs import Host, account_of, accounted
from daemon.agents import ConfiguredAgent
from daemon.checkpoints import Checkpoints
from daemon.conversation import Conversation
from daemon.copied_files import CopiedFile, chosen
from daemon.delivering import Publisher
from daemon.delivery_note import mark_alive
from daemon.environment import GitIdentity
from daemon.handing_over import with_handover
from daemon.log_sender import LogBacklog
from daemon.masking import Masker, masked_outcome
from daemon.outcomes import Outcomes
from daemon.parking import Parking
from daemon.ports import Core
from daemon.pulse import Pulse
from daemon.repositories import Repositories, RepositoryCache
from daemon.sandbox import Sandbox
from daemon.saver import Saver
from daemon.stopping import Stopping
from daemon.task_log import TaskLog
from daemon.work import AgentWork
from daemon.workspace import Workspace
from domain.errors import CannotServe, GitError, GitUnreachable, HandoverBroken, LeaseLost, RefRefused, RepositoryError
from domain.models import FailureCategory, TaskKind
from domain.spawn_task import (
    Delivery,
    Outcome,
    OutcomeStatus,
    SpawnTask,
    failed,
    refuse_foreign,
)

PUBLISHING = "publishing"
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Machine:
    """What this machine offers to tasks."""

    name: str
    owner: str
    tasks_folder: Path
    repositories: Repositories
    agents: dict[str, ConfiguredAgent]
    identity: GitIdentity
    sandbox: Sandbox
    core: Core
    min_free_disk: int
    """Bytes; with less a task is refused (SPEC 5.7)."""
    max_task_memory: int
    """Bytes of a task's processes together; 0: no limit."""
    after_outcome: Callable[[], Awaitable[None]]
    """Called between publishing an outcome and reporting it: where tests let the machine die."""
    copy_files: tuple[CopiedFile, ...] = ()
    masker: Masker = field(default_factory=Masker)
    backlog: LogBacklog | None = None
    """Takes what is left of a log at the end of its task; without one the next daemon sends it."""


class Runner:
    """The daemon behind the port `Daemon.spawn`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.running: set[UUID] = set()
        """The tasks that hold one of the slots for agents."""
        self.sandbox = machine.sandbox.name
        """The mode, for logs and reports."""
        self._stopping = Stopping(machine.name)
        self.parking = Parking(machine.name)

    def stop(self) -> None:
        """Hand all tasks back, with their work saved (SPEC 6.10); none is taken from now on."""
        self._stopping.begin()

    async def spawn(self, command: SpawnTask, delivery: Delivery) -> Outcome:
        """Run one delivery of an attempt to its end; see activities.ports.Daemon."""
        refuse_foreign(command, self.machine.owner)
        if command.kind is not TaskKind.PREPARE:
            self.running.add(command.task)
        pulse = Pulse(delivery, self.machine.name)
        try:
            async with pulse.beating(command.pulse, command.settle):
                work = self._outcome(command, delivery, pulse)
                return await self._stopping.run(work, lambda: pulse.phase == PUBLISHING)
        except HandoverBroken as error:
            return failed(command, FailureCategory.AGENT, str(error))
        except (RepositoryError, RefRefused, LeaseLost) as error:
            return failed(command, FailureCategory.REPOSITORY, str(error))
        except GitUnreachable as error:
            raise CannotServe(str(error)) from error
        except (GitError, OSError) as error:
            if not _is_disk_full(error):
                raise
            raise CannotServe(f"the disk of {self.machine.name} is full: {error}") from error
        finally:
            self.running.discard(command.task)

    async def _outcome(self, command: SpawnTask, delivery: Delivery, pulse: Pulse) -> Outcome:
        pulse.phase = "reading the repository"
        cache = await self.machine.repositories.at(command.repository)
        if command.kind is TaskKind.PREPARE:
            return await _prepared(command, cache)
        publisher = Publisher(Outcomes(cache), command, delivery, self.machine.name)
        if (stored := await publisher.earlier()) is not None:
            await _checkpoints(command, cache).forget()
            return stored
        return await self._work(command, delivery, pulse, cache, publisher)

    async def _work(
        self, command: SpawnTask, delivery: Delivery, pulse: Pulse, cache: RepositoryCache, publisher: Publisher
    ) -> Outcome:
        agent = self._agent(command)
        machine = self.machine
        await asyncio.to_thread(self._refuse_without_room)
        workspace = Workspace.make(
            machine.tasks_folder, command, delivery.name, machine.identity, machine.sandbox, cache.folder
        )
        log = TaskLog(workspace.folder.log, command, delivery.name, machine.core, machine.masker, machine.backlog)
        began = time.monotonic()
        saver = Saver(
            _checkpoints(command, cache),
            partial(cache.take, workspace.work_path),
            delivery=delivery.name,
            daemon=machine.name,
            tell=log.append,
            alive=partial(mark_alive, workspace.path),
            decided=publisher.is_decided,
        )
        async with _cleaned(workspace, saver), log.sending(), saver.saving(command.checkpoint_every.total_seconds()):
            files = chosen(machine.copy_files, command.repository)
            host = Host(machine.name, delivery, self.parking)
            work = AgentWork(command, cache, workspace, agent, pulse, log, saver, machine.max_task_memory, host, files)
            async with Conversation(workspace.folder.path, delivery).going_on():
                outcome = await work.outcome()
            pulse.phase = PUBLISHING
            outcome = await with_handover(outcome, command, workspace.folder, machine.core)
            outcome = masked_outcome(outcome, machine.masker)
            outcome = accounted(outcome, work.runs, round(time.monotonic() - began, 3))
            outcome = outcome.model_copy(update={"warnings": (*outcome.warnings, *saver.warnings)})
            if outcome.status is OutcomeStatus.WAITING:
                await saver.leave()
                return outcome  # the attempt goes on: only how it ends is published
            published = await publisher.publish(outcome, partial(cache.take, workspace.work_path))
            await saver.finish()
            await asyncio.to_thread(partial(workspace.note, **_end(outcome)))
            await machine.after_outcome()
        return published

    def _refuse_without_room(self) -> None:
        folder, wanted = self.machine.tasks_folder, self.machine.min_free_disk
        folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(folder).free) < wanted:
            room = f"{free // MEGABYTE} MB are free at {folder}, less than min_free_disk_mb = {wanted // MEGABYTE}"
            raise CannotServe(f"the disk of {self.machine.name} is nearly full: {room}")

    def _agent(self, command: SpawnTask) -> ConfiguredAgent | None:
        """The agent that the command names; CannotServe where this daemon doesn't serve it or it isn't installed."""
        if command.agent is None:
            return None
        agent = self.machine.agents.get(command.agent.name)
        if agent is None:
            served = ", ".join(self.machine.agents) or "none"
            raise CannotServe(f"{self.machine.name} does not serve agent {command.agent.name!r}, only: {served}")
        agent.check()
        self.parking.admit(account_of(agent), command.context.answers)
        return agent


@asynccontextmanager
async def _cleaned(workspace: Workspace, saver: Saver) -> AsyncIterator[None]:
    """Work that ends without being done leaves no worktree, once the remote has all that was in it."""
    try:
        yield
    finally:
        if saver.is_safe:
            await workspace.clean()


def _checkpoints(command: SpawnTask, cache: RepositoryCache) -> Checkpoints:
    return Checkpoints(cache, str(command.task), command.attempt)


def _is_disk_full(error: GitError | OSError) -> bool:
    """git has no exit code for it, only the system's words."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT))


def _end(outcome: Outcome) -> dict[str, object]:
    """What the note of a delivery that has published says: its worktree is kept for a while (SPEC 6.12)."""
    head = outcome.work.head if outcome.work else ""
    return {"is_over": True, "succeeded": outcome.status is OutcomeStatus.COMPLETED, "head": head}


async def _prepared(command: SpawnTask, cache: RepositoryCache) -> Outcome:
    base = await cache.prepare(command.base_branch)
    return Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED, base_commit=base)


async def nothing_more() -> None:
    """What happens after an outcome was published, outside of tests."""
    await asyncio.sleep(0)
