"""The next agent of a list goes on, by what real activities say of the one before (rule 5.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from domain import names
from domain.agents import Away
from domain.directive_settings import agent_list
from domain.errors import AgentUnavailable
from domain.spawn_task import Outcome, OutcomeStatus, SpawnTask
from domain.statuses import StepStatus
from tests.workflows.scripted import planned, surroundings, until, until_status, work_of


@pytest.mark.rule("5.9")
async def test_the_next_goes_on_where_one_is_not_served_and_one_is_used_up(
    temporal_server: WorkflowEnvironment,
) -> None:
    asked: list[tuple[str, int]] = []

    async def ends(command: SpawnTask) -> Outcome:
        assert command.agent is not None
        asked.append((command.agent.name, command.attempt))
        outcome = Outcome(task=command.task, attempt=command.attempt, status=OutcomeStatus.COMPLETED)
        match command.agent.name:
            case "claude":
                raise AgentUnavailable("this daemon does not serve agent 'claude'")
            case "codex":
                until_then = {"wait_until": datetime.now(UTC) + timedelta(hours=2), "away": Away.PARKED}
                return outcome.model_copy(update={"status": OutcomeStatus.WAITING, **until_then})
        return outcome.model_copy(update={"work": work_of(command)})

    async with surroundings(temporal_server.client) as world:
        world.daemon.plans = [planned(("roof", []))]
        world.daemon.endings["roof"] = ends
        handle = await world.start(world.directive(agent=agent_list(["claude", "codex", "opencode"])))
        state = await until_status(handle, "idle")
        assert asked == [("claude", 1), ("codex", 1), ("opencode", 1)]
        (step,) = state.steps.values()
        assert step.status is StepStatus.COMPLETED
        agents = state.tasks[names.step_task(step.id)].agents
        assert (agents.name, list(agents.passed_over)) == ("opencode", ["claude", "codex"])

        async def is_recorded() -> bool:
            return world.ledger.state(state.directive.id).tasks == state.tasks

        await until(is_recorded)
