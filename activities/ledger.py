"""What the workflow asks of the record: one write activity, and which daemon to try next (design 3, 10)."""

from __future__ import annotations

from temporalio import activity

from activities.metrics import count_facts
from activities.ports import Ledger
from domain.daemon_messages import DaemonWanted
from domain.experience import RepositoryNamed, StepDone
from domain.record import AttemptNamed, ProgressWrite, WriteAnswer, WriteVerdict
from domain.spawn_task import Outcome
from domain.usage import Rate


class LedgerActivities:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def record_progress(self, write: ProgressWrite) -> WriteAnswer:
        """Record all that changed in a directive since the write before, in one transaction."""
        answer = await self._ledger.record(write)
        if answer.verdict is WriteVerdict.APPLIED:  # else it was counted before, or will be
            count_facts(activity.metric_meter(), write.facts)
        return answer

    @activity.defn
    async def find_outcome(self, wanted: AttemptNamed) -> Outcome | None:
        """How an attempt ended that may be dispatched once more, in a run that begins before its end."""
        return await self._ledger.find_outcome(wanted)

    @activity.defn
    async def find_steps_done(self, wanted: RepositoryNamed) -> tuple[StepDone, ...]:
        """What a repository's steps have used, for its next planner."""
        return await self._ledger.steps_done(wanted)

    @activity.defn
    async def find_rates(self, wanted: RepositoryNamed) -> dict[str, Rate]:
        """What agents have cost in a repository's steps, for estimates of what they don't tell."""
        return await self._ledger.rates(wanted)

    @activity.defn
    async def pick_daemon(self, wanted: DaemonWanted) -> str | None:
        """Name a daemon for a task that others have refused."""
        return await self._ledger.pick_daemon(wanted)
