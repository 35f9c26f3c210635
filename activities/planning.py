"""Explore a repository and plan a directive, or prepare one whose plan was given (rules 2.2, 2.3)."""

from __future__ import annotations

from temporalio import activity

from activities.daemon_activities import DaemonActivities
from domain.spawn_task import Outcome, SpawnTask


class PlanningActivities(DaemonActivities):
    @activity.defn
    async def plan_directive(self, command: SpawnTask) -> Outcome:
        """A planning or prepare task; the outcome carries the plan and the generation's base commit."""
        return await self._spawn(command)
