"""Merge what is done into one branch, ready for a pull request (rule 7)."""

from __future__ import annotations

from temporalio import activity

from activities.daemon_activities import DaemonActivities
from domain.spawn_task import Outcome, SpawnTask


class CompletionActivities(DaemonActivities):
    @activity.defn
    async def complete_directive(self, command: SpawnTask) -> Outcome:
        """Merge the recorded commits of finished steps and push the directive's branch."""
        return await self._spawn(command)
