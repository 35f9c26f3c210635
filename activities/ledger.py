"""The one write activity of the core queue (DESIGN 3)."""

from __future__ import annotations

from temporalio import activity

from activities.ports import Ledger
from domain.record import ProgressWrite, WriteAnswer


class LedgerActivities:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def record_progress(self, write: ProgressWrite) -> WriteAnswer:
        """Record all that changed in a directive since the write before, in one transaction."""
        return await self._ledger.record(write)
