"""Runs SpawnTask commands on this machine: behind it are git, agents and processes, before it only the port."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

from daemon.agents import ConfiguredAgent
from daemon.core.attempt_key import AttemptKey
from daemon.core.current_delivery import CurrentDelivery
from daemon.core.reporting import Heartbeat
from daemon.git.remote_errors import is_disk_full
from daemon.git.repository_cache import RepositoryCache
from daemon.git.state_refs import checkpoints_name, outcome_name
from daemon.logs.masking import masked_outcome
from daemon.logs.places import SafePaths
from daemon.logs.task_log import TaskLog
from daemon.machine import Machine
from daemon.pull_requests.opening import Shipping, asked, asked_about_push
from daemon.sandbox.door_process import opened
from daemon.sandbox.sandbox import MissingSandbox
from daemon.saving.checkpoints import Checkpoints
from daemon.saving.foreign_state import ForeignState
from daemon.saving.outcomes import Outcomes
from daemon.saving.saver import Saver
from daemon.session.day_budgets import HeardOf
from daemon.session.host import Host
from daemon.session.parking import account_of, parking_of
from daemon.session.radar import Radar
from daemon.tasks.attempts import Attempts, AttemptWork
from daemon.tasks.completing import CompletionWork
from daemon.tasks.delivering import Publisher, problem_with
from daemon.tasks.finishing import PUBLISHING, DeliveryEnd
from daemon.tasks.start import TaskParts, prepared
from daemon.tasks.work import AgentWork
from daemon.workspace.copied_files import chosen
from daemon.workspace.delivery_note import mark_alive, mark_over
from daemon.workspace.workspace import Workspace
from domain.errors import (
    AgentUnavailable,
    BaseBranchMissing,
    CannotServe,
    ForgeRefused,
    ForgeUnreachable,
    GitError,
    GitUnreachable,
    HandoverBroken,
    LeaseLost,
    MakimaError,
    RefRefused,
    RemoteBroken,
    RepositoryError,
    UnrelatedHistories,
    WorktreeBroken,
)
from domain.failures import FailureCategory, RepositoryTrouble
from domain.spawn_task import Delivery, LosableDelivery, Outcome, OutcomeStatus, SpawnTask, failed, refuse_foreign
from domain.statuses import TaskKind

MEGABYTE = 1024 * 1024


class Runner:
    """The daemon behind the port `Daemon.spawn`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.running: set[UUID] = set()
        """The tasks that hold one of the slots for agents."""
        self.sandbox = machine.sandbox.name
        """The mode, for logs and reports; with the reason where none works."""
        if isinstance(machine.sandbox, MissingSandbox):
            self.sandbox = machine.sandbox.about
        self._attempts = Attempts(machine.name)
        self.rescued: Callable[[UUID, int], Awaitable[None]] = _nothing_is_left
        """Waits until what an earlier daemon has left of an attempt is saved."""
        self.parking = parking_of(machine.name, machine.tasks_folder)
        self._heard_of = HeardOf(machine.tasks_folder)
        machine.masker.hide_places(SafePaths(machine.tasks_folder, Path.home()))

    def stop(self) -> None:
        """Hand all tasks back, with their work saved (rule 6.10); none is taken from now on."""
        self._attempts.stop()

    async def all_ended(self) -> None:
        """After `stop`: wait for the work that no delivery waits for."""
        await self._attempts.all_ended()

    async def spawn(self, command: SpawnTask, delivery: LosableDelivery) -> Outcome:
        """Run one delivery of an attempt to its end; see activities.ports.Daemon."""
        refuse_foreign(command, self.machine.owner)
        return await self._attempts.run(command, delivery, partial(self._work_of, command))

    def _work_of(self, command: SpawnTask, delivery: CurrentDelivery) -> AttemptWork:
        heartbeat = Heartbeat(delivery, self.machine.name)
        return AttemptWork(self._whole(command, delivery, heartbeat), lambda: heartbeat.phase == PUBLISHING)

    async def _whole(self, command: SpawnTask, delivery: Delivery, heartbeat: Heartbeat) -> Outcome:
        """The work of an attempt from its beginning to its end, by whichever deliveries."""
        foreign: list[str] = []
        outcome = await self._spawned(command, delivery, heartbeat, foreign)
        outcome = outcome.model_copy(update={"unverified": tuple(dict.fromkeys((*outcome.unverified, *foreign)))})
        return masked_outcome(outcome, self.machine.masker)

    async def _spawned(
        self, command: SpawnTask, delivery: Delivery, heartbeat: Heartbeat, foreign: list[str]
    ) -> Outcome:
        if command.kind is not TaskKind.PREPARE:
            self.running.add(command.task)
        try:
            async with heartbeat.beating(command.pulse, command.settle):
                return await self._outcome(command, delivery, heartbeat, foreign)
        except (HandoverBroken, WorktreeBroken) as error:
            return failed(command, FailureCategory.AGENT, str(error))
        except (RepositoryError, RefRefused, LeaseLost) as error:
            if isinstance(error, RefRefused) and command.kind is TaskKind.COMPLETION:
                return asked_about_push(command, error)
            refusal = failed(command, FailureCategory.REPOSITORY, str(error))
            return refusal.model_copy(update={"trouble": _trouble(error)})
        except ForgeRefused as error:
            return asked(command, error)
        except (GitUnreachable, RemoteBroken) as error:
            raise CannotServe(str(error)) from error
        except ForgeUnreachable as error:
            raise CannotServe(str(error), error.until) from error
        except (GitError, OSError) as error:
            if not is_disk_full(error):
                raise
            raise CannotServe(f"the disk of {self.machine.name} is full: {error}") from error
        finally:
            self.running.discard(command.task)

    async def _outcome(
        self, command: SpawnTask, delivery: Delivery, heartbeat: Heartbeat, foreign: list[str]
    ) -> Outcome:
        """`foreign` gets a line for everything on the remote that stands where the attempt's state belongs."""
        heartbeat.phase = "reading the repository"
        cache = await self.machine.repositories.at(command.repository)
        if command.kind is TaskKind.PREPARE:
            return await _prepared(command, cache)
        shipping = Shipping(command, cache, self.machine.forges, delivery.confirm, heartbeat)
        key, judge = AttemptKey.of(command), partial(problem_with, cache, command)
        task, attempt = str(command.task), command.attempt
        outcomes = Outcomes(cache, key, judge, ForeignState(cache, outcome_name(task, attempt), foreign))
        publisher = Publisher(outcomes, command, delivery, heartbeat, self.machine.name, cache, shipping.ship)
        moved = ForeignState(cache, checkpoints_name(task, attempt), foreign)
        checkpoints = Checkpoints(cache, task, attempt, key, moved)
        stored = await publisher.earlier() or await publisher.finished() or await publisher.recorded(cache)
        if stored is None:
            return await self._work(command, delivery, heartbeat, cache, publisher, checkpoints, shipping)
        heartbeat.phase = PUBLISHING
        try:
            settled = await publisher.take_up(stored)
        except LeaseLost:
            if command.kind is not TaskKind.COMPLETION or stored.head is None:
                raise
            return await self._work(command, delivery, heartbeat, cache, publisher, checkpoints, shipping, stored.head)
        if settled.status is not OutcomeStatus.WAITING:
            await checkpoints.forget()
        return settled

    async def _work(
        self,
        command: SpawnTask,
        delivery: Delivery,
        heartbeat: Heartbeat,
        cache: RepositoryCache,
        publisher: Publisher,
        checkpoints: Checkpoints,
        shipping: Shipping,
        carried: str = "",
    ) -> Outcome:
        """`carried`: work that the attempt has published, and that its branch went on without."""
        machine = self.machine
        if isinstance(machine.sandbox, MissingSandbox):
            raise CannotServe(f"{machine.name} serves no agent without a sandbox: {machine.sandbox.reason}")
        agent = self._agent(command)
        await asyncio.to_thread(self._refuse_without_room)
        await self.rescued(command.task, command.attempt)
        workspace = Workspace.make(
            machine.tasks_folder, command, delivery.name, machine.identity, machine.sandbox, cache.folder
        ).behind(machine.network.policy(agent, os.environ))
        workspace = await asyncio.to_thread(workspace.equipped, machine.tools)
        log = TaskLog(workspace.folder.log, command, delivery.name, machine.core, machine.masker, machine.backlog)
        saver = Saver(
            checkpoints,
            workspace.side_repository(cache),
            delivery=delivery.name,
            daemon=machine.name,
            log=log.append,
            alive=partial(mark_alive, workspace.path),
            decided=publisher.is_decided,
        )
        watched = (command, cache, lambda: saver.saved, log.add_line, machine.masker.outward)
        radar = Radar(*watched) if command.kind is TaskKind.STEP else None
        ending = DeliveryEnd(delivery, workspace, cache, heartbeat, saver, publisher, machine.core, machine.masker)
        saving = saver.saving(command.checkpoint_every.total_seconds())
        door = opened(workspace.doorway, log.add_line, os.environ)
        async with _kept(workspace), _cleaned(workspace, saver), log.sending(), saving, door:
            parts = TaskParts(
                command=command,
                cache=cache,
                workspace=workspace,
                agent=agent,
                heartbeat=heartbeat,
                log=log,
                saver=saver,
                memory=machine.max_task_memory,
                host=Host(machine.name, delivery, self.parking, self._heard_of, machine.core, radar),
                copy_files=chosen(machine.copy_files, command.repository),
                allow_secrets=machine.allow_secrets,
                seen=publisher.seen,
            )
            is_completion = command.kind is TaskKind.COMPLETION
            work = CompletionWork(parts, shipping, carried) if is_completion else AgentWork(parts)
            outcome = await ending.of(work, is_decided=bool(carried))
            await machine.after_outcome()
        return outcome

    def _refuse_without_room(self) -> None:
        folder, wanted = self.machine.tasks_folder, self.machine.min_free_disk
        folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(folder).free) < wanted:
            room = f"{free // MEGABYTE} MB are free at {folder}, less than min_free_disk_mb = {wanted // MEGABYTE}"
            raise CannotServe(f"the disk of {self.machine.name} is nearly full: {room}")

    def _agent(self, command: SpawnTask) -> ConfiguredAgent | None:
        """The agent that the command names; AgentUnavailable where this daemon can't use it."""
        if command.agent is None:
            return None
        agent = self.machine.agents.get(command.agent.name)
        if agent is None:
            served = ", ".join(self.machine.agents) or "none"
            raise AgentUnavailable(f"{self.machine.name} does not serve agent {command.agent.name!r}, only: {served}")
        agent.check()
        agent.refuse_limits(command.limits, command.agent.model)
        self.parking.admit(account_of(agent), command.context.answers)
        return agent


