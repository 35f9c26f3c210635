"""Do the work of one step (rule 2.5)."""

from __future__ import annotations

from temporalio import activity

from activities.daemon_activities import DaemonActivities
from domain.spawn_task import Outcome, SpawnTask


class StepActivities(DaemonActivities):
    @activity.defn
    async def execute_step(self, command: SpawnTask) -> Outcome:
        """A step's attempt, by an agent in a git worktree of its own; the outcome carries branch and commits."""
        return await self._spawn(command)
