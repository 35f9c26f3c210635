"""How the work of one delivery ends: what it hands over, without secrets, published and shipped (rules 6.8, 7)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial

from daemon.core.reporting import Core, Heartbeat
from daemon.git.repository_cache import RepositoryCache
from daemon.logs.masking import Masker, masked_outcome
from daemon.saving.saver import Saver
from daemon.session.conversation import Conversation
from daemon.session.runs import AgentRuns
from daemon.session.waiting import waiting
from daemon.tasks.completing import ROUNDS
from daemon.tasks.delivering import Publisher
from daemon.tasks.work import AgentWork
from daemon.workspace.handing_over import with_handover
from daemon.workspace.workspace import Workspace
from domain.errors import LeaseLost
from domain.handover import task_context
from domain.spawn_task import Delivery, Outcome, OutcomeStatus
from domain.statuses import TaskKind
from domain.usage import Usage

PUBLISHING = "publishing"
"""The phase in which a daemon that stops lets a delivery end by itself."""


@dataclass(frozen=True)
class DeliveryEnd:
    """What the end of a delivery needs; made when its work begins."""

    delivery: Delivery
    workspace: Workspace
    cache: RepositoryCache
    heartbeat: Heartbeat
    saver: Saver
    publisher: Publisher
    core: Core
    masker: Masker
    began: float = field(default_factory=time.monotonic)

    async def of(self, work: AgentWork, *, is_decided: bool) -> Outcome:
        """The outcome that counts. A completion is merged anew, some times, where people have pushed meanwhile: what
        the attempt has published by then stays its outcome, and is merged in (`is_decided`: that is so already).
        """
        for is_last in (*[False] * (ROUNDS - 1), True):
            outcome = await self._told_if_stopped(work)
            self.heartbeat.phase = PUBLISHING
            if outcome.status is OutcomeStatus.WAITING:
                await self.saver.leave()
                return outcome  # the attempt goes on: only how it ends is published
            try:
                return await self._over(outcome, is_decided)
            except LeaseLost:
                if is_last or self.workspace.command.kind is not TaskKind.COMPLETION:
                    raise
                is_decided = True
        raise AssertionError("the last round returns or raises")

    async def _told_if_stopped(self, work: AgentWork) -> Outcome:
        try:
            return await self._reported(work)
        except asyncio.CancelledError:
            if work.runs:
                left = self._accounted(waiting(self.workspace.command, summary="called back"), work)
                self.delivery.leaves(masked_outcome(left, self.masker))
            raise

    def _accounted(self, outcome: Outcome, work: AgentWork) -> Outcome:
        return accounted(outcome, work.runs, round(time.monotonic() - self.began, 3))

    async def _reported(self, work: AgentWork) -> Outcome:
        folder, saver = self.workspace.folder, self.saver
        context = task_context(self.workspace.command)
        async with Conversation(folder.path, self.delivery, context, self.masker).going_on():
            outcome = await work.outcome()
        outcome = await with_handover(outcome, self.workspace.command, folder, self.core, self.masker)
        outcome = masked_outcome(outcome, self.masker)
        outcome = self._accounted(outcome, work)
        return outcome.model_copy(update={"warnings": (*outcome.warnings, *saver.mended, *saver.warnings)})

    async def _over(self, outcome: Outcome, is_decided: bool) -> Outcome:
        settle = self.publisher.settle_new(outcome) if is_decided else self.publisher.publish(outcome, self.saver.take)
        over = await settle
        if over.status is OutcomeStatus.WAITING:  # for the remote: only this machine has the outcome
            await self.saver.leave()
            return over
        ours = over if over.delivery == self.delivery.name else outcome
        head, succeeded = ours.work.head if ours.work else "", outcome.status is OutcomeStatus.COMPLETED
        # Its worktree is kept for a while (rule 6.12). Noted first: whoever cancels the rest leaves nothing to rescue.
        await asyncio.to_thread(partial(self.workspace.note, is_over=True, succeeded=succeeded, head=head))
        await self.saver.finish()
        return over


def accounted(outcome: Outcome, runs: AgentRuns | None, seconds: float) -> Outcome:
    """`outcome` with what the attempt has used, where it can be gone on with, and what its agent was denied."""
    own = Usage(seconds=seconds)
    if runs is None:
        return outcome.model_copy(update={"usage": own})
    denied = tuple(f"denied: {each}" for each in dict.fromkeys(runs.denied))
    usage = runs.usage + own
    resume = runs.resume.model_copy(update={"usage": usage})
    warnings = (*outcome.warnings, *runs.warnings, *denied)
    return outcome.model_copy(update={"usage": usage, "account": runs.account, "resume": resume, "warnings": warnings})