@asynccontextmanager
async def _kept(workspace: Workspace) -> AsyncIterator[None]:
    """Its keeper starts while the worktree is made, and is there for all that comes after."""
    workspace.keeper.open()
    try:
        yield
    finally:
        workspace.keeper.close()


@asynccontextmanager
async def _cleaned(workspace: Workspace, saver: Saver) -> AsyncIterator[None]:
    """Work that ends without being done leaves no worktree, once the remote has all that was in it. What can't be saved
    is kept with it for a while: nobody could rescue more.
    """
    try:
        yield
    finally:
        if saver.is_safe:
            await workspace.clean()
        elif saver.is_saved:
            await asyncio.to_thread(mark_over, workspace.path)


def _trouble(error: MakimaError) -> RepositoryTrouble | None:
    match error:
        case BaseBranchMissing():
            return RepositoryTrouble.BASE_BRANCH
        case UnrelatedHistories():
            return RepositoryTrouble.UNRELATED
        case _:
            return None


async def _prepared(command: SpawnTask, cache: RepositoryCache) -> Outcome:
    branch = command.base_branch or await cache.default_branch()
    base, prefix = await prepared(command, cache, branch)
    return Outcome(
        task=command.task,
        attempt=command.attempt,
        status=OutcomeStatus.COMPLETED,
        base_commit=base,
        base_branch=branch,
        branch_prefix=prefix,
    )


async def _nothing_is_left(task: UUID, attempt: int) -> None:
    """Where no daemon was before."""


async def nothing_more() -> None:
    """What happens after an outcome was published, outside of tests."""
    await asyncio.sleep(0)
