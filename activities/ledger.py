"""What the workflow asks of the record: one write activity, and which daemon to try next (DESIGN 3, 10)."""

from __future__ import annotations

from temporalio import activity

from activities.ports import Ledger
from domain.record import DaemonWanted, ProgressWrite, WriteAnswer


class LedgerActivities:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def record_progress(self, write: ProgressWrite) -> WriteAnswer:
        """Record all that changed in a directive since the write before, in one transaction."""
        return await self._ledger.record(write)

    @activity.defn
    async def pick_daemon(self, wanted: DaemonWanted) -> str | None:
        """Name a daemon for a task that others have refused."""
        return await self._ledger.pick_daemon(wanted)
